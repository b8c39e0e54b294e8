"""What the front desk says where the engine is RunPod: the doctor, and the banner of `podkeeper up`."""

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

import api
from cli.banner import banner
from cli.checks import Check
from cli.doctor import examine
from cli.serve import Faces
from core.settings import Settings
from tests.e2e.parts import TOKEN
from tests.helpers import free_port
from tests.houses import fake_house
from tests.web import served


async def _looked(folder: Path, url: str, key: str) -> dict[str, Check]:
    given: dict[str, Any] = {"engine": "runpod", "runpod_api_key": key, "runpod_api_base_url": url}
    ports = {"listen": ("127.0.0.1", free_port()), "gateway_listen": ("127.0.0.1", free_port())}
    return {check.name: check for check in await examine(Settings(data_dir=folder / "data", **ports, **given))}


async def test_the_doctor_asks_runpod_whether_it_knows_the_key(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "theirs") as there:
        await there.started()
        async with served(Starlette(routes=api.face(there.house.services, TOKEN))) as url:
            good = await _looked(tmp_path, url, TOKEN)
            refused = await _looked(tmp_path, url, "another")
        away = await _looked(tmp_path, url, TOKEN)
    assert (good["engine"].ok, good["engine"].text.startswith(f"RunPod at {url}, 1 pod")) == (True, True)
    assert "Docker" not in " ".join(check.text for check in good.values())
    assert "addresses of RunPod's" in good["TCP ports"].text
    assert refused["engine"].line() == (
        "✗ engine: RunPod does not accept the key in RUNPOD_API_KEY. Make a new one in RunPod's settings."
    )
    assert "another" not in " ".join(check.text for check in refused.values())
    assert (away["engine"].ok, f"RunPod does not answer properly at {url}" in away["engine"].text) == (False, True)


async def test_the_banner_says_that_pods_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "k")
    for engine, costs in (("docker", False), ("runpod", True)):
        monkeypatch.setenv("PODKEEPER_ENGINE", engine)
        async with fake_house(tmp_path / engine) as home:
            said = await banner(home.house, home.house.settings, Faces(home.house, "pk_x"))
        assert ("RunPod charges for it while it runs" in said) is costs
        assert "Docker" not in said
