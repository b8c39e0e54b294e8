"""`make simulate`: as many pod-hours as are asked for, in two processes; ends with one line, and 1 for an offence."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from random import Random

from tests.simulator.oracle import Offence
from tests.simulator.plan import Plan
from tests.simulator.world import MEMORY, World

SHOWN = 60


def a_plan(seed: int, pods: int, hours: float) -> Plan:
    """A world for this seed; one that looks often lasts less long."""
    interval = Random(seed).choice([30, 120, 300, 300, 300, 600])
    return Plan(seed=seed, pods=pods, hours=hours * min(1, interval / 300), interval=interval)


def play(plan: Plan) -> tuple[float, Counter[str], str]:
    """One world: pod-hours, counts, and the story of its first offence."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        world = World(plan, Path(directory))
        story = ""
        try:
            asyncio.run(world.run())
        except Offence as offence:
            lines = [line for line in world.history if offence.pod_id in line or " -- " in line]
            story = "\n".join([f"seed {plan.seed}: {plan}", *lines[-SHOWN:], str(offence)])
        return world.oracle.hours, world.oracle.counts, story


def wrong(counts: Counter[str]) -> dict[str, int]:
    """The offences among what was counted: events have no blank in their names."""
    return {kind: n for kind, n in counts.items() if " " in kind}


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pod-hours", type=float, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pods", type=int, default=50, help="in each world")
    parser.add_argument("--hours", type=float, default=150, help="that each world lasts")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    begun, hours, seed, counts = time.monotonic(), 0.0, given.seed, Counter[str]()
    under_way: set[Future[tuple[float, Counter[str], str]]] = set()
    with ProcessPoolExecutor(given.processes) as pool:
        while under_way or not hours:
            while len(under_way) < given.processes and hours < given.pod_hours and not wrong(counts):
                under_way.add(pool.submit(play, a_plan(seed, given.pods, given.hours)))
                seed += 1
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for ran, found, story in (world.result() for world in done):
                hours += ran
                counts += found
                if story:
                    print(story)
            print(f"{hours:.0f} pod-hours after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(" ".join(f"{kind}: {n}" for kind, n in sorted(counts.items())))
    amiss = {kind: counts[kind] for kind in ("false stop", "late stop", "missed warning")} | wrong(counts)
    print(f"{hours:.0f} pod-hours, {', '.join(f'{kind}s: {n}' for kind, n in amiss.items())}")
    return 1 if wrong(counts) else 0


if __name__ == "__main__":
    sys.exit(main())
