"""Fixtures that every test may use."""

import os
import signal

pytest_plugins = ["tests.parts", "tests.postgres", "tests.stores", "tests.houses", "tests.company"]

# PostgreSQL runs as another user, for which Python forks; gRPC's handlers in the child now and then crash it.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

# A shell that starts us in the background hands SIGINT down as ignored, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
