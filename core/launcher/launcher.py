"""The launcher: carries each row that is under way to where it is going, one task a pod."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from core.engines.base import Engine, Instance
from core.errors import PodError, Unavailable
from core.gateway.base import Gateway, RouteState
from core.idle import Decision, Verdict
from core.launcher.orders import Terms
from core.launcher.routes import routes_of
from core.launcher.start import Start, Superseded
from core.launcher.words import how_it_ended, with_last_lines
from core.model import Cause, Draft, IdleAction, Pod, Status, route_key
from core.progress import Board
from core.store import Store

log = logging.getLogger("podkeeper.launcher")

LEASE = timedelta(seconds=15)
CLOSING = 5.0
"""Seconds that a step under way may take to end when the house closes."""


class Launcher:
    """One task a pod; a new order for the same pod ends the former one first.

    A task ends when its row has settled, or when somebody else has moved the row: then that somebody cleans up.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        gateway: Gateway,
        board: Board,
        now: Callable[[], datetime],
        terms: Terms,
    ) -> None:
        self._store = store
        self._engine = engine
        self._gateway = gateway
        self._board = board
        self._now = now
        self._terms = terms
        self._worker = secrets.token_hex(6)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def carrying(self, pod_id: str) -> bool:
        """A task of this process is on it."""
        return pod_id in self._tasks

    def leased_elsewhere(self, pod: Pod, now: datetime) -> bool:
        """Another process is on it. A lease of our own says nothing: its task may have broken."""
        return pod.worker != self._worker and pod.lease_until is not None and pod.lease_until > now

    def carry(self, pod: Pod) -> None:
        """Carry a row on that is under way, in a task of its own."""
        self._take(pod, self._carry)

    def retire(self, pod: Pod, look: Callable[[Pod], Awaitable[Verdict]]) -> None:
        """End a running pod's run, if a last look, with its door already closed, still says so.

        Not while something else is done to it: somebody was faster than whoever decided.
        """
        if self.carrying(pod.id):
            return

        async def work(pod: Pod) -> None:
            await self._retire(pod, look)

        self._take(pod, work)

    async def reroute(self, pod: Pod, remove: tuple[str, ...] = ()) -> None:
        """Make the gateway carry what a running pod's row says, and no more what is in `remove` (route keys).

        Waits until it does; InvalidInput or Unavailable as `Gateway.apply`.
        """
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def work(pod: Pod) -> None:
            try:
                current = await self._store.pod(pod.id)
                if current is None or current.run != pod.run:
                    raise Superseded
                if current.status.under_way:
                    await self._carry(current)
                elif current.status is Status.RUNNING:
                    await self._gateway.apply(routes_of(current), remove)
            except PodError as error:
                outcome.set_exception(error)
            finally:
                if not outcome.done():
                    outcome.set_result(None)

        self._take(pod, work)
        await outcome

    def collapse(self, pod: Pod, instance: Instance | None) -> None:
        """Clear up after a running pod whose instance has ended (None: has vanished)."""

        async def work(pod: Pod) -> None:
            await self._collapse(pod, instance)

        self._take(pod, work)

    def clear(self, pod: Pod) -> None:
        """Remove what the engine has left of a pod at rest; a resume ends this first, so that it hits no new run."""

        async def work(pod: Pod) -> None:
            await self._current(pod, pod.status)
            await (self._engine.terminate if pod.status is Status.TERMINATED else self._engine.stop)(pod)

        self._take(pod, work)

    async def idle(self) -> None:
        """Wait until no task is left."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def renew(self) -> None:
        """Extend the leases of everything that is carried here."""
        await self._store.renew(self._worker, self._now() + LEASE)

    async def close(self) -> None:
        """Let go of everything; rows under way stay so, for the next one to carry on."""
        tasks = set(self._tasks.values())
        # Once more for those that wait for an engine which does not come to an end: the next one finds what they leave.
        for patience in (CLOSING, None):
            for task in tasks:
                task.cancel()
            if tasks:
                _, tasks = await asyncio.wait(tasks, timeout=patience)
        try:
            await self._store.renew(self._worker, self._now())
        except Unavailable as error:
            log.warning("the leases of what was under way are not given back and run out instead: %s", error)

    def _take(self, pod: Pod, work: Callable[[Pod], Awaitable[None]]) -> None:
        former = self._tasks.get(pod.id)
        task = asyncio.create_task(self._alone(pod, work, former), name=f"pod {pod.id} {pod.status}")
        self._tasks[pod.id] = task

        def done(ended: asyncio.Task[None]) -> None:
            if self._tasks.get(pod.id) is ended:
                del self._tasks[pod.id]
            self._board.ring(pod.id)

        task.add_done_callback(done)

    async def _alone(self, pod: Pod, work: Callable[[Pod], Awaitable[None]], former: asyncio.Task[None] | None) -> None:
        if former is not None:
            former.cancel()
            try:
                await asyncio.wait([former])
            except asyncio.CancelledError:
                # Whoever comes after us waits for us, and must not begin before the one before us has ended.
                await asyncio.wait([former])
                raise
        try:
            await work(pod)
        except Superseded:
            log.info("pod %s: somebody else decided; leaving it to them", pod.id)
        except Unavailable as error:
            log.warning("pod %s: put off until the reconciler takes it up again: %s", pod.id, error)
        except Exception:
            log.exception("pod %s: its task broke; the reconciler will take it up again", pod.id)

    async def _carry(self, pod: Pod) -> None:
        held = await self._store.amend(
            pod.id, pod.run, {pod.status}, worker=self._worker, lease_until=self._now() + LEASE
        )
        if held is None:
            raise Superseded
        match pod.status:
            case Status.PROVISIONING | Status.STARTING:
                await self._start(held)
            case Status.STOPPING:
                await self._stop(held)
            case Status.TERMINATING:
                await self._terminate(held)
            case _:
                log.info("pod %s has settled already", pod.id)

    async def _start(self, pod: Pod) -> None:
        try:
            await Start(self._store, self._engine, self._gateway, self._board, self._now, self._terms).run(pod)
        except PodError as error:
            await self._fail(pod, str(error))
        except Superseded:
            raise
        except Exception:
            reference = secrets.token_hex(2).upper()
            log.exception("pod %s: its start broke (ref %s)", pod.id, reference)
            await self._fail(pod, f"Something went wrong on our side (ref {reference}).")
        finally:
            self._board.clear(pod.id)

    async def _fail(self, pod: Pod, reason: str) -> None:
        """From a failed start to ERROR, once the engine has said that nothing of it runs."""
        pod = await self._current(pod, Status.PROVISIONING, Status.STARTING)
        if pod.ref is not None:
            reason = await with_last_lines(reason, self._engine, pod)
            await self._insist(pod, "clean up after", lambda: self._engine.stop(pod, grace=1))
        await self._close_routes(pod)
        await self._settle(pod, Status.ERROR, "pod.failed", reason, Cause.ITSELF)

    async def _stop(self, pod: Pod) -> None:
        if pod.cause is Cause.PERSON:
            await self._drain(pod)
        try:
            await self._gateway.apply(routes_of(pod, RouteState.SLEEPING))
        except Unavailable as error:
            log.warning("pod %s: stopping it although its route cannot be closed yet: %s", pod.id, error)
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

    async def _terminate(self, pod: Pod) -> None:
        keys = [route_key(pod.id, port) for port in pod.watched]
        try:
            await self._gateway.apply((), keys)
        except Unavailable as error:
            log.warning("pod %s: terminating it although its route cannot be closed yet: %s", pod.id, error)
        await self._insist(pod, "terminate", lambda: self._engine.terminate(pod))
        await self._insist(pod, "close the address of", lambda: self._gateway.apply((), keys))
        await self._settle(pod, Status.TERMINATED, "pod.terminated", pod.reason or "terminated", pod.cause)

    async def _retire(self, pod: Pod, look: Callable[[Pod], Awaitable[Verdict]]) -> None:
        pod = await self._current(pod, Status.RUNNING)
        try:
            moved = await self._close_door(pod, look)
        except Unavailable as error:
            log.warning("pod %s: not stopped: %s", pod.id, error)
            moved = None
        if moved is None:
            await self._reopen(pod)
            return
        log.info("pod %s (%s): %s, %s", pod.id, pod.name, moved.status, moved.reason)
        self._board.ring(pod.id)
        await (self._terminate if moved.status is Status.TERMINATING else self._stop)(moved)

    async def _close_door(self, pod: Pod, look: Callable[[Pod], Awaitable[Verdict]]) -> Pod | None:
        """On its way to its end, when the last look finds silence; None when it finds use, or cannot see."""
        await self._gateway.apply(routes_of(pod, RouteState.CLOSING))
        verdict = await look(pod)
        if verdict.decision is not Decision.STOP:
            return None
        data = {"reason": verdict.reason, "action": verdict.action, "by_lifetime": verdict.by_lifetime}
        moved = await self._store.move(
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
        if moved is None:
            # Either that, or it is another's now, which the way back finds out.
            return None
        return moved

    async def _reopen(self, pod: Pod) -> None:
        """Repeat until it succeeds: who stands before a closed door is not counted, and the pod would seem silent."""
        while True:
            try:
                return await self._gateway.apply(routes_of(await self._current(pod, Status.RUNNING)))
            except Unavailable as error:
                log.warning("pod %s: its door cannot be opened again yet: %s", pod.id, error)
            await asyncio.sleep(self._terms.patience)

    async def _collapse(self, pod: Pod, instance: Instance | None) -> None:
        reason = await with_last_lines(how_it_ended(instance), self._engine, pod)
        clean = instance is None or (instance.exit_code == 0 and not instance.out_of_memory)
        await self._close_routes(pod)
        await self._insist(pod, "clean up after", lambda: self._engine.stop(pod, grace=1))
        to, kind = (Status.EXITED, "pod.ended") if clean else (Status.ERROR, "pod.failed")
        await self._settle(pod, to, kind, reason, Cause.ITSELF)

    async def _close_routes(self, pod: Pod) -> None:
        """An address is given back only after this: no route leads to it any more."""
        await self._insist(
            pod, "close the address of", lambda: self._gateway.apply(routes_of(pod, RouteState.SLEEPING))
        )

    async def _settle(self, pod: Pod, to: Status, kind: str, reason: str, cause: Cause | None) -> None:
        moved = await self._store.move(
            pod.id,
            pod.run,
            {pod.status},
            to,
            self._now(),
            Draft(kind=kind, actor="worker", via="worker", data={"reason": reason, "cause": cause}),
            reason=reason,
            cause=cause,
            ended_at=self._now(),
            ref=None,
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
