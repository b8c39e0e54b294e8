"""Looking at pods: get, list, page, logs, watch, and the events about them. Nothing here changes a pod."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime

from core.engines.base import Engine
from core.errors import InvalidInput
from core.gateway.base import Gateway
from core.idle import forecast
from core.launcher import newest, without
from core.model import Caller, Event, Frozen, Gpu, Line, Pod, PortModel, Role, Status, Update, text_of
from core.policy import may_touch
from core.progress import Board
from core.service.find import find
from core.service.masking import logins_of, secrets_of
from core.store import Store

LIVE = frozenset(Status) - {Status.TERMINATED}
MOST_LOG = 256_000
"""A pod may print lines of any length, and whoever shows them works on them in one go."""


class PortUrl(Frozen):
    """A declared port with its address; None for one that has none now."""

    port: str
    """As declared: `8080/http`."""
    url: str | None


class Page(Frozen):
    """Some of somebody's pods, the newest first."""

    pods: tuple[Pod, ...]
    more: bool
    """There are older ones."""
    total: int
    """Of all pages."""
    running: int
    """Of all pages: how many use compute."""
    cost_per_hour: float | None
    """US dollars of those whose template names a price; None: none of them does."""


class Looking:
    """The part of `PodService` that looks. Only PodErrors come out."""

    def __init__(
        self, store: Store, engine: Engine, gateway: Gateway, board: Board, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._engine = engine
        self._gateway = gateway
        self._board = board
        self._now = now

    @property
    def now(self) -> datetime:
        """The time by which pods are stopped."""
        return self._now()

    async def get(self, caller: Caller, reference: str) -> Pod:
        """By name, id or unique prefix; the caller's own, or any for an admin."""
        wanted = reference.strip().lower()
        # Most are called by their whole id or name, and then no other is read.
        exact = wanted.isascii() and wanted.replace("-", "").isalnum()
        pod = await self._store.called(caller.workspace, wanted) if exact else None
        if pod is None:
            pod = find(await self._store.pods(workspace=caller.workspace, status=LIVE), caller, reference)
        may_touch(caller, pod)
        return pod

    async def list(self, caller: Caller, *, everyone: bool = False, ended: bool = False) -> tuple[Pod, ...]:
        """The caller's pods, newest first; an admin may ask for everyone's. `ended`: terminated ones too."""
        owner = None if everyone and caller.role is Role.ADMIN else caller.person
        return await self._store.pods(workspace=caller.workspace, owner=owner, status=None if ended else LIVE)

    async def page(
        self,
        caller: Caller,
        *,
        everyone: bool = False,
        ended: bool = False,
        before: tuple[datetime, str] | None = None,
        limit: int = 20,
    ) -> Page:
        """As `list`, so many of those that were made before that time and id."""
        owner = None if everyone and caller.role is Role.ADMIN else caller.person
        found, sums = await self._store.page(caller.workspace, owner, None if ended else LIVE, before, limit + 1)
        return Page(
            pods=found[:limit],
            more=len(found) > limit,
            total=sums.total,
            running=sums.running,
            cost_per_hour=sums.cost_per_hour,
        )

    async def logs(self, caller: Caller, reference: str, tail: int = 100, *, aloud: bool = False) -> str:
        """The last lines of both streams of the present run, or of the last one; at most `MOST_LOG` characters.

        Empty when nothing is left: while the next run has not begun to write, and once it is terminated.

        The values of its secrets, which many programs print, are left out for anybody but its owner: the token that
        lets its owner in, and variables whose names say that they hold one. `aloud`: for its owner, too, since
        others may read along.
        """
        if not 1 <= tail <= 5000:
            raise InvalidInput(f"tail: {tail} is not allowed; ask for 1 to 5000 lines.")
        pod = await self.get(caller, reference)
        text = text_of(await self._lines(pod, tail, None))
        if caller.person != pod.owner or aloud:
            text = without(text, secrets_of(pod))
        return text[-MOST_LOG:]

    async def lines(self, caller: Caller, reference: str, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        """As `logs`, line by line, each with its time; `since`: only those of then and later, of the run before too."""
        pod = await self.get(caller, reference)
        lines = newest(await self._lines(pod, tail, since), MOST_LOG)
        if caller.person == pod.owner:
            return lines
        secrets = secrets_of(pod)
        return tuple(line._replace(text=without(line.text, secrets)) for line in lines)

    async def _lines(self, pod: Pod, tail: int, since: datetime | None) -> tuple[Line, ...]:
        if not pod.status.holds_compute:
            kept = await self._store.output(pod.id, pod.run)
            if kept:
                return _since(kept, since)[-tail:]
        lines = await self._engine.lines(pod, tail, since)
        if since is not None and pod.run > 1:
            # Whoever follows it through a restart has not heard yet what it said last before that.
            kept = _since(await self._store.output(pod.id, pod.run - 1), since)
            # Until its container is gone, the engine tells these as well.
            there = set(lines)
            lines = (*(line for line in kept if line not in there), *lines)[-tail:]
        return lines

    async def gpus(self) -> tuple[Gpu, ...]:
        """The devices that the engine has, free or not."""
        return await self._engine.gpus()

    async def watch(self, caller: Caller, reference: str) -> AsyncIterator[Update]:
        """The pod now, and again at each change of it or of its start's progress, until no work is under way."""
        pod = await self.get(caller, reference)
        shown: Update | None = None
        with self._board.listen(pod.id) as ear:
            while True:
                ear.still()
                current = await self._store.pod(pod.id)
                if current is None:
                    return
                update = Update(pod=current, progress=self._board.latest(pod.id, current.run))
                if update != shown:
                    shown = update
                    yield update
                if not current.status.under_way:
                    return
                await ear.wait(timeout=1)

    async def settled(self, caller: Caller, reference: str, timeout: float) -> Pod:
        """The pod once no work is under way, or as it is after `timeout` seconds."""
        pod = await self.get(caller, reference)
        try:
            async with asyncio.timeout(timeout):
                async for update in self.watch(caller, pod.id):
                    pod = update.pod
        except TimeoutError:
            pass
        return pod

    async def tail(self, name: str | None) -> AsyncIterator[Event]:
        """Every event after the cursor `name`, for ever; the cursor moves on when the next one is asked for.

        A new cursor begins at the present. After a crash the last event may come a second time. Without a name there
        is no cursor: it begins at the present each time.
        """
        cursor = await self._store.cursor(name) if name is not None else None
        if cursor is None:
            cursor = await self._store.last_event()
            await self._save(name, cursor)
        with self._board.listen() as ear:
            while True:
                ear.still()
                events = await self._store.events(cursor)
                for event in events:
                    yield event
                    cursor = event.seq
                    await self._save(name, cursor)
                if not events:
                    await ear.wait(timeout=1)

    async def _save(self, name: str | None, cursor: int) -> None:
        if name is not None:
            await self._store.save_cursor(name, cursor)

    async def first_time(self, key: str) -> bool:
        """True once for each key within a day: for deliveries that may come twice."""
        return await self._store.first_time(key, self._now())

    async def may_repeat(self, key: str) -> None:
        """What came with this key came to nothing: it may come again."""
        await self._store.forget_once(key)

    async def of_event(self, event: Event) -> Pod | None:
        """The pod that an event is about."""
        return await self._store.pod(event.pod_id)

    async def owner(self, pod: Pod, kind: str) -> str | None:
        """How the pod's owner is known to a face (`slack`: `team:user`); None when that face does not know them."""
        return await self.identity(pod.owner, kind)

    async def identity(self, person: str, kind: str) -> str | None:
        """As `owner`, of any person."""
        return await self._store.identity(person, kind)

    def secrets(self, caller: Caller, pod: Pod) -> Mapping[str, str]:
        """What was made up for the pod to let its owner in (a token, a password), by variable; only its owner is told.

        Empty for anybody else, an admin too.
        """
        return logins_of(pod) if caller.person == pod.owner else {}

    def urls(self, pod: Pod) -> tuple[PortUrl, ...]:
        """Its declared ports, in order."""
        return tuple(PortUrl(port=str(p), url=self._url(pod, p)) for p in pod.spec.ports)

    def remark(self, pod: Pod) -> str | None:
        """What the engine's limits mean for this pod, to be told at each start; None where there is nothing to say."""
        return self._engine.features.remark if pod.spec.http_ports else None

    def _url(self, pod: Pod, port: PortModel) -> str | None:
        if port.protocol == "http":
            return self._gateway.url(pod.id, port.number)
        upstream = pod.upstreams.get(port.number)
        if upstream is not None and upstream.direct:
            return f"tcp://{upstream.host}:{upstream.port}"
        listen = pod.listens.get(port.number)
        return None if listen is None else self._gateway.tcp_url(listen)

    def stops_at(self, pod: Pod) -> datetime | None:
        """When silence from now on would stop it; None when nothing would."""
        return forecast(pod, self._now()) if pod.status is Status.RUNNING else None


def _since(lines: tuple[Line, ...], since: datetime | None) -> tuple[Line, ...]:
    return tuple(line for line in lines if since is None or line.at >= since)
