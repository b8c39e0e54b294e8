"""The bench's door for RunPod's clients: a list of many pods, in time and in bytes, against an answer of one field."""

import asyncio
import tempfile
import time
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import api
from scripts.bench.figures import Row, Samples, Section
from tests.houses import fake_house
from tests.mcp_server.conftest import TOKEN
from tests.web import served

COUNTS = (10, 100, 1_000)
_NOTE = """
Over one kept connection, one call at a time, on SQLite, with engine and gateway faked; the list is whole, since the
contract of RunPod has no pages. {sizes}. The baseline is an application of the same framework that answers one field.
"""


async def measure(times: int) -> list[Section]:
    """Each count in turn with the empty answer."""
    rows: list[Row] = []
    sizes: list[str] = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
            async with fake_house(Path(folder), max_pods_per_user=count) as home:
                await asyncio.gather(*(home.started() for _ in range(count)))
                app = Starlette(routes=[*api.face(home.house.services, TOKEN), Route("/nothing", _nothing)])
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with served(app) as url, httpx.AsyncClient(trust_env=False, headers=headers) as http:
                    ours: list[float] = []
                    empty: list[float] = []
                    for _ in range(times):
                        ours.append(await _timed(http, f"{url}/v2/pods"))
                        empty.append(await _timed(http, f"{url}/nothing"))
                    size = len((await http.get(f"{url}/v2/pods")).content)
                what = Samples.of_seconds(f"`GET /v2/pods`, {count:,} pods", ours)
                rows.append(Row(what, Samples.of_seconds("an empty answer", empty)))
                sizes.append(f"{count:,} pods are {size:,} bytes")
    return [Section.of_rows("RunPod's API", rows, _NOTE.format(sizes=", ".join(sizes)))]


async def _timed(http: httpx.AsyncClient, url: str) -> float:
    begun = time.perf_counter()
    answer = await http.get(url)
    took = time.perf_counter() - begun
    assert answer.status_code == 200, answer.text
    return took


async def _nothing(_: Request) -> JSONResponse:
    return JSONResponse({"ok": True})
