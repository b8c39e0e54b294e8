"""The launcher: carries each row that is under way to where it is going, one task a pod."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime

from core.engines.base import Engine, Instance
from core.errors import PodError, Unavailable
from core.gateway.base import Gateway
from core.idle import Verdict
from core.launcher.end import LEASE, End
from core.launcher.orders import Terms
from core.launcher.routes import routes_of
from core.launcher.start import Start, Superseded
from core.model import Pod, Status
from core.progress import Board
from core.store import Store

log = logging.getLogger("podkeeper.launcher")

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
        self._end = End(store, engine, gateway, board, now, terms, self._worker)
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
            await self._end.retire(pod, look)

        self._take(pod, work)

    async def reroute(self, pod: Pod, remove: tuple[str, ...] = ()) -> None:
        """Make the gateway carry what the row of a pod says that runs or rests, and no more `remove` (route keys).

        Waits until it does; InvalidInput or Unavailable as `Gateway.apply`.
        """
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def work(pod: Pod) -> None:
            try:
                current = await self._store.pod(pod.id)
                if current is not None and not current.status.under_way:
                    await self._gateway.apply(routes_of(current), remove)
            except PodError as error:
                outcome.set_exception(error)
                return
            if current is not None and current.status.under_way:
                # Somebody was faster; their task, which we have ended, is begun again and sees to the routes.
                outcome.set_result(None)
                await self._carry(current)

        # However it ends: one that is itself overtaken may not even have begun.
        self._take(pod, work).add_done_callback(lambda _: outcome.done() or outcome.set_result(None))
        await outcome

    def collapse(self, pod: Pod, instance: Instance | None) -> None:
        """Clear up after a running pod whose instance has ended (None: has vanished)."""

        async def work(pod: Pod) -> None:
            await self._end.collapse(pod, instance)

        self._take(pod, work)

    def clear(self, pod: Pod) -> None:
        """Remove what the engine has left of a pod at rest; a resume ends this first, so that it hits no new run."""
        self._take(pod, self._end.clear)

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

    def _take(self, pod: Pod, work: Callable[[Pod], Awaitable[None]]) -> asyncio.Task[None]:
        former = self._tasks.get(pod.id)
        task = asyncio.create_task(self._alone(pod, work, former), name=f"pod {pod.id} {pod.status}")
        self._tasks[pod.id] = task

        def done(ended: asyncio.Task[None]) -> None:
            if self._tasks.get(pod.id) is ended:
                del self._tasks[pod.id]
            self._board.ring(pod.id)

        task.add_done_callback(done)
        return task

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
                await self._end.stop(held)
            case Status.TERMINATING:
                await self._end.terminate(held)
            case _:
                log.info("pod %s has settled already", pod.id)

    async def _start(self, pod: Pod) -> None:
        try:
            await Start(self._store, self._engine, self._gateway, self._board, self._now, self._terms).run(pod)
        except PodError as error:
            await self._end.fail(pod, str(error), error.code)
        except Superseded:
            raise
        except Exception:
            reference = secrets.token_hex(2).upper()
            log.exception("pod %s: its start broke (ref %s)", pod.id, reference)
            await self._end.fail(pod, f"Something went wrong on our side (ref {reference}).")
        finally:
            self._board.clear(pod.id)
