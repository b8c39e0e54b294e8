"""PodService, the one door: start, stop, resume, restart, terminate, and all that only looks."""

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from core.engines.base import Engine
from core.errors import Conflict, InvalidInput, PodError
from core.gateway.base import Gateway
from core.launcher import Launcher
from core.model import Action, Caller, Cause, Draft, Pod, PodSpec, Status, route_key
from core.policy import check_name, may_change, may_do, moved_on
from core.progress import Board
from core.service.looking import Looking
from core.service.request import SpecRequest, StartRequest, with_secrets
from core.service.templates import Templates
from core.service.volumes import ALPHABET, Volumes
from core.settings import Settings
from core.store import Store
from core.store.whole import whole
from core.units import format_bytes

log = logging.getLogger("podkeeper.pods")

ID_LENGTH = 14
_ON_ITS_WAY = frozenset({Status.PROVISIONING, Status.STARTING, Status.RUNNING})
_OF_ONE_RUN = (
    *("ready_at", "last_active_at", "ended_at", "heartbeat_at"),
    *("keep_until", "kept_by", "warned_at", "proposed_at"),
)


class PodService(Looking):
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
        templates: Templates,
        volumes: Volumes,
        board: Board,
        now: Callable[[], datetime],
    ) -> None:
        super().__init__(store, engine, gateway, board, now)
        self._settings = settings
        self._launcher = launcher
        self._templates = templates
        self._volumes = volumes

    async def start(self, caller: Caller, request: StartRequest | SpecRequest) -> Pod:
        """Make a pod and begin to start it.

        Fails before anything is made: NotFound (template, volume), InvalidInput (an option), QuotaExceeded, Conflict
        (name taken), NoCapacity (the engine has no such GPUs), Unavailable (engine not running).
        """
        return await self._new(caller, with_secrets(await self.plan(caller, request)), request.name)

    async def plan(self, caller: Caller, request: StartRequest | SpecRequest) -> PodSpec:
        """What a start would make. Fails as `start` does for what is asked for; makes nothing."""
        may_change(caller)
        catalog = await self._templates.of(caller)
        if isinstance(request, StartRequest):
            spec = request.spec(catalog.get(request.template))
        else:
            spec = catalog.spec(request.template, request.said)
        if request.name is not None:
            check_name(request.name)
        if request.network_volume is not None:
            volume = await self._volumes.get(caller, request.network_volume)
            spec = spec.model_copy(update={"network_volume": volume.id, "volume": None})
        return await self._possible(spec)

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
        spec = await self._possible(pod.spec)
        return await self._new(caller, with_secrets(spec), pod.name, like=pod)

    async def stop(self, caller: Caller, reference: str) -> Pod:
        """Stop it: its container disk is lost, its volume disk kept. A start under way is broken off.

        What is in flight on its ports may finish first, for `PODKEEPER_DRAIN`.
        """
        pod = await self.may(caller, reference, Action.STOP)
        return await self._act(caller, pod, Action.STOP, Status.STOPPING, reason=f"stopped by {caller.name}")

    async def resume(self, caller: Caller, reference: str) -> Pod:
        """Start a stopped or failed pod again, with its volume disk and a fresh container disk, at the same address."""
        pod = await self.may(caller, reference, Action.RESUME)
        await self._resumable(pod)
        return await self._act(caller, pod, Action.RESUME, Status.PROVISIONING, limit=self._settings.max_pods_per_user)

    async def wake(self, pod: Pod) -> Pod:
        """As `resume`, because somebody visits its address; whether that may start it is for `Waking` to say."""
        visitor = Caller(person="visitor", name="a visitor", workspace=pod.workspace, via="wake")
        may_do(pod, Action.RESUME)
        await self._resumable(pod)
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

    async def rename(self, caller: Caller, reference: str, name: str) -> Pod:
        """Call it something else; its id and its addresses stay as they are.

        InvalidInput (no such name is allowed), Conflict (another pod has it, or this one is terminated).
        """
        may_change(caller)
        check_name(name)
        pod = await self.get(caller, reference)
        if name == pod.name:
            return pod
        draft = self._draft(caller, "pod.renamed")
        told = draft.model_copy(update={"data": {**draft.data, "from": pod.name, "to": name}})
        renamed = await self._store.rename(pod.id, name, told, self._now())
        if renamed is None:
            raise Conflict(f"{pod.name} is terminated; it keeps its name. Nothing was changed.")
        self._board.ring(pod.id)
        return renamed

    async def change(self, caller: Caller, reference: str, said: Mapping[str, Any]) -> Pod:
        """Give it another image, other arguments, variables or disks, by keys of a template file, as `Catalog.changed`.

        One that runs is restarted with them, and its container disk is lost; a stopped one has them from its next
        start. InvalidInput, Conflict (it is under way, or stays on its engine as it was made), NoCapacity, Unavailable:
        nothing was changed.
        """
        pod, spec = await self.plan_change(caller, reference, said)
        if spec == pod.spec:
            return pod
        if pod.status is Status.RUNNING:
            same = {"spec": pod.spec}
            return await self._act(
                caller, pod, Action.RESTART, Status.STARTING, kind="pod.changed", same=same, spec=spec
            )
        return await self._change_at_rest(caller, pod, spec)

    @whole
    async def _change_at_rest(self, caller: Caller, pod: Pod, spec: PodSpec) -> Pod:
        told = (self._draft(caller, "pod.changed"), self._now())
        changed = await self._store.amend(pod.id, pod.run, {pod.status}, told=told, same={"spec": pod.spec}, spec=spec)
        if changed is None:
            raise moved_on(pod)
        if changed.watched != pod.watched:
            gone = tuple(route_key(pod.id, number) for number in pod.watched if number not in changed.watched)
            try:
                await self._launcher.reroute(changed, gone)
            except PodError as error:
                log.warning("pod %s: its addresses are as they were until it is started: %s", pod.id, error)
        self._board.ring(pod.id)
        return changed

    async def plan_change(self, caller: Caller, reference: str, said: Mapping[str, Any]) -> tuple[Pod, PodSpec]:
        """The pod, and the spec that `change` would give it. Fails as `change` does; makes nothing."""
        may_change(caller)
        pod = await self.get(caller, reference)
        spec = with_secrets((await self._templates.of(caller)).changed(pod.spec, said))
        if spec == pod.spec:
            return pod, spec
        may_do(pod, Action.RESUME if pod.status in (Status.EXITED, Status.ERROR) else Action.RESTART)
        if self._engine.features.keeps_pods:
            raise Conflict(f"{pod.name} stays on this engine as it was made. Start another with what you want.")
        if pod.spec.volume is not None and (spec.volume or 0) < pod.spec.volume:
            raise InvalidInput(
                f"volume: the volume disk of {pod.name} has {format_bytes(pod.spec.volume)} and never gets smaller. "
                "Nothing was changed."
            )
        return pod, await self._possible(spec)

    async def _new(self, caller: Caller, spec: PodSpec, name: str | None, like: Pod | None = None) -> Pod:
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
            stoppable=spec.network_volume is None
            or self._settings.network_volume_stop == "allow"
            or self._engine.features.tells_stoppable,
            status=Status.PROVISIONING,
            created_at=now,
            started_at=now,
            changed_at=now,
        )
        return await self._add(caller, pod, stem=None if name is not None else spec.template)

    async def _possible(self, spec: PodSpec) -> PodSpec:
        await self._engine.check()
        return await self._engine.fit(spec)

    async def _resumable(self, pod: Pod) -> None:
        await self._engine.check()
        if not self._engine.features.keeps_pods:
            await self._engine.fit(pod.spec)

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
        same: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Pod:
        """Compare-and-set the row and hand it to the launcher; a start that is under way is broken off first."""
        anew: dict[str, Any] = changes
        if action in (Action.RESUME, Action.RESTART):
            # Not `ref`: it names what a failed restart must remove before anything may be called ended.
            anew |= dict.fromkeys(_OF_ONE_RUN)
            anew |= {"run": pod.run + 1, "started_at": self._now(), "upstreams": {}}
        # A start that has gone one step on since it was looked at may be ended all the same.
        ends = action in (Action.STOP, Action.TERMINATE)
        expect = _ON_ITS_WAY if ends and pod.status in _ON_ITS_WAY else {pod.status}
        moved = await self._store.move(
            pod.id,
            pod.run,
            expect,
            to,
            self._now(),
            self._draft(caller, kind or f"pod.{action}"),
            limit=limit,
            same=same,
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
