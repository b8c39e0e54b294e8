"""What depends on the engine, at the terminal: its limits and its GPUs; a fake one behind the real door."""

import asyncio
from pathlib import Path

import pytest

from core.engines.fake import FakeEngine
from core.model import Gpu, PodSpec
from tests.cli.conftest import Command
from tests.cli.desk import Said
from tests.helpers import free_port
from tests.houses import REMARK, LimitedEngine, fake_house
from tests.mcp_server.conftest import TOKEN, serving


async def typed(command: Command, data_dir: Path, engine: FakeEngine, *lines: str) -> list[Said]:
    """How each of these commands ends at a service on this engine."""
    async with fake_house(data_dir, engine=engine) as home, serving(home, free_port()) as served:
        where = {"PODKEEPER_URL": served.url, "PODKEEPER_TOKEN": TOKEN}
        return [await asyncio.to_thread(command, *line.split(), **where) for line in lines]


async def test_the_engines_limits_are_told_with_a_start(command: Command, tmp_path: Path) -> None:
    engine = LimitedEngine()
    started, shown, document, stopped, resumed = await typed(
        command, tmp_path / "house", engine, "pod start hello", "pod show hello-1", "pod show hello-1 --json",
        "pod stop hello-1", "pod resume hello-1",
    )  # fmt: skip
    for said in (started, resumed):
        assert (said.code, said.out.count("\n")) == (0, 1), said.err
        assert said.err.endswith(f"\n{REMARK}\n")
    assert f"remark          {REMARK}" in shown.out
    assert document.document["remark"] == REMARK
    assert REMARK not in stopped.err


async def test_of_an_engine_without_limits_nothing_is_told(command: Command, tmp_path: Path) -> None:
    started, shown = await typed(command, tmp_path / "house", FakeEngine(), "pod start hello", "pod show hello-1")
    assert started.err.endswith("Stop it now with `podkeeper pod stop hello-1`.\n")
    assert "remark" not in shown.out


@pytest.mark.parametrize(
    ("gpu", "words"),
    [("A100,L40S", ""), ("A100,L40S:2", "this engine has 1 × NVIDIA L40S"), ("A100;L40S", "is not a GPU request")],
)
async def test_of_several_kinds_of_gpu_the_first_to_be_had_is_taken(
    command: Command, tmp_path: Path, gpu: str, words: str
) -> None:
    engine = FakeEngine(gpus=[Gpu(uuid="GPU-0", type="NVIDIA L40S", memory=48 << 30)])
    [said] = await typed(command, tmp_path / "house", engine, f"pod start hello --gpu {gpu} --json")
    if words:
        assert words in said.err
    else:
        assert (said.document["status"], said.document["gpu"]) == ("RUNNING", gpu)


async def test_what_it_costs_is_told_with_a_start(command: Command, tmp_path: Path) -> None:
    class Priced(FakeEngine):
        async def fit(self, spec: PodSpec) -> PodSpec:
            return (await super().fit(spec)).model_copy(update={"price_per_hour": 0.43})

    started, shown = await typed(command, tmp_path / "house", Priced(), "pod start hello", "pod show hello-1")
    assert "\nIt costs $0.43 an hour. It stops by itself after 30m without traffic." in started.err
    assert "price per hour  0.43" in shown.out
