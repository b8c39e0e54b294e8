"""The bench's abandoned sessions: memory of the MCP face idle, with many sessions that nobody ended, and afterwards.

`python -m scripts.bench.sessions SETTINGS` is its service, started by `apart`.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from scripts.bench.apart import apart, stay
from scripts.bench.figures import Section, table
from scripts.bench.machine import resident
from tests.helpers import free_port, until
from tests.houses import fake_house
from tests.mcp_server.conftest import TOKEN, serving

AT_ONCE = 20
IDLE = "15s"
_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "forgetful", "version": "1"},
    },
}
_NOTE = f"""
Resident memory of a service's process with the MCP face alone, engine and gateway faked. Each session is a handshake of
2025-11-25 that is never ended; clients of 2026-07-28 leave none. The idle timeout is {IDLE} here (30m by default), and
the memory is read once the last session answers 404. Python keeps what it has got from the system for the next ones,
which the last line shows.
"""


async def measure(sessions: int) -> list[Section]:
    """One service; two rounds of sessions."""
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        async with (
            apart("scripts.bench.sessions", {"folder": folder}) as service,
            httpx2.AsyncClient(trust_env=False, timeout=30, headers=_headers()) as http,
        ):
            await _abandoned(http, service.url, AT_ONCE)  # what is loaded and kept at the first use
            idle = resident(service.pid)
            found = {"idle": idle}
            for times in ("", " again"):
                last = await _abandoned(http, service.url, sessions)
                found[f"with {sessions:,} abandoned sessions{times}"] = resident(service.pid)
                await until(lambda last=last: _forgotten(http, service.url, last), timeout=60)
                found[f"once they have expired{times}"] = resident(service.pid)
    lines = [(name, f"{size / 2**20:,.0f}", f"{size / idle:.2f}") for name, size in found.items()]
    return [Section("Memory with MCP", table(("the service", "MiB", "ratio"), lines), _NOTE)]


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}


async def _abandoned(http: httpx2.AsyncClient, url: str, sessions: int) -> str:
    """Open so many; the id of the last."""
    last = ""
    for _ in range(sessions // AT_ONCE):
        answers = await asyncio.gather(*(http.post(f"{url}/mcp", json=_HELLO) for _ in range(AT_ONCE)))
        assert all(answer.status_code == 200 for answer in answers), answers
        last = answers[-1].headers["mcp-session-id"]
    return last


async def _forgotten(http: httpx2.AsyncClient, url: str, session: str) -> bool:
    """Whether the session is gone. Asked seldom: being asked keeps a session alive."""
    await asyncio.sleep(20)
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    answer = await http.post(f"{url}/mcp", json=ping, headers={"Mcp-Session-Id": session})
    return answer.status_code == 404


async def _main(given: dict[str, Any]) -> None:
    async with fake_house(Path(given["folder"]), mcp_idle_timeout=IDLE) as home, serving(home, free_port()) as place:
        await stay(place.url)


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
