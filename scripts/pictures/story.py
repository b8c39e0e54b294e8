"""What happens in the pictures: a month in which pods rest whenever nobody uses them, and a day."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.engines.fake import FakeEngine, Script
from core.gateway.fake import FakeGateway
from core.model import Gpu, Pod
from tests.second_opinion.emulator import ANA, BOB, GENERAL, TEAM
from tests.second_opinion.stage import Stage
from tests.second_opinion.window import Seen

_TRAINING = """
name: training
description: PyTorch on one A100
image: registry.example.com/training:3
ports: ["8888/http"]
gpu: A100
cpu: 8
memory: 64g
volume: 200g
price_per_hour: 1.89
"""
_NOTEBOOK = """
name: notebook
description: JupyterLab
image: registry.example.com/notebook:3
ports: ["8888/http"]
cpu: 16
memory: 64g
volume: 50g
price_per_hour: 0.82
"""
_DOMAIN = "pods.example.com"
_MONTH = (
    ("finetune", 2, 9, 4.5),
    ("notes", 4, 8, 6),
    ("finetune", 5, 7, 9),
    ("finetune", 9, 8, 6.5),
    ("notes", 10, 9, 3),
    ("finetune", 12, 8, 8),
    ("finetune", 16, 8, 5),
    ("notes", 18, 9, 7),
    ("finetune", 19, 7, 7.5),
    ("finetune", 23, 8, 3),
)
"""Which pod was used on which day of November, from which hour on, for how many hours."""


def settings(folder: Path) -> dict[str, Any]:
    """Of the house in which it happens."""
    for name, text in (("training", _TRAINING), ("notebook", _NOTEBOOK)):
        (folder / f"{name}.yaml").write_text(text)
    return {"templates_dir": folder, "proxy_domain": _DOMAIN}


def engine() -> FakeEngine:
    """With two GPUs."""
    return FakeEngine(gpus=[Gpu(uuid=f"GPU-{n}", type="NVIDIA A100-SXM4-80GB", memory=80 << 30) for n in range(2)])


def gateway() -> FakeGateway:
    """With addresses as a Podkeeper has that everybody can reach."""
    return FakeGateway(_DOMAIN, ("https", ""))


async def month(stage: Stage) -> None:
    """Ana's pods by day; in the evening they are stopped for their silence."""
    ana = await stage.home.house.services.people.slack(TEAM, ANA, "ana")
    pods: dict[str, Pod] = {}
    for name, day, hour, hours in _MONTH:
        stage.home.clock.time = datetime(2026, 11, day, hour, tzinfo=UTC)
        if name not in pods:
            pods[name] = await stage.home.started(ana, "training" if name == "finetune" else "notebook", name=name)
        else:
            await stage.home.pods.resume(ana, pods[name].id)
            await stage.home.after(pods[name])
        stage.home.clock.forward(hours=hours)
        await _used(stage, pods[name])
        warning = await stage.warned()
        stage.home.clock.forward(minutes=5)
        await stage.home.tick()
        await stage.window.shows(warning, "was stopped")


async def morning(stage: Stage) -> tuple[Seen, Seen]:
    """Two starts in the channel: Ana's has come to its end, Bob's is still under way."""
    stage.home.clock.time = datetime(2026, 11, 24, 8, 40, tzinfo=UTC)
    done = await stage.started("/pod start training --name eval")
    stage.home.engine.scripts["registry.example.com/notebook:3"] = Script.SLOW_PULL
    under_way = await stage.begun("/pod start notebook --name demo", BOB)
    await stage.window.shows(under_way, "50 %")
    stage.home.clock.forward(seconds=40)
    # The time in a message moves on every 15 seconds, of the machine's own clock.
    await stage.window.until(lambda: "40s" in under_way.screen, "the time in the message", 30)
    return done, under_way


async def noon(stage: Stage) -> None:
    """Bob's has come to its end too, and Ana has worked with hers."""
    stage.home.engine.proceed.set()
    await stage.window.shows(stage.window.messages(GENERAL)[-1], "is running")
    stage.home.clock.time = datetime(2026, 11, 24, 11, 52, tzinfo=UTC)
    for pod in await stage.home.pods.list(await stage.home.local(), everyone=True):
        await _used(stage, pod)


async def _used(stage: Stage, pod: Pod) -> None:
    """Somebody has just visited it."""
    stage.home.gateway.count(pod.id, 8888, completed=1, succeeded=1)
    await stage.home.tick()
