"""One end of one run: from whatever status to EXITED, ERROR or TERMINATED, once the engine says that nothing runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from core.engines.base import Engine, Instance
from core.errors import PodError, Unavailable
from core.gateway.base import Gateway, RouteState
from core.idle import Decision, Verdict
from core.launcher.orders import Terms, keepalive_token
from core.launcher.output import keep_output
from core.launcher.routes import routes_of
from core.launcher.start import Superseded
from core.launcher.words import how_it_ended, with_last_lines
from core.model import Cause, Draft, IdleAction, Pod, Status, route_key
from core.progress import Board
from core.store import Store

log = logging.getLogger("podkeeper.launcher")

LEASE = timedelta(seconds=15)
"""How long a row under way is its worker's, unless that renews it."""


class End:
    """The ways a run ends. Superseded when somebody else has moved the row meanwhile; `worker` holds the rows."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        gateway: Gateway,
        board: Board,
        now: Callable[[], datetime],
        terms: Terms,
        worker: str,
    ) -> None:
        self._store = store
        self._engine = engine
        self._gateway = gateway
        self._board = board
        self._now = now
        self._terms = terms
        self._worker = worker

    async def fail(self, pod: Pod, reason: str, code: str | None = None) -> None:
        """From a failed start to ERROR, once the engine has said that nothing of it runs.

        `code`: the PodError's; None for a fault of ours.
        """
        pod = await self._current(pod, Status.PROVISIONING, Status.STARTING)
        if pod.ref is not None:
            reason = self._with_last_lines(reason, pod, await keep_output(self._store, self._engine, pod))
            pod = await self._abandon(pod)
        await self._close_routes(pod)
        await self._settle(pod, Status.ERROR, "pod.failed", reason, Cause.ITSELF, code=code)

    async def _abandon(self, pod: Pod) -> Pod:
        """The pod as it is when nothing of the failed start runs; without its reference where that is void."""
        void = False

        async def act() -> None:
            nonlocal void
            void = await self._engine.abandon(pod)

        await self._insist(pod, "clean up after", act)
        return pod.model_copy(update={"ref": None}) if void else pod

    async def stop(self, pod: Pod) -> None:
        """From STOPPING to EXITED; at a person's stop what is in flight may finish first."""
        if pod.cause is Cause.PERSON:
            await self._drain(pod)
        try:
            await self._gateway.apply(routes_of(pod, RouteState.SLEEPING))
        except PodError as error:
            log.warning("pod %s: stopping it although its route cannot be closed yet: %s", pod.id, error)
        await keep_output(self._store, self._engine, pod)
        await self._insist(pod, "stop", lambda: self._engine.stop(pod))
        await self._close_routes(pod)
        await self._settle(pod, Status.EXITED, "pod.exited", pod.reason or "stopped", pod.cause)

    async def _drain(self, pod: Pod) -> None:
        """Let what is in flight finish, for as long as the settings allow, while nothing new comes in."""
        routes = routes_of(pod, RouteState.CLOSING)
        keys = {route.key for route in routes}
        try:
            async with asyncio.timeout(self._terms.drain.total_seconds()):
                await self._gateway.apply(routes)
                while await self._in_flight(keys):  # noqa: ASYNC110 - Envoy's counters ring no bell
                    await asyncio.sleep(0.2)
        except (TimeoutError, PodError):
            log.info("pod %s: stopping it although not everything in flight has finished", pod.id)

    async def _in_flight(self, keys: set[str]) -> bool:
        ports = (await self._gateway.traffic()).ports
        return any(ports[key].in_flight for key in keys & ports.keys())

    async def terminate(self, pod: Pod) -> None:
        """From TERMINATING to TERMINATED."""
        keys = [route_key(pod.id, port) for port in pod.watched]
        try:
            await self._gateway.apply((), keys)
        except PodError as error:
            log.warning("pod %s: terminating it although its route cannot be closed yet: %s", pod.id, error)
        await self._insist(pod, "terminate", lambda: self._engine.terminate(pod))
        await self._insist(pod, "close the address of", lambda: self._gateway.apply((), keys))
        await self._settle(pod, Status.TERMINATED, "pod.terminated", pod.reason or "terminated", pod.cause)

    async def retire(self, pod: Pod, look: Callable[[Pod], Awaitable[Verdict]]) -> None:
        """From RUNNING to its end, if `look`, behind a closed door, says so; back to RUNNING otherwise."""
        pod = await self._current(pod, Status.RUNNING)
        try:
            moved = await self._close_door(pod, look)
        except PodError as error:
            log.warning("pod %s: not stopped: %s", pod.id, error)
            moved = None
        if moved is None:
            await self._reopen(pod)
            return
        log.info("pod %s (%s): %s, %s", pod.id, pod.name, moved.status, moved.reason)
        self._board.ring(pod.id)
        await (self.terminate if moved.status is Status.TERMINATING else self.stop)(moved)

    async def _close_door(self, pod: Pod, look: Callable[[Pod], Awaitable[Verdict]]) -> Pod | None:
        """On its way to its end, when the last look finds silence; None when it finds use, or cannot see."""
        await self._gateway.apply(routes_of(pod, RouteState.CLOSING))
        verdict = await look(pod)
        if verdict.decision is not Decision.STOP:
            return None
        data = {"reason": verdict.reason, "action": verdict.action, "by_lifetime": verdict.by_lifetime}
        # None as well when it is another's now, which the way back finds out.
        return await self._store.move(
            pod.id,
            pod.run,
            {Status.RUNNING},
            Status.TERMINATING if verdict.action is IdleAction.TERMINATE else Status.STOPPING,
            self._now(),
            Draft(kind="pod.idle_stop", actor="reaper", via="reaper", data=data),
            # A promise or a sign of life that came after the look counts, except against the end of its life.
            same={} if verdict.by_lifetime else {"keep_until": pod.keep_until, "heartbeat_at": pod.heartbeat_at},
            reason=verdict.reason,
            cause=Cause.IDLE,
            worker=self._worker,
            lease_until=self._now() + LEASE,
        )

    async def _reopen(self, pod: Pod) -> None:
        """Repeat until it succeeds: who stands before a closed door is not counted, and the pod would seem silent."""
        while True:
            try:
                return await self._gateway.apply(routes_of(await self._current(pod, Status.RUNNING)))
            except Unavailable as error:
                log.warning("pod %s: its door cannot be opened again yet: %s", pod.id, error)
            await asyncio.sleep(self._terms.patience)

    async def collapse(self, pod: Pod, instance: Instance | None) -> None:
        """From RUNNING to EXITED or ERROR, since the instance has ended by itself, or (None) vanished."""
        reason = self._with_last_lines(how_it_ended(instance), pod, await keep_output(self._store, self._engine, pod))
        clean = instance is None or (instance.exit_code == 0 and not instance.out_of_memory)
        await self._close_routes(pod)
        await self._insist(pod, "clean up after", lambda: self._engine.stop(pod, grace=1))
        to, kind = (Status.EXITED, "pod.ended") if clean else (Status.ERROR, "pod.failed")
        await self._settle(pod, to, kind, reason, Cause.ITSELF)

    async def clear(self, pod: Pod) -> None:
        """Remove what the engine has left of a pod at rest."""
        await self._current(pod, pod.status)
        match pod.status:
            case Status.TERMINATED:
                await self._engine.terminate(pod)
            case Status.ERROR:
                await self._engine.abandon(pod)
            case _:
                await self._engine.stop(pod)

    def _with_last_lines(self, reason: str, pod: Pod, output: str) -> str:
        return with_last_lines(reason, output, pod, keepalive_token(pod.id, self._store))

    async def _close_routes(self, pod: Pod) -> None:
        """An address is given back only after this: no route leads to it any more."""
        await self._insist(
            pod, "close the address of", lambda: self._gateway.apply(routes_of(pod, RouteState.SLEEPING))
        )

    async def _settle(
        self, pod: Pod, to: Status, kind: str, reason: str, cause: Cause | None, *, code: str | None = None
    ) -> None:
        now = self._now()
        data = {"reason": reason, "cause": cause} | ({"code": code} if code is not None else {})
        moved = await self._store.move(
            pod.id,
            pod.run,
            {pod.status},
            to,
            now,
            Draft(kind=kind, actor="worker", via="worker", data=data),
            reason=reason,
            cause=cause,
            ended_at=now,
            ref=pod.ref if self._engine.features.keeps_pods else None,
            upstreams={},
            gpus=(),
            worker=None,
            lease_until=None,
        )
        if moved is None:
            raise Superseded
        await self._store.forget_readings([route_key(pod.id, port) for port in pod.watched])
        log.info("pod %s (%s): %s, %s", pod.id, pod.name, to, reason.splitlines()[0])
        self._board.ring(pod.id)

    async def _current(self, pod: Pod, *expected: Status) -> Pod:
        """The row as it is now; Superseded when it is in another run, or in no status that was expected."""
        current = await self._store.pod(pod.id)
        if current is None or current.run != pod.run or current.status not in expected:
            raise Superseded
        return current

    async def _insist(self, pod: Pod, what: str, act: Callable[[], Awaitable[None]]) -> None:
        """Repeat until it succeeds: what may still run is never called stopped. Told after the second failure."""
        failures = 0
        while True:
            try:
                return await act()
            except PodError as error:
                failures += 1
                log.warning("pod %s: could not %s it (%d times now): %s", pod.id, what, failures, error)
                if failures == 2:
                    reason = f"Could not {what} {pod.name}; it may still be running and will be tried again. {error}"
                    draft = Draft(kind="pod.stop_failed", actor="worker", via="worker", data={"reason": reason})
                    await self._store.record(pod.id, pod.workspace, pod.run, draft, self._now())
                    self._board.ring(pod.id)
            await asyncio.sleep(min(30.0, self._terms.patience * 2 ** min(failures - 1, 10)))
