"""Fixtures that every test may use."""

import signal

pytest_plugins = ["tests.parts", "tests.postgres", "tests.stores", "tests.houses"]

# A shell that starts us in the background hands SIGINT down as ignored, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
