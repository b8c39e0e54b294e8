"""What befalls the house: restarts, outages, and clocks that are set."""

from typing import TYPE_CHECKING

from core.errors import Unavailable
from core.model import route_key

if TYPE_CHECKING:
    from tests.simulator.world import Process, World


def restarts(world: "World") -> "Process":
    """Of the control plane, of the data plane, of both; at once, or after a while."""
    rng = world.random
    while True:
        yield rng.expovariate(world.plan.restarts / 3600)
        what = rng.choice(["control plane", "data plane", "both"])
        world.note(f"-- restart: {what}")
        if what != "data plane":
            while world.jumped:  # a jump that no tick has seen before a restart is nobody's to see
                yield 1.0
            yield world.close(look=rng.random() < 0.5)
        if what != "control plane":
            world.lose_data_plane()
        if what != "data plane":
            if rng.random() < 0.5:
                yield rng.expovariate(1 / rng.choice([60, 600, 6000]))
            yield world.open()
            world.note("-- the control plane is back")


def outages(world: "World") -> "Process":
    """Of one part at a time."""
    rng = world.random
    while True:
        yield rng.expovariate(world.plan.outages / 3600)
        what = rng.choice(["engine", "stops", "gateway", "counters", "one port"])
        world.note(f"-- outage: {what}")
        match what:
            case "engine":
                world.engine.down = True
            case "stops":
                world.engine.stop_fails = True
            case "gateway":
                world.gateway.failing = Unavailable("The gateway does not answer now.")
            case "counters":
                world.gateway.blind = True
            case _:
                there = sorted(world.oracle.lives.values(), key=lambda life: life.spec.template)
                for life in rng.choices(there, k=1) if there else ():
                    world.gateway.missing.add(route_key(life.pod_id, min(life.ports)))
        yield rng.expovariate(1 / rng.choice([100, 1000, 5000]))
        world.note("-- all is well")
        yield world.mend()


def jumps(world: "World") -> "Process":
    """The wall clock is set, or the machine slept while it went on."""
    rng = world.random
    while True:
        yield rng.expovariate(world.plan.jumps / 3600)
        if world.house is not None and not world.jumped:
            gap = rng.choice([-1, 1, 1]) * rng.choice([5, 60, 1800, 7200, 30_000])
            world.note(f"-- the clock jumps by {gap} s")
            world.clock.offset += gap
            world.jumped = True
