"""One start: from PROVISIONING to RUNNING, saving after each step what it would cost to forget."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any

from core.engines.base import Engine, Order, Step
from core.errors import PodFailed, Unavailable
from core.gateway.base import Gateway, RouteState
from core.launcher.orders import Terms, listens, make_order
from core.launcher.output import keep_output
from core.launcher.routes import routes_of
from core.launcher.words import how_it_ended
from core.model import Draft, GpuRequest, Pod, PodSpec, Progress, Reading, Ready, Stage, Status, Upstream, route_key
from core.progress import Board
from core.store import Store
from core.units import format_duration, format_money

_BROKEN_OFF = 30.0
"""Seconds that a step which makes something on the engine may take to finish when the start is broken off."""


class Superseded(Exception):
    """Somebody else has moved the row; what we were about to write is void."""


class Start:
    """One run of one pod; not used twice."""

    def __init__(
        self, store: Store, engine: Engine, gateway: Gateway, board: Board, now: Callable[[], datetime], terms: Terms
    ) -> None:
        self._store = store
        self._engine = engine
        self._gateway = gateway
        self._board = board
        self._now = now
        self._terms = terms

    async def run(self, pod: Pod) -> None:
        """Carry the pod to RUNNING. PodError: it failed, and something may be left on the engine. Superseded: leave."""
        price = pod.spec.price_per_hour
        self._show(pod, Stage.PULL, f"preparing, {format_money(price)} an hour" if price else "preparing")
        ports = await listens(pod, self._store, self._gateway, self._terms, anew=True)
        if ports != pod.listens:
            pod = await self._save(pod, listens=ports)
        await self._gateway.apply(routes_of(pod, RouteState.STARTING))
        there = await self._engine.inspect(pod)
        if there is None and not self._engine.features.keeps_pods:
            if pod.run > 1:
                # After a restart: what its last run said.
                await keep_output(self._store, self._engine, pod.model_copy(update={"run": pod.run - 1}))
            await self._engine.stop(pod, grace=10)
        order = await make_order(pod, self._store, self._engine, self._terms, keep_claims=there is not None)
        if order.gpus != pod.gpus:
            pod = await self._save(pod, gpus=order.gpus)
        pod = await self._on_engine(pod, order.model_copy(update={"pod": pod}))
        await self._until_ready(pod)
        await self._gateway.apply(routes_of(pod, RouteState.LIVE))
        await self._through_gateway(pod)
        await self._count_from_here(pod)
        now = self._now()
        await self._move(pod, Status.RUNNING, "pod.running", ready_at=now, last_active_at=now)

    async def _on_engine(self, pod: Pod, order: Order) -> Pod:
        stage = Stage.PULL
        async with aclosing(self._engine.start(order)) as steps:
            while (step := await _next(steps, stage)) is not None:
                stage = step.stage
                self._show(pod, stage, step.message, step.fraction)
                if stage is Stage.START and pod.status is Status.PROVISIONING:
                    pod = await self._move(pod, Status.STARTING, "pod.starting")
                pod = await self._save_step(pod, step)
        if pod.status is Status.PROVISIONING:
            pod = await self._move(pod, Status.STARTING, "pod.starting")
        return pod

    async def _save_step(self, pod: Pod, step: Step) -> Pod:
        changes: dict[str, object] = {}
        if step.ref is not None and step.ref != pod.ref:
            changes["ref"] = step.ref
        if step.upstreams is not None:
            changes["upstreams"] = dict(step.upstreams)
        if step.stoppable is not None and step.stoppable != pod.stoppable:
            changes["stoppable"] = step.stoppable
        spec = _as_it_came(pod.spec, step)
        if spec != pod.spec:
            changes["spec"] = spec
        return await self._save(pod, **changes) if changes else pod

    async def _until_ready(self, pod: Pod) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        ready = pod.spec.ready or (Ready(port=pod.spec.http_ports[0]) if pod.spec.http_ports else None)
        upstream = _upstream(pod, ready) if ready is not None else None
        where = f"port {ready.port}{ready.path or ''}" if ready is not None else "its command"
        delay = 0.03
        while True:
            instance = await self._engine.inspect(pod)
            if instance is None or not instance.running:
                raise PodFailed(f"It did not stay up. {how_it_ended(instance)}")
            waited = loop.time() - begun
            if upstream is not None and ready is not None:
                if await self._gateway.reach(upstream, ready.path):
                    return
                if waited > ready.timeout.total_seconds():
                    raise PodFailed(
                        f"It did not answer on {where} within {format_duration(ready.timeout)}. Is that the port its "
                        f"command listens on, on 0.0.0.0 and not on 127.0.0.1 alone? `ready` in the template says more."
                    )
            elif waited > 1:
                return
            self._show(pod, Stage.READY, f"waiting for {where} ({int(waited)}s)")
            await asyncio.sleep(delay)
            delay = min(self._engine.features.poll, delay * 1.5)

    async def _through_gateway(self, pod: Pod) -> None:
        if not pod.spec.http_ports:
            return
        ready = pod.spec.ready
        probed = ready.port if ready is not None and ready.port in pod.spec.http_ports else pod.spec.http_ports[0]
        path = (ready.path if ready is not None else None) or "/"
        for _ in range(40):
            if await self._gateway.probe(pod.id, probed, path) is not None:
                return
            await asyncio.sleep(0.25)
        raise Unavailable("It is up, but the gateway does not reach it. `podkeeper doctor` checks the gateway.")

    async def _count_from_here(self, pod: Pod) -> None:
        """Our own probe was counted; use is counted from after it. Unreadable counters only mean a later first look."""
        try:
            traffic = await self._gateway.traffic()
        except Unavailable:
            return
        keys = [key for port in pod.watched if (key := route_key(pod.id, port)) in traffic.ports]
        found = {key: Reading(generation=traffic.generation, traffic=traffic.ports[key]) for key in keys}
        await self._store.save_readings(found)

    async def _save(self, pod: Pod, **changes: Any) -> Pod:
        saved = await self._store.amend(pod.id, pod.run, {pod.status}, **changes)
        if saved is None:
            raise Superseded
        return saved

    async def _move(self, pod: Pod, to: Status, kind: str, **changes: Any) -> Pod:
        draft = Draft(kind=kind, actor="worker", via="worker")
        moved = await self._store.move(pod.id, pod.run, {pod.status}, to, self._now(), draft, **changes)
        if moved is None:
            raise Superseded
        self._board.ring(pod.id)
        return moved

    def _show(self, pod: Pod, stage: Stage, message: str, fraction: float | None = None) -> None:
        self._board.post(Progress(pod_id=pod.id, run=pod.run, stage=stage, message=message, fraction=fraction))


def _as_it_came(spec: PodSpec, step: Step) -> PodSpec:
    """With the price and the kind of GPU that the engine has decided on."""
    if step.price_per_hour is not None:
        spec = spec.model_copy(update={"price_per_hour": step.price_per_hour})
    if step.gpu is not None and spec.gpu is not None:
        spec = spec.model_copy(update={"gpu": GpuRequest(type=step.gpu, count=spec.gpu.count)})
    return spec


def _upstream(pod: Pod, ready: Ready) -> Upstream | None:
    found = pod.upstreams.get(ready.port)
    near = next((u for u in pod.upstreams.values() if u.name is None), None)
    if found is None and near is not None:
        return Upstream(host=near.host, port=ready.port)
    return found


async def _next(steps: AsyncGenerator[Step], stage: Stage) -> Step | None:
    """The next step. When broken off, a pull is dropped at once; what makes something is let finish, to be undone."""

    async def advance() -> Step | None:
        return await anext(steps, None)

    task = asyncio.create_task(advance())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if stage is Stage.PULL:
            task.cancel()
        try:
            await asyncio.wait([task], timeout=_BROKEN_OFF)
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=1)
        raise
