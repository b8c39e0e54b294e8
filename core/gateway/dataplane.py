"""The data plane's life: an Envoy is adopted or started, watched, and started again when it dies."""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.errors import Unavailable
from core.gateway import process
from core.gateway.admin import Admin
from core.gateway.bootstrap import ADMIN_SOCKET, bootstrap, fingerprint
from core.gateway.counters import open_requests
from core.model import Frozen

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
STEADY_SECONDS = 30.0
"""An Envoy that lived this long is started again at once when it dies; one that did not waits a little longer."""
LONGEST_PAUSE = 10.0


class State(Frozen):
    """`gateway.json`: the Envoy that was started last."""

    pid: int
    node: str
    """Another one at each start: it tells a restarted Envoy, whose counters began at zero, from a quiet one."""
    bootstrap: str
    version: str


class DataPlane:
    """One Envoy process. `expect` is called with its node id before it can connect."""

    def __init__(
        self, directory: Path, listen: tuple[str, int], binary: Path | None, admin: Admin, *, tls: bool
    ) -> None:
        self._directory = directory
        self._listen = listen
        self._tls = tls
        self._named = binary
        self._admin = admin
        self._binary = Path()
        self._version = ""
        self._watching: asyncio.Task[None] | None = None
        self._expect: Callable[[str], None] = lambda node: None
        self.state: State | None = None
        """The Envoy that runs for us; None before the first and after the last."""

    async def prepare(self, expect: Callable[[str], None]) -> bool:
        """Adopt the Envoy that kept running, if it is what we would start now; otherwise end it. True when adopted."""
        self._expect = expect
        self._binary = process.find_envoy(self._named)
        self._version = await process.version(self._binary)
        owner = await self._admin.owner()
        if owner is None:
            return False
        saved = self._saved()
        if saved is not None and saved.pid == owner and await self._same(saved):
            self.state = saved
            self._expect(saved.node)
            log.info("Envoy (pid %d) kept running and is adopted", saved.pid)
            return True
        await self._retire(owner)
        return False

    async def start(self) -> State:
        """Start a new Envoy; Unavailable when the address is taken, or the directory cannot be written to."""
        process.check_free(self._listen)
        node = uuid.uuid4().hex
        self._expect(node)
        pid: int | None = None
        try:
            config = self._directory / "bootstrap.json"
            config.write_text(json.dumps(bootstrap(self._listen, node, tls=self._tls), indent=1))
            pid = process.spawn(self._binary, self._directory, config.name)
            started = State(
                pid=pid, node=node, bootstrap=fingerprint(self._listen, tls=self._tls), version=self._version
            )
            written = self._file.with_suffix(".new")
            written.write_text(started.model_dump_json())
            written.replace(self._file)
        except OSError as error:
            if pid is not None:  # one that is not written down could never be found again
                await process.stop(pid)
            raise Unavailable(
                f"The gateway cannot keep its files in {self._directory}: {(error.strerror or str(error)).lower()}. "
                "Make room there, or set PODKEEPER_DATA_DIR to another place."
            ) from None
        self.state = started
        return started

    async def replace(self) -> None:
        """Give up an adopted Envoy that does not come back to us, and start another."""
        if self.state is not None:
            await self._retire(self.state.pid)
        await self.start()

    def watch(self) -> None:
        """From now on Envoy is started again when it dies."""
        self._watching = asyncio.create_task(self._keep_alive(), name="envoy-watch")

    async def died(self) -> Unavailable:
        """Returns when the present Envoy is gone, with its last words."""
        if self.state is not None:
            await process.ended(self.state.pid)
        words = process.last_words(self._directory)
        return Unavailable(
            f"The gateway's Envoy ended right after its start. Its last words: {words or '(none)'} "
            f"See {self._directory / process.LOG_FILE}."
        )

    async def detach(self) -> None:
        """Stop watching; Envoy runs on."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None
        self.state = None

    async def stop(self) -> None:
        """End Envoy for good."""
        state = self.state
        await self.detach()
        if state is not None:
            await process.stop(state.pid)
            self._file.unlink(missing_ok=True)
            (self._directory / ADMIN_SOCKET).unlink(missing_ok=True)

    @property
    def description(self) -> str:
        """`Envoy 1.40.0 (pid 123)`."""
        return f"Envoy {process.short_version(self._version)} (pid {self.state.pid if self.state else '-'})"

    @property
    def _file(self) -> Path:
        return self._directory / "gateway.json"

    def _saved(self) -> State | None:
        try:
            return State.model_validate_json(self._file.read_text())
        except (OSError, ValueError):
            return None

    async def _same(self, saved: State) -> bool:
        if saved.bootstrap != fingerprint(self._listen, tls=self._tls) or saved.version != self._version:
            return False
        try:
            return await self._admin.node() == saved.node
        except Unavailable:
            return False

    async def _retire(self, pid: int) -> None:
        """End an Envoy of ours that is not wanted any more; visitors who are being served get a moment to finish."""
        log.warning("Envoy (pid %d) is replaced: another version or other settings, or it does not answer", pid)
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._admin.drain()
                while open_requests(await self._admin.counters()):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.1)
        except (TimeoutError, Unavailable):
            log.info("Envoy (pid %d) still served somebody, or did not answer", pid)
        await process.stop(pid)

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        while (state := self.state) is not None:
            began = loop.time()
            await process.ended(state.pid)
            self.state = None
            self._expect("")
            log.error("Envoy (pid %d) died: %s", state.pid, process.last_words(self._directory) or "no last words")
            if loop.time() - began >= STEADY_SECONDS:
                pause = 0.0
            while self.state is None:
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2 or 0.25)
                try:
                    await self.start()
                except Unavailable as error:
                    log.error("Envoy is not back yet: %s", error)
