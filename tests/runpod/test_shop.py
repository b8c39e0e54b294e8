"""What a spec becomes at RunPod, and what is refused before anything is charged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.engines.runpod import Account, Pace, RunPodEngine
from core.errors import InvalidInput, NoCapacity
from core.model import BusyAbove, GpuRequest, IdleRule, PodSpec, PortModel
from core.templates import Catalog

GB = 1024**3


def _gpu(name: str, price: float, memory: int, availability: str = "HIGH", most: int = 8) -> dict[str, Any]:
    return {
        "id": f"NVIDIA {name}",
        "name": name.removeprefix("GeForce ").removesuffix(" 80GB PCIe"),
        "memory": memory,
        "price": {"secure": price, "community": price / 2},
        "maxCount": {"secure": most, "community": 0 if name == "H200" else 2},
        "availability": availability,
    }


GPUS = [
    _gpu("GeForce RTX 4090", 0.69, 24),
    _gpu("A100 80GB PCIe", 1.64, 80, "LOW"),
    _gpu("A100-SXM4-80GB", 1.74, 80, "NONE"),
    _gpu("L40S", 0.86, 48, "MEDIUM"),
    _gpu("L4", 0.43, 24, most=2),
    _gpu("H200", 3.59, 141),
    _gpu("of a name, that (nobody) can say", 0.01, 1),
]
CPUS = [
    {"id": "cpu3c", "vcpu": {"min": 2, "max": 32}, "ramGbPerVcpu": 2, "price": {"securePerVcpu": 0.03}},
    {"id": "cpu3g", "vcpu": {"min": 2, "max": 32}, "ramGbPerVcpu": 4, "price": {"securePerVcpu": 0.04}},
    {"id": "cpu5m", "vcpu": {"min": 2, "max": 16}, "ramGbPerVcpu": 8, "price": {"securePerVcpu": 0.075}},
]


def _answer(request: httpx.Request) -> httpx.Response:
    kind = "gpus" if request.url.path.endswith("gpus") else "cpus"
    return httpx.Response(200, json={kind: GPUS if kind == "gpus" else CPUS})


@asynccontextmanager
async def engine(**account: Any) -> AsyncIterator[RunPodEngine]:
    """One whose catalog is above."""
    made = RunPodEngine(Account(key="k", **account), pace=Pace(), transport=httpx.MockTransport(_answer))
    await made.open("0123456789ab")
    yield made
    await made.close()


async def test_what_it_has_is_told_with_the_prices_of_the_accounts_cloud() -> None:
    async with engine(cloud="COMMUNITY") as here:
        offers = await here.offers()
    told = {offer.name: (offer.price_per_hour, offer.most, offer.availability) for offer in offers.gpus}
    assert told["RTX 4090"] == (0.345, 2, "HIGH")
    assert told["A100-SXM4-80GB"] == (0.87, 2, "NONE")
    assert set(told) == {"RTX 4090", "A100", "A100-SXM4-80GB", "L40S", "L4"}, "what can be asked for there"
    assert offers.cpu is not None
    assert (offers.cpu.most, offers.cpu.price_per_hour) == (32, 0.03)


def _spec(**keys: Any) -> PodSpec:
    given: dict[str, Any] = {
        "template": "web",
        "image": "docker.io/library/nginx",
        "cpu": 1,
        "memory": GB,
        "idle": IdleRule(timeout=timedelta(minutes=30)),
    }
    if isinstance(keys.get("gpu"), str):
        keys["gpu"] = GpuRequest.parse(keys["gpu"])
    return PodSpec(**(given | keys))


@pytest.mark.parametrize(
    ("asked", "found", "price"),
    [
        ("NVIDIA L40S", "NVIDIA L40S", 0.86),
        ("l40s", "NVIDIA L40S", 0.86),
        ("4090", "NVIDIA GeForce RTX 4090", 0.69),
        ("rtx 4090:2", "NVIDIA GeForce RTX 4090:2", 1.38),
        ("A100", "NVIDIA A100 80GB PCIe", 1.64),
        ("A100-SXM4", "NVIDIA A100-SXM4-80GB", 1.74),
        ("80GB", "NVIDIA A100 80GB PCIe,NVIDIA A100-SXM4-80GB", 1.74),
        ("H200,L40S", "NVIDIA H200,NVIDIA L40S", 3.59),
        ("L4,L40S:4", "NVIDIA L40S:4", 3.44),
        ("any", "NVIDIA L4,NVIDIA GeForce RTX 4090,NVIDIA L40S,NVIDIA A100 80GB PCIe", 1.64),
    ],
)
async def test_a_gpu_is_found_by_what_people_call_it(asked: str, found: str, price: float) -> None:
    async with engine() as here:
        spec = await here.fit(_spec(gpu=asked))
        assert str(spec.gpu) == found
        assert spec.price_per_hour == pytest.approx(price)
        assert await here.fit(spec) == spec


async def test_what_is_not_there_is_answered_with_the_nearest_its_price_and_whether_there_is_some() -> None:
    async with engine() as here:
        with pytest.raises(InvalidInput) as error:
            await here.fit(_spec(gpu="L40"))
        assert "RunPod has no 'L40'. Did you mean L40S (48 GB, $0.86 an hour, availability MEDIUM)" in str(error.value)
        with pytest.raises(InvalidInput, match=r"It has .*RTX 4090 \(24 GB, \$0\.69 an hour, availability HIGH\)"):
            await here.fit(_spec(gpu="zzzzzzzzz"))
        with pytest.raises(NoCapacity, match=r"at most 2 × L4 into one pod"):
            await here.fit(_spec(gpu="L4:8"))


async def test_in_the_community_cloud_its_prices_and_its_kinds_count() -> None:
    async with engine(cloud="COMMUNITY") as here:
        assert (await here.fit(_spec(gpu="L40S"))).price_per_hour == pytest.approx(0.43)
        with pytest.raises(InvalidInput, match="no 'H200'"):
            await here.fit(_spec(gpu="H200"))
        with pytest.raises(InvalidInput, match="SECURE cloud only"):
            await here.fit(_spec(gpu="L40S", network_volume="v"))


@pytest.mark.parametrize(
    ("cpu", "memory", "vcpus", "gigabytes", "price"),
    [(0.5, 1, 2, 4, 0.06), (2, 8, 2, 8, 0.08), (3, 1, 4, 8, 0.12), (1, 20, 4, 32, 0.3), (1, 100, 16, 128, 1.2)],
)
async def test_a_cpu_pod_is_the_cheapest_that_has_enough(
    cpu: float, memory: int, vcpus: int, gigabytes: int, price: float
) -> None:
    async with engine() as here:
        spec = await here.fit(_spec(cpu=cpu, memory=memory * GB))
        assert (spec.cpu, spec.memory, spec.price_per_hour) == (vcpus, gigabytes * GB, pytest.approx(price))
        assert await here.fit(spec) == spec
        with pytest.raises(NoCapacity, match=r"the most that RunPod has is 32 vCPUs with 128 GB"):
            await here.fit(_spec(cpu=64))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"ports": tuple(PortModel(number=n) for n in range(8000, 8011))}, "at most 10 web ports"),
        ({"env": {f"V{n}": "x" for n in range(60)}}, "at most 50 variables"),
        ({"volume": 20 * GB}, "no volume disk"),
        ({"image": "127.0.0.1:5000/mine:1"}, "cannot reach the registry 127.0.0.1:5000"),
        ({"image": "localhost/mine"}, "cannot reach the registry localhost"),
    ],
)
async def test_what_no_pod_at_runpod_can_have_is_refused_before_anything_is_charged(keys: Any, words: str) -> None:
    async with engine() as here:
        with pytest.raises(InvalidInput, match="Nothing was started and nothing is charged") as error:
            await here.fit(_spec(**keys))
        assert words in str(error.value)


async def test_a_second_witness_is_asked_unless_the_template_names_its_own() -> None:
    async with engine() as here:
        assert (await here.fit(_spec())).idle.busy_above == BusyAbove(cpu=0.2, gpu=0.05)
        own = IdleRule(timeout=timedelta(minutes=1), busy_above=BusyAbove(memory=0.9))
        assert (await here.fit(_spec(idle=own))).idle == own


async def test_a_small_volume_disk_is_as_large_as_runpods_smallest() -> None:
    async with engine() as here:
        assert (await here.fit(_spec(gpu="L4", volume=GB))).volume == 10 * GB
        assert (await here.fit(_spec(gpu="L4", volume=40 * GB))).volume == 40 * GB


async def test_every_built_in_template_fits_or_says_why_not() -> None:
    refused: dict[str, str] = {}
    async with engine() as here:
        for template in Catalog.load(None, timedelta(minutes=30), timedelta(minutes=5)).list():
            try:
                await here.fit(template.spec)
            except InvalidInput as error:
                refused[template.name] = str(error)
    assert {"hello", "vllm", "comfyui", "pytorch"}.isdisjoint(refused)
    assert all("Start it with a GPU" in words for words in refused.values())
