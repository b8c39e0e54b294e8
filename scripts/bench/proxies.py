"""The bench's proxies: what a request costs our gateway in CPU, against a bare Envoy, and beside nginx and another."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from core.model import Upstream
from scripts.bench import peers
from scripts.bench.figures import Samples, Section, table, verdict
from scripts.bench.machine import cpu_seconds, parts, pin
from tests.helpers import free_port

AIM = 1.1
MANY = 1000
SECONDS = 2
CONNECTIONS = 32
_WRK = """
function done(summary)
  local e = summary.errors
  io.write(string.format("\\nRESULT %d %d\\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
"""
Load = Callable[[peers.Proxy, int], Awaitable[int]]
"""Puts load on a proxy for so many seconds; how many requests or messages it carried."""


async def measure(rounds: int) -> list[Section]:
    """Each proxy in turn, in each round in another order, alone on the first core; all else is on the others."""
    await asyncio.to_thread(parts, "wrk", "nginx")
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        home = Path(folder)
        async with _apart() as first, peers.small_site(home) as site, _echo() as echo:
            script = home / "wrk.lua"
            script.write_text(_WRK)
            small, big = _requests(script, "/"), _requests(script, "/big")
            lines = [
                await _line("a request, 1 route", home, site, 1, small, rounds, first),
                await _line(f"a request, {MANY:,} routes", home, site, MANY, small, rounds, first),
                await _line("an answer of 1 MiB", home, site, 1, big, rounds, first),
                await _line("a WebSocket message and its echo", home, echo, 1, _messages, rounds, first),
            ]
    names = list(peers.PROXIES)
    head = ("CPU of the proxy, in µs, for", *names[:2], "ratio", "aim", *names[2:], "n")
    return [Section("Gateway and other proxies", table(head, lines), _NOTE)]


_NOTE = f"""
CPU of the proxy's process for each request, user and kernel: p50 of the rounds. All have the same upstream (nginx; for
WebSockets an echo in Python). They are asked in turn, {SECONDS} s a round over {CONNECTIONS} connections; the one that
is asked is alone on one core, and load and upstream have the others. The baseline is the same Envoy binary with as many
threads, a static table of virtual hosts and clusters, and no filter but the router.
"""


async def _line(
    name: str, home: Path, upstream: Upstream, routes: int, load: Load, rounds: int, first: set[int]
) -> tuple[str, ...]:
    costs: dict[str, list[float]] = {kind: [] for kind in peers.PROXIES}
    async with AsyncExitStack() as stack:
        running = {
            kind: await stack.enter_async_context(start(home, upstream, routes))
            for kind, start in peers.PROXIES.items()
        }
        for proxy in running.values():
            pin(proxy.pid, first)
            await load(proxy, 1)  # the first is not counted: pools fill, and Node compiles
        order = list(running)
        for number in range(rounds):
            turn = number % len(order)
            for kind in order[turn:] + order[:turn]:
                costs[kind].append(await _cost(running[kind], load))
    ours, bare, *others = (Samples(kind, tuple(costs[kind]), "µs") for kind in costs)
    ratio = ours.at(50) / bare.at(50)
    return (
        name,
        *(samples.text(50) for samples in (ours, bare)),
        f"{ratio:.2f}",
        f"≤ {AIM:g}: {verdict(ratio <= AIM)}",
        *(samples.text(50) for samples in others),
        str(rounds),
    )


async def _cost(proxy: peers.Proxy, load: Load) -> float:
    """Microseconds of CPU for each."""
    before = cpu_seconds(proxy.pid)
    carried = await load(proxy, SECONDS)
    return (cpu_seconds(proxy.pid) - before) * 1e6 / carried


def _requests(script: Path, path: str) -> Load:
    async def load(proxy: peers.Proxy, seconds: int) -> int:
        address, name = f"http://127.0.0.1:{proxy.port}{path}", f"Host: {peers.host(0)}"
        words = ("-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "-s", str(script), "-H", name, address)
        out = await _output("wrk", *words)
        requests, errors = (int(word) for word in out.rpartition("RESULT ")[2].split())
        assert requests, out
        assert not errors, out
        return requests

    return load


async def _messages(proxy: peers.Proxy, seconds: int) -> int:
    words = ("-m", "scripts.bench.sockets", "ask", str(proxy.port), peers.host(0), str(seconds))
    return int(await _output(sys.executable, *words))


async def _output(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, f"{words[0]} failed"
    return out.decode()


@asynccontextmanager
async def _echo() -> AsyncIterator[Upstream]:
    port = free_port()
    words = ("-m", "scripts.bench.sockets", "serve", str(port))
    async with peers.process(port, sys.executable, *words):
        yield Upstream(host="127.0.0.1", port=port)


@asynccontextmanager
async def _apart() -> AsyncIterator[set[int]]:
    """Keeps us and what we start off the first core, which it yields for proxies; with one core all share it."""
    cores = os.sched_getaffinity(0)
    first = {min(cores)}
    os.sched_setaffinity(0, cores - first or first)
    try:
        yield first
    finally:
        os.sched_setaffinity(0, cores)
