"""Ports of a running pod: given an address, or taken from it, without a restart."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from pydantic import TypeAdapter, ValidationError

from core.engines.base import Engine
from core.errors import Conflict, InvalidInput
from core.gateway.base import Gateway
from core.launcher import Launcher, Terms, listens
from core.model import Action, Caller, Draft, Pod, Port, PortModel, Status, Upstream, route_key
from core.policy import MOST_PORTS, moved_on
from core.progress import Board
from core.service.pods import PodService
from core.store import Store
from core.store.whole import whole
from core.units import shorten

_UNDOES = {"pod.exposed": "pod.unexposed", "pod.unexposed": "pod.exposed"}
_PORT: TypeAdapter[PortModel] = TypeAdapter(Port)


class Ports:
    """Only PodErrors come out."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        gateway: Gateway,
        launcher: Launcher,
        pods: PodService,
        board: Board,
        terms: Terms,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._engine = engine
        self._gateway = gateway
        self._launcher = launcher
        self._pods = pods
        self._board = board
        self._terms = terms
        self._now = now
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def expose(self, caller: Caller, reference: str, port: str) -> Pod:
        """Give a port of a running pod an address: `8888`, `8888/http` or `22/tcp`. One that has it keeps it.

        InvalidInput (no port), Conflict (it does not run, has too many, or the engine cannot), NoCapacity (no TCP port
        of the gateway is free), Unavailable.
        """
        wanted = parse_port(port)
        async with self._turn(caller, reference) as pod:
            return await self._expose(caller, pod, wanted)

    async def plan(self, caller: Caller, reference: str, ports: Sequence[str]) -> None:
        """Whether a running pod may have these ports and no others. Fails as `expose` does; changes nothing."""
        wanted = [parse_port(port) for port in ports]
        pod = await self._pods.may(caller, reference, Action.EXPOSE)
        if len({port.number for port in wanted}) < len(wanted):
            raise InvalidInput("ports: each number goes only once. Nothing was changed.")
        if len(wanted) > MOST_PORTS:
            raise InvalidInput(f"ports: {len(wanted)} are too many; at most {MOST_PORTS}. Nothing was changed.")
        for port in wanted:
            if port not in pod.spec.ports:
                await self._upstream(pod, port)

    async def _expose(self, caller: Caller, pod: Pod, wanted: PortModel) -> Pod:
        if wanted in pod.spec.ports and wanted.number in pod.watched:
            return pod
        others = tuple(p for p in pod.spec.ports if p != wanted)
        if any(p.number == wanted.number for p in others):
            raise Conflict(f"{pod.name} has port {wanted.number} already, as another kind. Unexpose it first.")
        if len(others) >= MOST_PORTS:
            raise Conflict(f"{pod.name} has {len(others)} ports, which is the most. Unexpose one first.")
        upstream = await self._upstream(pod, wanted)
        spec = pod.spec.model_copy(update={"ports": (*others, wanted)})
        changes: dict[str, Any] = {"spec": spec, "upstreams": {**pod.upstreams, wanted.number: upstream}}
        changes["listens"] = await self._listens(pod.model_copy(update={"spec": spec}))
        return await self._change(caller, pod, "pod.exposed", wanted, changes)

    async def _upstream(self, pod: Pod, wanted: PortModel) -> Upstream:
        if wanted.protocol == "tcp" and not self._terms.tcp_ports:
            raise Conflict("This gateway carries no TCP ports. An admin can set PODKEEPER_TCP_PORTS, e.g. 30000-30099.")
        upstream = await self._engine.upstream(pod, wanted.number) if self._engine.features.expose else None
        if upstream is None:
            raise Conflict(f"Ports of {pod.name} cannot be changed while it runs on this engine. Nothing was changed.")
        return upstream

    async def unexpose(self, caller: Caller, reference: str, port: str) -> Pod:
        """Take the address from a port; its open connections are cut. InvalidInput names those it has."""
        wanted = parse_port(port)
        async with self._turn(caller, reference) as pod:
            return await self._unexpose(caller, pod, wanted)

    async def _unexpose(self, caller: Caller, pod: Pod, wanted: PortModel) -> Pod:
        found = next((p for p in pod.spec.ports if p.number == wanted.number), None)
        if found is None:
            has = ", ".join(str(p) for p in pod.spec.ports) or "none"
            raise InvalidInput(f"port: {pod.name} has no port {wanted.number} with an address. It has: {has}.")
        spec = pod.spec.model_copy(update={"ports": tuple(p for p in pod.spec.ports if p is not found)})
        changes: dict[str, Any] = {"spec": spec}
        changes["upstreams"] = {n: u for n, u in pod.upstreams.items() if n != found.number}
        changes["listens"] = {n: listen for n, listen in pod.listens.items() if n != found.number}
        return await self._change(caller, pod, "pod.unexposed", found, changes)

    @asynccontextmanager
    async def _turn(self, caller: Caller, reference: str) -> AsyncGenerator[Pod]:
        """The pod, while nobody else changes its ports: each would give back what the other has just claimed."""
        pod = await self._pods.may(caller, reference, Action.EXPOSE)
        async with self._turns.setdefault(pod.id, asyncio.Lock()):
            yield await self._pods.may(caller, pod.id, Action.EXPOSE)

    @whole
    async def _change(self, caller: Caller, pod: Pod, kind: str, port: PortModel, changes: dict[str, Any]) -> Pod:
        draft = Draft(kind=kind, actor=caller.person, via=caller.via, data=caller.signature | {"port": str(port)})
        changed = await self._store.amend(
            pod.id, pod.run, {Status.RUNNING}, told=(draft, self._now()), same={"spec": pod.spec}, **changes
        )
        if changed is None:
            await self._settle(pod)
            raise moved_on(pod)
        gone = tuple(route_key(pod.id, number) for number in pod.watched if number not in changed.watched)
        try:
            await self._launcher.reroute(changed, gone)
        except InvalidInput as refused:
            # What is late (Unavailable) comes when the gateway can, so there the row stands, and so do claims.
            former = {name: getattr(pod, name) for name in changes}
            data = {"port": str(port), "reason": str(refused)}
            back = Draft(kind=_UNDOES[kind], actor="worker", via="worker", data=data)
            told, same = (back, self._now()), {"spec": changed.spec}
            await self._store.amend(pod.id, pod.run, {Status.RUNNING}, told=told, same=same, **former)
            await self._settle(pod)
            raise
        await self._settle(pod)
        await self._store.forget_readings(gone)
        self._board.ring(pod.id)
        return changed

    async def _settle(self, before: Pod) -> None:
        """Let it hold the gateway's ports that its row names, and no others."""
        current = await self._store.pod(before.id)
        if current is not None and current.status is Status.RUNNING:
            held = {**before.listens, **current.listens}
            await self._listens(current.model_copy(update={"listens": held}))

    async def _listens(self, pod: Pod) -> dict[int, int]:
        return await listens(pod, self._store, self._gateway, self._terms)


def parse_port(text: str) -> PortModel:
    """A port as typed, `/http` when it does not say; InvalidInput says what is allowed."""
    clean = text.strip().lower()
    try:
        return _PORT.validate_python(clean if "/" in clean else f"{clean}/http")
    except ValidationError:
        raise InvalidInput(
            f"port: {shorten(text)!r} is not a port. Write 1 to 65535, as 8888, 8888/http or 22/tcp."
        ) from None
