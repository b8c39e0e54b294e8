"""A pod that somebody made at the account, by its API, is taken in while the service runs; real containers."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.model import Pod, Status
from tests.e2e.parts import TOKEN, Place, RealHouse
from tests.helpers import until
from tests.parts import Images, docker
from tests.runpod.parts import two_houses


@pytest.fixture
async def places() -> AsyncIterator[tuple[Place, Place]]:
    """Of the first Podkeeper and of its account."""
    first, account = Place(), Place()
    try:
        yield first, account
    finally:
        await first.close()
        await account.close()


async def test_it_is_taken_in_as_it_runs_reached_stopped_for_idleness_resumed_and_terminated(
    places: tuple[Place, Place], busybox_image: Images
) -> None:
    first, account = places
    async with account.served() as theirs, two_houses(first, account) as home:
        there = await _made(theirs, account, busybox_image.web)
        container = docker("ps", "-q", "--filter", f"label=podkeeper.pod={there.id}")
        document = await _adopt(first, account, there.id)
        assert (document["name"], document["status"]) == ("by-hand", "PROVISIONING")
        pod = await home.pods.get(await home.me(), document["id"])
        await home.house.reconciler.tick(datetime.now(UTC))
        pod = await home.becomes(pod, Status.RUNNING, 30)
        assert docker("ps", "-q", "--filter", f"label=podkeeper.pod={there.id}") == container, "nothing restarted it"
        assert (await home.ask(pod)).text.strip() == there.id
        assert document["url"] == f"http://{pod.id}-8080.proxy.localhost:{first.site.port}"

        stopped = await home.becomes(pod, Status.EXITED, 60)
        assert "nobody used it for" in (stopped.reason or "")
        assert (await theirs.look(there)).status is Status.EXITED
        again = await home.resume(pod)
        assert again.status is Status.RUNNING, again
        assert (await home.ask(pod)).text.strip() == there.id
        assert (await home.terminate(again)).status is Status.TERMINATED
        assert (await theirs.pods.list(await theirs.me(), everyone=True)) == ()


async def _made(theirs: RealHouse, account: Place, image: str) -> Pod:
    """By the account's API, as somebody does who knows no Podkeeper."""
    body = {"name": "By hand", "image": image, "ports": ["8080/http"], "cpu": {"id": "cpu", "vcpuCount": 2}}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        made = (await client.post(f"{account.url}/v2/pods", json=body)).json()
    pod = await theirs.pods.get(await theirs.me(), made["id"])
    return await theirs.becomes(pod, Status.RUNNING, 60)


async def _adopt(first: Place, account: Place, ref: str) -> dict[str, Any]:
    """The command, as a program of its own beside the service; its document."""
    given: Mapping[str, str] = first.environment() | {
        "PODKEEPER_ENGINE": "runpod",
        "PODKEEPER_IDLE_TIMEOUT": "4s",
        "PODKEEPER_IDLE_WARNING": "0",
        "RUNPOD_API_KEY": TOKEN,
        "RUNPOD_API_BASE_URL": account.url,
        "RUNPOD_PROXY_URL": f"http://proxy.localhost:{account.site.port}",
    }

    async def run() -> dict[str, Any] | None:
        program = Path(sys.executable).with_name("podkeeper")
        pipe = asyncio.subprocess.PIPE
        words = ("adopt", ref, "--yes", "--json")
        process = await asyncio.create_subprocess_exec(program, *words, env=given, stdout=pipe, stderr=pipe)
        out, err = await process.communicate()
        if b"none of its web ports" in err:
            return None  # its container has only just begun
        assert process.returncode == 0, err.decode()
        return json.loads(out)

    found = await until(run, 30)
    assert found is not None
    return found
