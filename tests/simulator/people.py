"""Who visits a pod, what runs inside it, and who owns it. Each tells the gateway what it counts, the truth what is."""

from random import Random
from typing import TYPE_CHECKING

from core.engines.base import Usage
from core.gateway.base import RouteState
from core.model import Status, route_key
from tests.simulator import acts
from tests.simulator.lines import Line
from tests.simulator.truth import Life

if TYPE_CHECKING:
    from tests.simulator.world import Process, World

MINUTE, HOUR = 60.0, 3600.0


class Subject:
    """One pod through all its runs, and everybody who has to do with it."""

    def __init__(self, world: "World", template: str) -> None:
        self.world = world
        self.template = template
        self.pod_id = ""
        self.rng = Random(world.random.random())
        rng = self.rng
        crowd = [
            (0.7, visitor),
            (0.4, tab),
            (0.3, flapping_tab),
            (0.3, monitor),
            (0.3, scanner),
            (0.3, forgotten_stream),
            (0.3, talker),
            (0.1, heart),
            (0.5, training),
        ]
        world.live(owner(self))
        for share, habit in crowd:
            if rng.random() < share:
                world.live(habit(self))

    @property
    def life(self) -> Life | None:
        """Its present run, while it is ready."""
        life = self.world.oracle.lives.get(self.pod_id)
        return None if life is None or life.ending else life

    def request(self) -> Line | None:
        """Somebody asks for something; None when the door is not open."""
        line = self._line(8080 if self.rng.random() < 0.8 else 9090)
        if line is not None:
            line.count(in_flight=1, bytes=300)
            line.truth.in_flight += 1
            line.truth.moved(self.world.clock.up)
        return line

    def connect(self, port: int) -> Line | None:
        """A WebSocket, or a TCP connection."""
        line = self._line(port)
        if line is not None:
            line.count(upgrades=1, upgraded=1)
            line.truth.open += 1
            line.ping(200)
        return line

    def refused(self, many: int) -> None:
        """A scanner's requests: there and gone again."""
        line = self._line(8080)
        if line is not None:
            line.count(completed=many, bytes=many * 500)
            line.truth.moved(self.world.clock.up)

    def ignored(self) -> None:
        """Requests that the rule leaves out."""
        line = self._line(8080)
        if line is not None:
            line.count(ignored=1)

    def _line(self, port: int) -> Line | None:
        life, gateway = self.life, self.world.gateway
        if life is None:
            return None
        port = port if port in life.ports else 8080
        route = gateway.routes.get(route_key(life.pod_id, port))
        if route is None or route.state is not RouteState.LIVE:
            return None
        return Line(self.world, life, port, gateway.generation, life.ports[port].looks)


def visitor(s: Subject) -> "Process":
    """Comes, asks for this and that, sometimes for something that takes long, and goes."""
    rng, often = s.rng, s.rng.choice([0.2, 0.3, 2])
    while True:
        timeout = s.life.timeout if s.life is not None else 0
        yield rng.expovariate(1 / (often * (timeout or HOUR)))
        for _ in range(rng.randint(1, 15)):
            if (line := s.request()) is not None:
                yield from rng.choices([quick, stream, generation, broken], [20, 1, 2, 1])[0](s, line)
            yield rng.expovariate(1 / MINUTE)


def quick(s: Subject, line: Line) -> "Process":
    """A page."""
    yield s.rng.uniform(0.01, 2)
    line.answer(good=True)
    line.end()


def stream(s: Subject, line: Line) -> "Process":
    """It begins to answer at once, and goes on for long."""
    yield 0.1
    line.answer(good=True)
    for _ in range(s.rng.randint(1, 60)):
        yield s.rng.expovariate(1 / (2 * MINUTE))
        line.move(10_000)
    line.end()


def generation(s: Subject, line: Line) -> "Process":
    """Silent for long, and then all at once."""
    yield s.rng.expovariate(1 / (25 * MINUTE))
    line.answer(good=True)
    line.end()


def broken(s: Subject, line: Line) -> "Process":
    """It takes a while, and fails or is given up."""
    yield s.rng.expovariate(1 / (5 * MINUTE))
    if s.rng.random() < 0.5:
        line.answer(good=False)
    line.end()


