"""`podkeeper up`: the service in the foreground, from the banner to the last word."""

import asyncio
import logging
import signal
import socket
import sys

import uvicorn

from cli.banner import banner
from cli.output import complain
from cli.serve import Faces
from core.app import House, local_token, running
from core.errors import Unavailable
from core.settings import Settings


async def serve(settings: Settings) -> None:
    """Run until Ctrl-C or SIGTERM. AlreadyRunning and Unavailable come before anything was started."""
    _configure_logging()
    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_end.set)
    token = local_token(settings)
    async with running(settings) as house:
        with _listen(settings.listen) as listener:
            faces = Faces(house, token)
            async with faces.running():
                await _serve(faces, house, settings, listener, asked_to_end)
        left = await house.running_pods()
    complain(_last_word(left))


async def _serve(
    faces: Faces, house: House, settings: Settings, listener: socket.socket, asked_to_end: asyncio.Event
) -> None:
    config = uvicorn.Config(
        faces.app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2, ws="none"
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="web server")
    print(await banner(house, settings, faces), flush=True)  # noqa: T201
    ending = asyncio.create_task(asked_to_end.wait())
    await asyncio.wait([serving, ending], return_when=asyncio.FIRST_COMPLETED)
    if sys.stderr.isatty():
        complain("")
    complain("Stopping the service.")
    ending.cancel()
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: ours stops everything in order."""

    def install_signal_handlers(self) -> None:
        """Nothing to install."""


def _listen(address: tuple[str, int]) -> socket.socket:
    """Our own socket, so that a taken port is told in a sentence; TCP_NODELAY needs the protocol to be named."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"The service cannot listen on {host}:{port}: {error.strerror}. Set PODKEEPER_LISTEN to another "
            f"address, for example 127.0.0.1:8701."
        ) from None
    return listener


def _configure_logging() -> None:
    logging.getLogger().setLevel(logging.INFO)
    for noisy in ("httpx", "httpcore", "apscheduler", "alembic", "uvicorn", "mcp", "slack_bolt", "slack_sdk"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))


def _last_word(left: int) -> str:
    if not left:
        return "Stopped. No pod is running."
    pods, keep, them = ("1 pod", "keeps", "it") if left == 1 else (f"{left} pods", "keep", "them")
    return (
        f"Stopped: the gateway, MCP and Slack. {pods} {keep} running without an address, and nobody stops {them} for "
        f"idleness until the service is back; `podkeeper up` finds {them} again."
    )
