"""The world's machine: a clock that can be set and put to sleep, and an engine and a gateway that can break."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

from core.engines.fake import FakeEngine
from core.errors import Unavailable
from core.gateway.base import Route, RouteState
from core.gateway.fake import FakeGateway
from core.model import Pod, Traffic, Upstream

T0 = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
PATIENCE = 2
"""Failures of the same thing that are let through; the next attempt waits until it can succeed, so that repeating
costs no real time. The second one is when people are told."""


class Clock:
    """`up` is what the monotonic clock shows; the wall clock differs from it by `offset`, which jumps change."""

    def __init__(self) -> None:
        self.up = 0.0
        self.offset = 0.0

    def __call__(self) -> datetime:
        """The wall clock."""
        return T0 + timedelta(seconds=self.up + self.offset)


class Parking:
    """Where attempts wait that cannot succeed now."""

    def __init__(self) -> None:
        self.waiting: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._bells: dict[str, asyncio.Event] = {}

    async def park(self, pod_id: str, what: str) -> None:
        """Wait until `release`."""
        bell = self._bells.setdefault(what, asyncio.Event())
        self.waiting[pod_id] += 1
        try:
            await bell.wait()
        finally:
            self.waiting[pod_id] -= 1

    def release(self, what: str) -> None:
        """Everyone who waits for this goes on."""
        if bell := self._bells.pop(what, None):
            bell.set()

    async def patiently(self, pod_id: str, what: str, act: Callable[[], Awaitable[None]]) -> None:
        """Do it; what keeps failing waits."""
        while True:
            try:
                await act()
            except Unavailable:
                self._failed[f"{pod_id} {what}"] += 1
                if self._failed[f"{pod_id} {what}"] <= PATIENCE:
                    raise
                await self.park(pod_id, what)
            else:
                self._failed.pop(f"{pod_id} {what}", None)
                return


class SimEngine(FakeEngine):
    """The fake engine, patient about what fails."""

    def __init__(self, parking: Parking) -> None:
        super().__init__()
        self._parking = parking

    async def stop(self, pod: Pod, grace: float = 10) -> None:
        """As the seam says."""
        ended = super().stop
        await self._parking.patiently(pod.id, "engine", lambda: ended(pod, grace))

    def runs(self, pod_id: str) -> bool:
        """What is really so, whatever the engine answers."""
        return any(c.order.pod.id == pod_id and c.running for c in self._containers.values())

    def at(self, host: str) -> tuple[str, str]:
        """The pod at this address, and its template."""
        pod = next(c.order.pod for c in self._containers.values() if c.order.address == host)
        return pod.id, pod.spec.template

    def mend(self) -> None:
        """Everything works again."""
        self.down = self.stop_fails = False
        self._parking.release("engine")


class SimGateway(FakeGateway):
    """The fake gateway with a door that somebody may slip through, and counters that cannot always be read."""

    def __init__(self, parking: Parking) -> None:
        super().__init__()
        self._parking = parking
        self.blind = False
        """True: the counters cannot be read; everything else works."""
        self.on_door: Callable[[str, RouteState], None] = lambda _pod_id, _state: None
        """Called just before a route changes."""
        self.on_first_answer: Callable[[str], Awaitable[None]] | None = None
        """Called with the host of a pod that is asked whether it is ready; it answers when this returns."""
        self.on_second_look: Callable[[str], Awaitable[None]] | None = None
        """Called once the counters of a pod whose door is closed were read."""

    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        """As the seam says."""
        routes, remove = list(routes), list(remove)
        pod_id = routes[0].pod_id if routes else remove[0].partition("-")[0] if remove else ""
        for route in routes if self.failing is None else ():
            self.on_door(route.pod_id, route.state)
        applied = super().apply
        await self._parking.patiently(pod_id, "gateway", lambda: applied(routes, remove))
        self.history.clear()

    async def traffic(self) -> Traffic:
        """As the seam says."""
        if self.blind:
            raise Unavailable("The counters cannot be read now.")
        read = await super().traffic()
        if self.on_second_look is not None:
            for pod_id in dict.fromkeys(r.pod_id for r in self.routes.values() if r.state is RouteState.CLOSING):
                await self.on_second_look(pod_id)
        return read

    async def reach(self, upstream: Upstream, path: str | None) -> bool:
        """As the seam says."""
        if self.on_first_answer is not None:
            await self.on_first_answer(upstream.host)
        return True

    def mend(self) -> None:
        """Everything works again."""
        self.failing, self.blind = None, False
        self.missing.clear()
        self._parking.release("gateway")