def forgotten_stream(s: Subject) -> "Process":
    """An event stream that nobody reads, and that has nothing to say."""
    while True:
        yield s.rng.expovariate(1 / (8 * HOUR))
        if (line := s.request()) is not None:
            line.answer(good=True)
            yield s.rng.expovariate(1 / (6 * HOUR))
            line.end()


def tab(s: Subject) -> "Process":
    """Left open over night: silent, or it pings."""
    while True:
        yield s.rng.expovariate(1 / (4 * HOUR))
        line = s.connect(s.rng.choice([8080, 22]))
        pings = s.rng.random() < 0.7
        gone = s.world.clock.up + s.rng.expovariate(1 / (10 * HOUR))
        while line is not None and line.alive and s.world.clock.up < gone:
            yield s.rng.uniform(0.8, 1.2) * max(MINUTE, s.world.plan.interval)
            if pings:
                line.ping(int(0.5 * line.truth.noise))
        if line is not None:
            line.close()


def flapping_tab(s: Subject) -> "Process":
    """Reconnects all the time."""
    while True:
        yield s.rng.expovariate(1 / (6 * HOUR))
        for _ in range(s.rng.randint(1, 200)):
            line = s.connect(8080)
            yield s.rng.uniform(0.5, 1.5) * max(MINUTE, s.world.plan.interval)
            if line is not None:
                line.close()


def talker(s: Subject) -> "Process":
    """A terminal, or a chat."""
    while True:
        yield s.rng.expovariate(1 / (6 * HOUR))
        lines = [s.connect(s.rng.choice([8080, 22])) for _ in range(s.rng.choice([1, 1, 8]))]
        for _ in range(s.rng.randint(1, 10)):
            yield s.rng.expovariate(1 / (5 * MINUTE))
            for line in lines[:1]:
                if line is not None:
                    line.talk()
        for line in lines:
            if line is not None:
                line.close()


def monitor(s: Subject) -> "Process":
    """Looks whether the pod is up."""
    while True:
        yield s.rng.uniform(0.5, 1.5) * 5 * MINUTE
        s.ignored()


def scanner(s: Subject) -> "Process":
    """Tries all the paths there are."""
    while True:
        yield s.rng.expovariate(1 / (2 * HOUR))
        for _ in range(s.rng.randint(1, 60)):
            s.refused(s.rng.randint(1, 500))
            yield s.rng.expovariate(1 / (2 * MINUTE))


def heart(s: Subject) -> "Process":
    """A script that says that it works, for some hours."""
    while True:
        yield s.rng.expovariate(1 / (8 * HOUR))
        every = s.rng.uniform(2, 12) * MINUTE
        for _ in range(s.rng.randint(1, 60)):
            if s.life is not None:
                yield acts.beat(s.world, s.life)
            yield every


def training(s: Subject) -> "Process":
    """Works without a word."""
    while True:
        yield s.rng.expovariate(1 / (8 * HOUR))
        s.world.engine.shares[s.pod_id] = Usage(cpu=s.rng.uniform(0.5, 1))
        yield s.rng.expovariate(1 / (2 * HOUR))
        s.world.engine.shares[s.pod_id] = Usage(cpu=s.rng.uniform(0, 0.1))


def owner(s: Subject) -> "Process":
    """Starts it, keeps it, asks why, stops it, and wants it back."""
    world, rng = s.world, s.rng
    yield rng.expovariate(1 / HOUR)
    while True:
        status = world.status.get(s.pod_id)
        if status is None:
            yield acts.start(world, s)
        elif status in (Status.EXITED, Status.ERROR, Status.TERMINATED):
            yield acts.ask(world, s, "again")
        elif s.pod_id in world.warned:
            world.warned.discard(s.pod_id)
            if rng.random() < 0.2:
                yield acts.ask(world, s, "keep", rng.choice(["2m", "1h", "6h"]))
        elif rng.random() < 0.02:
            what = rng.choices(["stop", "restart", "terminate", "keep", "why", "die"], [3, 3, 1, 6, 12, 1])[0]
            if what == "die":
                yield acts.die(world, s)
            else:
                yield acts.ask(world, s, what, *([rng.choice(["0", "10m", "3h"])] if what == "keep" else []))
        yield rng.expovariate(1 / (10 * MINUTE))
