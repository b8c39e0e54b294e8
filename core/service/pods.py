"""PodService, the one door: start, stop, resume, restart, terminate, get, list, logs, watch."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

from core.engines.base import Engine
from core.errors import InvalidInput
from core.gateway.base import Gateway
from core.idle import forecast
from core.launcher import Launcher, devices, without
from core.model import Action, Caller, Cause, Draft, Event, Frozen, Pod, PodSpec, PortModel, Role, Status, Update
from core.policy import check_name, may_change, may_do, may_touch, moved_on
from core.progress import Board
from core.service.find import find
from core.service.masking import logins_of, secrets_of
from core.service.request import StartRequest, with_secrets
from core.service.volumes import ALPHABET, Volumes
from core.settings import Settings
from core.store import Store
from core.store.whole import whole
from core.templates import Catalog

ID_LENGTH = 14
LIVE = frozenset(Status) - {Status.TERMINATED}
_ON_ITS_WAY = frozenset({Status.PROVISIONING, Status.STARTING, Status.RUNNING})
_OF_ONE_RUN = (
    *("ready_at", "last_active_at", "ended_at", "heartbeat_at"),
    *("keep_until", "kept_by", "warned_at", "proposed_at"),
)
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


class PodService:
    """What may be asked of pods. Checks who, whether and how many; the launcher does the work in its own task.

    Every verb returns as soon as the row is written; `watch` and `settled` follow what happens then. Only PodErrors
    come out.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        engine: Engine,
        gateway: Gateway,
        launcher: Launcher,
        catalog: Catalog,
        volumes: Volumes,
        board: Board,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._gateway = gateway
        self._launcher = launcher
        self._catalog = catalog
        self._volumes = volumes
        self._board = board
        self._now = now

    async def start(self, caller: Caller, request: StartRequest) -> Pod:
        """Make a pod and begin to start it.

        Fails before anything is made: NotFound (template, volume), InvalidInput (an option), QuotaExceeded, Conflict
        (name taken), NoCapacity (the engine has no such GPUs), Unavailable (engine not running).
        """
        return await self._new(caller, with_secrets(await self.plan(caller, request)), request.name)

    async def plan(self, caller: Caller, request: StartRequest) -> PodSpec:
        """What a start would make. Fails as `start` does for what is asked for; makes nothing."""
        may_change(caller)
        spec = request.spec(self._catalog.get(request.template))
        if request.name is not None:
            check_name(request.name)
        if request.network_volume is not None:
            volume = await self._volumes.get(caller, request.network_volume)
            spec = spec.model_copy(update={"network_volume": volume.id})
        return spec

    def costly(self, spec: PodSpec) -> bool:
        """Whether a program must ask its person before it starts this (`PODKEEPER_CONFIRM_COST_PER_HOUR`)."""
        limit = self._settings.confirm_cost_per_hour
        return spec.price_per_hour is not None and spec.price_per_hour >= limit

    async def again(self, caller: Caller, reference: str) -> Pod:
        """Start it again however it ended: resume it, or make a terminated one anew, from what is recorded of it.

        A new pod has the name and the owner of the old one, and another address; what was on its network volume is
        there, what was on its volume disk is not. NotFound, Forbidden, and whatever `resume` and `start` fail with.
        """
        may_change(caller)
        pod = await self.get(caller, reference)
        if pod.status is not Status.TERMINATED:
            return await self.resume(caller, pod.id)
        if pod.spec.network_volume is not None:
            await self._volumes.get(caller, pod.spec.network_volume)
        return await self._new(caller, with_secrets(pod.spec), pod.name, like=pod)

    async def stop(self, caller: Caller, reference: str) -> Pod:
        """Stop it: its container disk is lost, its volume disk kept. A start under way is broken off.

        What is in flight on its ports may finish first, for `PODKEEPER_DRAIN`.
        """
        pod = await self.may(caller, reference, Action.STOP)
        return await self._act(caller, pod, Action.STOP, Status.STOPPING, reason=f"stopped by {caller.name}")

    async def resume(self, caller: Caller, reference: str) -> Pod:
        """Start a stopped or failed pod again, with its volume disk and a fresh container disk, at the same address."""
        pod = await self.may(caller, reference, Action.RESUME)
        await self._possible(pod.spec)
        return await self._act(caller, pod, Action.RESUME, Status.PROVISIONING, limit=self._settings.max_pods_per_user)

    async def wake(self, pod: Pod) -> Pod:
        """As `resume`, because somebody visits its address; whether that may start it is for `Waking` to say."""
        visitor = Caller(person="visitor", name="a visitor", workspace=pod.workspace, via="wake")
        may_do(pod, Action.RESUME)
        await self._possible(pod.spec)
        limit = self._settings.max_pods_per_user
        return await self._act(visitor, pod, Action.RESUME, Status.PROVISIONING, limit=limit, kind="pod.woken")

    async def restart(self, caller: Caller, reference: str) -> Pod:
        """Stop and start it in one go; its container disk is lost."""
        pod = await self.may(caller, reference, Action.RESTART)
        await self._engine.check()
        return await self._act(caller, pod, Action.RESTART, Status.STARTING)

    async def terminate(self, caller: Caller, reference: str) -> Pod:
        """Delete it for good, its container disk and its volume disk with it. A network volume stays."""
        pod = await self.may(caller, reference, Action.TERMINATE)
        reason = f"terminated by {caller.name}"
        return await self._act(caller, pod, Action.TERMINATE, Status.TERMINATING, reason=reason)

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
        found, total, running = await self._store.page(
            caller.workspace, owner, None if ended else LIVE, before, limit + 1
        )
        prices = [spec.price_per_hour for spec in running if spec.price_per_hour is not None]
        return Page(
            pods=found[:limit],
            more=len(found) > limit,
            total=total,
            running=len(running),
            cost_per_hour=sum(prices) if prices else None,
        )

    async def logs(self, caller: Caller, reference: str, tail: int = 100, *, aloud: bool = False) -> str:
        """The last lines of both streams of the present run, at most `MOST_LOG` characters; empty when none is left.

        The values of its secrets, which many programs print, are left out for anybody but its owner: the token that
        lets its owner in, and variables whose names say that they hold one. `aloud`: for its owner, too, since
        others may read along.
        """
        if not 1 <= tail <= 5000:
            raise InvalidInput(f"tail: {tail} is not allowed; ask for 1 to 5000 lines.")
        pod = await self.get(caller, reference)
        text = await self._engine.logs(pod, tail)
        if caller.person != pod.owner or aloud:
            text = without(text, secrets_of(pod))
        return text[-MOST_LOG:]

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

    def _url(self, pod: Pod, port: PortModel) -> str | None:
        if port.protocol == "http":
            return self._gateway.url(pod.id, port.number)
        listen = pod.listens.get(port.number)
        return None if listen is None else self._gateway.tcp_url(listen)

    def stops_at(self, pod: Pod) -> datetime | None:
        """When silence from now on would stop it; None when nothing would."""
        return forecast(pod, self._now()) if pod.status is Status.RUNNING else None

    async def _new(self, caller: Caller, spec: PodSpec, name: str | None, like: Pod | None = None) -> Pod:
        await self._possible(spec)
        now = self._now()
        pod = Pod(
            id=new_id(),
            workspace=caller.workspace,
            name=name or "",
            # Its variables may hold secrets of whoever made it; an admin's click does not hand them over.
            owner=like.owner if like is not None else caller.person,
            owner_name=like.owner_name if like is not None else caller.name,
            via=caller.via,
            spec=spec,
            stoppable=spec.network_volume is None or self._settings.network_volume_stop == "allow",
            status=Status.PROVISIONING,
            created_at=now,
            started_at=now,
            changed_at=now,
        )
        return await self._add(caller, pod, stem=None if name is not None else spec.template)

    async def _possible(self, spec: PodSpec) -> None:
        await self._engine.check()
        if spec.gpu is not None:
            devices(spec.gpu, await self._engine.gpus())

    async def may(self, caller: Caller, reference: str, action: Action) -> Pod:
        """The pod, if the caller may do this to it now: NotFound, Forbidden or Conflict says why not."""
        may_change(caller)
        pod = await self.get(caller, reference)
        may_do(pod, action)
        return pod

    @whole
    async def _add(self, caller: Caller, pod: Pod, stem: str | None) -> Pod:
        limit = self._settings.max_pods_per_user
        pod, _ = await self._store.add_pod(pod, self._draft(caller, "pod.created"), stem=stem, limit=limit)
        self._board.ring(pod.id)
        self._launcher.carry(pod)
        return pod

    @whole
    async def _act(
        self,
        caller: Caller,
        pod: Pod,
        action: Action,
        to: Status,
        *,
        reason: str | None = None,
        limit: int | None = None,
        kind: str | None = None,
    ) -> Pod:
        """Compare-and-set the row and hand it to the launcher; a start that is under way is broken off first."""
        anew: dict[str, Any] = {}
        if action in (Action.RESUME, Action.RESTART):
            # Not `ref`: it names what a failed restart must remove before anything may be called ended.
            anew = dict.fromkeys(_OF_ONE_RUN)
            anew |= {"run": pod.run + 1, "started_at": self._now(), "upstreams": {}}
        # A start that has gone one step on since it was looked at may be stopped all the same.
        expect = _ON_ITS_WAY if action is Action.STOP and pod.status in _ON_ITS_WAY else {pod.status}
        moved = await self._store.move(
            pod.id,
            pod.run,
            expect,
            to,
            self._now(),
            self._draft(caller, kind or f"pod.{action}"),
            limit=limit,
            reason=reason,
            cause=Cause.PERSON,
            **anew,
        )
        if moved is None:
            raise moved_on(pod)
        self._board.ring(pod.id)
        self._launcher.carry(moved)
        return moved

    @staticmethod
    def _draft(caller: Caller, kind: str) -> Draft:
        return Draft(kind=kind, actor=caller.person, via=caller.via, data=caller.signature)


def new_id() -> str:
    """14 lowercase letters and digits, unguessable: an address is open to whoever knows it."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))
