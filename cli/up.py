"""`podkeeper up`: the service in the foreground, from the banner to the last word."""

import asyncio
import logging
import signal
import sys

from cli.banner import banner
from cli.output import complain
from cli.serve import Faces, answering, listen
from core.app import running, spare_the_collector
from core.errors import InvalidInput
from core.parts import local_token, make_data_dir
from core.settings import Settings

NOISY = ("httpx", "httpx2", "httpcore", "apscheduler", "alembic", "uvicorn", "mcp", "slack_bolt", "slack_sdk")


async def serve(settings: Settings) -> None:
    """Run until Ctrl-C or SIGTERM. AlreadyRunning and Unavailable come before anything was started."""
    _configure_logging()
    if settings.listen == settings.gateway_listen:
        raise InvalidInput("PODKEEPER_LISTEN and PODKEEPER_GATEWAY_LISTEN are the same address; they must differ.")
    make_data_dir(settings.data_dir)
    ending = Ending()
    try:
        with await listen(settings) as listener:
            token = local_token(settings)
            async with running(settings) as house:
                faces = Faces(house, token)
                async with faces.running(), answering(faces, listener):
                    ending.opened()
                    spare_the_collector()
                    print(await banner(house, settings, faces), flush=True)  # noqa: T201
                    await ending.wait()
                    complain("\nStopping the service." if sys.stderr.isatty() else "Stopping the service.")
                last_word = _last_word(await house.running_pods())
    except asyncio.CancelledError:
        if not ending.asked:
            raise
        last_word = "Stopped before the service was ready. Pods that were running keep running."
    complain(last_word)


class Ending:
    """The first Ctrl-C or SIGTERM breaks the opening off, or ends the serving; a second one is Python's own."""

    def __init__(self) -> None:
        self.asked = False
        self._event = asyncio.Event()
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._ask)

    def opened(self) -> None:
        """From now on `wait` tells, and nothing is broken off."""
        self._task = None

    async def wait(self) -> None:
        """Return when the end is asked for."""
        await self._event.wait()

    def _ask(self) -> None:
        self.asked = True
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)
        self._event.set()
        if self._task is not None:
            self._task.cancel()


def _configure_logging() -> None:
    logging.getLogger().setLevel(logging.INFO)
    for noisy in NOISY:
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
