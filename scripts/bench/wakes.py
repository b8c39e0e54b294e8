"""The bench's wakes: the page of a sleeping pod, and a visit that wakes one against the start of a new one."""

import asyncio

from core.model import Pod, Status
from scripts.bench.figures import Row, Samples, Section
from scripts.bench.starts import Starts, on_docker
from scripts.bench.visit import visit

LIMITS = {50: 20.0}
MOST = 20
"""Wakes that one visitor gets in an hour."""
_NOTE = """
- *Page of a sleeping pod*: over a fresh connection, to the end of the page; Envoy asks the service, which looks the pod
  up. The baseline is a running pod's own answer through the same gateway.
- *Wake*: from the visit to the first answer of the pod at its address; the baseline is the start of a new pod as above.
  Both make a container on the Docker Engine.
"""


async def measure(wakes: int, pages: int) -> list[Section]:
    """Pages in turn with a running pod; each wake right after the start of the same pod."""
    assert wakes <= MOST, f"one visitor may wake {MOST} pods within an hour"
    async with on_docker() as starts:
        (asleep, _), (running, _) = [await starts.started("bench-button") for _ in range(2)]
        await starts.pods.stop(starts.caller, asleep.id)
        await starts.settled(asleep, Status.EXITED)
        shown = [(await _page(starts, asleep), await _answer(starts, running)) for _ in range(pages + 1)][1:]
        await starts.over(running)
        cold: list[float] = []
        woken: list[float] = []
        for _ in range(wakes):
            pod, seconds = await starts.started()
            cold.append(seconds)
            await starts.pods.stop(starts.caller, pod.id)
            await starts.settled(pod, Status.EXITED)
            woken.append(await starts.woken(pod))
            await starts.over(pod)
    page = Samples.of_seconds("page of a sleeping pod", [pair[0] for pair in shown])
    answer = Samples.of_seconds("a running pod's own answer", [pair[1] for pair in shown])
    wake = Samples.of_seconds("a visit that wakes a pod, to the pod's first answer", woken)
    start = Samples.of_seconds("a new pod, to its first answer", cold)
    return [Section.of_rows("Waking", [Row(page, answer, limits=LIMITS), Row(wake, start)], _NOTE)]


async def _page(starts: Starts, pod: Pod) -> float:
    return await _timed(starts, pod, b" 503 ", b"</html>")


async def _answer(starts: Starts, pod: Pod) -> float:
    return await _timed(starts, pod, b" 200 ", pod.id.encode())


async def _timed(starts: Starts, pod: Pod, status: bytes, wanted: bytes) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await visit(*starts.address(pod), status, wanted), f"no answer of {pod.id} with {status!r} and {wanted!r}"
    return loop.time() - begun
