"""The world: pods and people on a virtual clock, and a house of the real parts that breaks and comes back."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from pathlib import Path
from random import Random

from core.engines.base import Usage
from core.errors import PodError
from core.gateway.base import RouteState
from core.launcher import routes_of
from core.model import Event, Pod, Status, route_key
from core.templates import Catalog
from tests.simulator import acts, weather
from tests.simulator.house import House, open_house
from tests.simulator.oracle import Offence, Oracle
from tests.simulator.parts import Clock, Parking, SimEngine, SimGateway
from tests.simulator.people import Subject
from tests.simulator.plan import Plan
from tests.simulator.rules import a_template
from tests.simulator.truth import Life, PortTruth

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""Where SQLite need not wait for a disk, if the machine has it."""

Process = Generator[float | Awaitable[object]]
"""Somebody's doings: yields how many seconds go by until the next, or what is to be waited for."""


class World:
    """One world; `run` plays it to its end, and the oracle raises at the first offence."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.random = Random(plan.seed)
        self.clock = Clock()
        self.parking = Parking()
        self.engine = SimEngine(self.parking)
        self.gateway = SimGateway(self.parking)
        self.oracle = Oracle()
        self.history: list[str] = []
        """What happened, for whoever has to understand an offence."""
        self.house: House | None = None
        self.warned: set[str] = set()
        """Pods with a warning that no owner has looked at yet."""
        self.status: dict[str, Status] = {}
        """Of each pod, as the last event said."""
        self.jumped = False
        """The clock was set since the last tick."""
        self._directory = directory
        self._queue: list[tuple[float, int, Callable[[], Awaitable[object] | None]]] = []
        self._order = itertools.count()
        self._cursor = 0
        self._templates = [f"t{n}" for n in range(plan.pods)]
        self._catalog = Catalog({name: a_template(name, self.random) for name in self._templates}, ())
        self.gateway.on_first_answer = self._until_ready
        self.gateway.on_door = self._at_the_door
        self.gateway.on_second_look = self._at_the_second_look

    # time

    def after(self, seconds: float, act: Callable[[], Awaitable[object] | None]) -> None:
        """Have it done when so much time has gone by."""
        heapq.heappush(self._queue, (self.clock.up + seconds, next(self._order), act))

    def live(self, process: Process) -> None:
        """Let somebody do what they do."""
        self.after(0, lambda: self._step(process))

    async def _step(self, process: Process) -> None:
        for wish in process:
            if isinstance(wish, int | float):
                self.after(max(0.01, wish), lambda: self._step(process))
                return
            await wish

    async def run(self) -> float:
        """Hours that pods ran."""
        await self.open()
        end = self.plan.hours * 3600
        self.after(self.plan.interval, self._tick)
        for name in self._templates:
            Subject(self, name)
        for rate, befalls in (
            (self.plan.restarts, weather.restarts),
            (self.plan.outages, weather.outages),
            (self.plan.jumps, weather.jumps),
        ):
            if rate:
                self.live(befalls(self))
        try:
            while self._queue and self._queue[0][0] <= end:
                self.clock.up, _, act = heapq.heappop(self._queue)
                if (doing := act()) is not None:
                    await doing
            for life in self.oracle.lives.values():
                if not life.ending:
                    self.oracle.hours += (self.clock.up - life.ready) / 3600
        except Offence as offence:
            await self._explain(offence.pod_id)
            raise
        finally:
            self.engine.mend()
            self.gateway.mend()
            await self.close()
        return self.oracle.hours

    @property
    def wall(self) -> float:
        """The wall clock in seconds."""
        return self.clock().timestamp()

    def note(self, text: str) -> None:
        """Write it in the history."""
        self.history.append(f"{self.clock.up:9.0f} {self.clock():%d %H:%M:%S} {text}")

    async def _explain(self, pod_id: str) -> None:
        """What the house itself says about the pod, for the history."""
        if self.house is not None:
            with suppress(PodError):
                why = await self.house.keeping.why(self.house.caller, pod_id)
                self.note(f"{pod_id} the house says: {why.text}\n{why.verdict!r}\n{why.pod!r}")

    # the house

    async def open(self) -> None:
        """Start the control plane on what is there."""
        house = self.house = await open_house(self._directory, self.engine, self.gateway, self.clock, self._catalog)
        rows = await house.store.pods(status=frozenset(Status) - {Status.TERMINATED})
        await self.gateway.open([route for pod in rows for route in routes_of(pod)])
        await house.reconciler.tick(self.clock(), alone=True)
        await self.settle()
        await self.hear()
        await self._quiet_tick(house)

    async def close(self, *, look: bool = False) -> None:
        """End the control plane: with its last look, or as if it had been killed."""
        house, self.house = self.house, None
        if house is None:
            return
        if look:
            self.house = house
            await self._quiet_tick(house)
            self.house = None
        await house.launcher.close()
        await house.store.close()

    async def _quiet_tick(self, house: House) -> None:
        """The look at opening and at closing: what was seen is written down, and nobody is warned or stopped."""
        self._look(house)
        await house.reaper.tick(self.clock(), self.clock.up, act=False)
        await self.hear()

    async def settle(self) -> None:
        """Until nothing moves any more: what is left waits for something to be mended, or for a slow pod."""
        house = self.house
        while house and (busy := [t for p, t in house.launcher._tasks.items() if not self.parking.waiting[p]]):
            await asyncio.wait(busy, timeout=0.002)

    async def hear(self) -> None:
        """Tell the oracle what the store's events say."""
        house = self.house
        while house and (events := await house.store.events(self._cursor)):
            for event in events:
                self._cursor = event.seq
                if event.kind not in ("pod.created", "pod.starting"):
                    self.note(f"{event.pod_id} {event.kind} {event.data.get('reason', '')}")
                await self._heard(house, event)

    async def _heard(self, house: House, event: Event) -> None:
        if event.kind == "pod.running":
            pod = await house.store.pod(event.pod_id)
            assert pod is not None
            if pod.run == event.run and pod.status is Status.RUNNING:
                self._begin(pod)
        elif event.kind == "pod.idle_warning":
            self.warned.add(event.pod_id)
        if event.status is not None:
            self.status[event.pod_id] = event.status
        self.oracle.hear(event, self.clock.up, self.wall, self.engine.runs(event.pod_id))

    def _begin(self, pod: Pod) -> None:
        assert pod.started_at is not None
        idle = pod.spec.idle
        life = Life(pod.id, pod.run, pod.spec, pod.stoppable, self.clock.up, pod.started_at.timestamp())
        life.sure = life.seen = self.clock.up
        life.ports = {n: PortTruth(idle.noise, idle.silent_request.total_seconds()) for n in pod.watched}
        if pod.keep_until is not None:
            life.keep_until = pod.keep_until.timestamp()
        blind = self.gateway.blind or self.gateway.failing is not None
        for number, port in life.ports.items():
            if blind or route_key(pod.id, number) in self.gateway.missing:
                # The house could not read it at the start: our own probe may be counted as a visit.
                port.possible, port.known = self.clock.up, False
        self.oracle.begin(life)

    async def _until_ready(self, host: str) -> None:
        pod_id, template = self.engine.at(host)
        chance = self._chance(template)
        if chance.random() < 0.2:
            self.after(chance.expovariate(1 / 600), lambda: self._ready(pod_id))
            await self.parking.park(pod_id, f"start of {pod_id}")

    def _chance(self, of: Life | str) -> Random:
        """For what happens in many tasks at once: the same in each run, whichever of them comes first."""
        template = of if isinstance(of, str) else of.spec.template
        return Random(f"{self.plan.seed} {template} {self.clock.up}")

    async def _ready(self, pod_id: str) -> None:
        self.parking.release(f"start of {pod_id}")
        await asyncio.sleep(0)
        await self.settle()
        await self.hear()

    # ticks

    async def _tick(self) -> None:
        rng, interval = self.random, self.plan.interval
        wait = interval * rng.uniform(0.9, 1.1)
        self.after(wait * rng.randint(3, 40) if rng.random() < self.plan.missed else wait, self._tick)
        house = self.house
        if house is None:
            return
        looked = self._look(house)
        self.jumped = False
        await house.reaper.tick(self.clock(), self.clock.up)
        await self.settle()
        await self.hear()
        reachable = self.gateway.failing is None
        for life in looked:
            if not house.launcher.carrying(life.pod_id):
                self.oracle.judge(life, self.clock.up, self.wall, reachable)
        well = reachable and not self.engine.down and not self.engine.stop_fails
        for life in [li for li in self.oracle.lives.values() if li.ending and not li.over] if well else ():
            pod = await house.store.pod(life.pod_id)
            if pod is not None and pod.run == life.run:
                self.oracle.ended(life, pod.status, self.clock.up)
        if rng.random() < 0.05:
            await house.reconciler.tick(self.clock())
            await self.settle()
            await self.hear()

    def _look(self, house: House) -> list[Life]:
        """The truth as it is when the house looks."""
        looked: list[Life] = []
        blind = self.gateway.blind or self.gateway.failing is not None
        for life in self.oracle.lives.values():
            if life.ending or house.launcher.carrying(life.pod_id):
                continue
            readable = {n for n in life.ports if route_key(life.pod_id, n) not in self.gateway.missing and not blind}
            if self.jumped and life.looks == 0:  # nobody knows by which clock it became ready
                next(iter(life.ports.values())).possible = self.clock.up
            tells = not self.engine.down and self.engine.runs(life.pod_id)
            life.look(self.clock.up, readable, tells, self._busy(life))
            looked.append(life)
        return looked

    def _busy(self, life: Life) -> bool:
        share = self.engine.shares.get(life.pod_id, Usage(cpu=0.0)).cpu
        above = life.spec.idle.busy_above.cpu
        return above is not None and share is not None and share >= above

    def _at_the_door(self, pod_id: str, state: RouteState) -> None:
        """Somebody comes through just before it closes."""
        life = self.oracle.lives.get(pod_id)
        if state is RouteState.CLOSING and life is not None and not life.ending and self._chance(life).random() < 0.1:
            self.note(f"{pod_id} somebody slips in")
            port = next(iter(life.ports))
            self.gateway.count(pod_id, port, completed=1, succeeded=1, bytes=700)
            life.ports[port].moved(self.clock.up)
            life.ports[port].use(self.clock.up)

    async def _at_the_second_look(self, pod_id: str) -> None:
        """A sign of life, or a promise, once the counters were read."""
        life, house = self.oracle.lives.get(pod_id), self.house
        if life is None or house is None or life.ending:
            return
        chance = 1 - self._chance(life).random()
        if chance > 0.1:
            return
        self.note(f"{pod_id} comes to mind at the last moment")
        if chance < 0.05:
            await acts.beat(self, life)
        else:
            with suppress(PodError):
                await house.keeping.keep(house.caller, pod_id, "1h")

    # what befalls it

    def lose_data_plane(self) -> None:
        """Envoy died and is back."""
        self.gateway.restart_data_plane()
        for life in self.oracle.lives.values():
            for port in life.ports.values() if not life.ending else ():
                port.lose(self.clock.up)

    async def mend(self) -> None:
        """Everything works again."""
        self.engine.mend()
        self.gateway.mend()
        await asyncio.sleep(0)
        await self.settle()
        await self.hear()
