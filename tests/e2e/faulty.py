"""A house in a process of its own, on real Docker, that dies at a chosen point of the engine's work.

`python -m tests.e2e.faulty ACTION POD POINT TRACE`, with settings from the environment, does one thing to one pod and
ends. TRACE gets a line for each point that was passed; at POINT the process is gone as by `kill -9`, before it could
tell anybody.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from typing_extensions import override

from core.app import running
from core.engines.base import Order, Step
from core.engines.docker import DockerEngine
from core.model import Pod
from core.service import StartRequest
from core.settings import Settings


class Faulty(DockerEngine):
    """The Docker engine with a fault point before and after everything that it does or has done."""

    def __init__(self, die_at: str, trace: Path) -> None:
        super().__init__()
        self._die_at = die_at
        self._trace = trace
        self._passed: Counter[str] = Counter()

    @override
    async def start(self, order: Order) -> AsyncGenerator[Step]:
        self._point("start begins")
        async with aclosing(super().start(order)) as steps:
            async for step in steps:
                self._point(f"{step.stage} done, not saved")
                yield step
                self._point(f"{step.stage} saved")
        self._point("start ends")

    @override
    async def stop(self, pod: Pod, grace: float = 10) -> None:
        self._point("stop begins")
        await super().stop(pod, grace)
        self._point("stop ends")

    @override
    async def terminate(self, pod: Pod) -> None:
        self._point("terminate begins")
        await super().terminate(pod)
        self._point("terminate ends")

    def _point(self, name: str) -> None:
        self._passed[name] += 1
        point = f"{name} ({self._passed[name]})"
        with self._trace.open("a") as trace:
            trace.write(f"{point}\n")
        if point == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(action: str, pod: str, point: str, trace: str) -> None:
    """Open the house, do it, wait until it is done."""
    engine = Faulty(point, Path(trace))
    async with running(Settings.load(), engine=engine, patience=0.1) as house:
        me = await house.services.people.local("terminal")
        pods = house.services.pods
        match action:
            case "start":
                begun = await pods.start(me, StartRequest(template=pod))
            case "stop":
                begun = await pods.stop(me, pod)
            case "terminate":
                begun = await pods.terminate(me, pod)
            case _:
                begun = await house.services.waking.wake(f"{pod}-8080", "127.0.0.1")
        await pods.settled(me, begun.id, 60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
