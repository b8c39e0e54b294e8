"""The catalog of RunPod's API: what there is, at which price, and how much of it now."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

import api
from core.engines.fake import FakeEngine
from core.engines.offers import Availability, CpuOffer, GpuOffer, Offers, of_devices
from core.model import Gpu
from tests.api.conftest import TOKEN, Door
from tests.houses import FakeHouse, fake_house

NOW = "include=AVAILABILITY&product=POD"


async def test_it_tells_what_there_is(door: Door) -> None:
    [gpu] = (await door.get("/catalog/gpus"))["gpus"]
    assert (gpu["id"], gpu["name"], gpu["memory"], gpu["maxCount"]["secure"]) == ("NVIDIA L4", "L4", 24, 2)
    assert "availability" not in gpu
    assert await door.get(f"/catalog/gpus/{gpu['id']}") == gpu
    [cpu] = (await door.get("/catalog/cpus"))["cpus"]
    assert (cpu["id"], cpu["vcpu"]) == ("cpu", {"min": 2, "max": 64})
    assert [one["id"] for one in (await door.get("/catalog/datacenters"))["dataCenters"]] == ["LOCAL"]
    for path in ("/catalog/gpus/none", "/catalog/cpus/cpu5c", "/catalog/datacenters/US-TX-3"):
        assert "There is: " in (await door.refused(404, "GET", path))["detail"]


async def levels(door: Door, query: str = "") -> list[str]:
    return [one["availability"] for one in (await door.get(f"/catalog/gpus?{NOW}{query}"))["gpus"]]


async def test_what_pods_hold_is_not_available(door: Door, home: FakeHouse) -> None:
    assert await levels(door) == ["HIGH"]
    assert await levels(door, "&count=3") == ["NONE"]
    pod = await home.started(gpu="L4")
    assert await levels(door) == ["LOW"]
    assert await levels(door, "&count=2") == ["NONE"]
    [place] = (await door.get("/catalog/datacenters?include=GPU_AVAILABILITY,CPU_AVAILABILITY"))["dataCenters"]
    assert [one["availability"] for one in place["gpuAvailability"]] == ["LOW"]
    assert [one["id"] for one in place["cpuAvailability"]] == ["cpu"]
    await home.pods.terminate(await home.local(), pod.id)
    await home.after(pod)
    assert await levels(door) == ["HIGH"]


@pytest.mark.parametrize("query", ["&cloud=COMMUNITY", "&cudaVersions=12.8", "&minCudaVersion=12"])
async def test_what_this_machine_has_not_is_not_available(door: Door, query: str) -> None:
    assert await levels(door, query) == ["NONE"]


async def test_a_country_has_none_since_nobody_knows_where_this_is(door: Door) -> None:
    assert await levels(door, "&countryCodes=FR") == []
    one = await door.get(f"/catalog/gpus/NVIDIA L4?{NOW}&countryCodes=FR")
    assert one["availability"] == "NONE"
    assert "dataCenters" not in one


async def test_there_is_nothing_but_pods(door: Door) -> None:
    for path in ("gpus", "cpus"):
        [one] = (await door.get(f"/catalog/{path}?include=AVAILABILITY&product=SERVERLESS"))[path]
        assert one["availability"] == "NONE"


@pytest.mark.parametrize(
    "query",
    [
        "include=AVAILABILITY",
        "product=POD",
        "count=2",
        "cloud=SECURE",
        "countryCodes=FR",
        f"{NOW}&cudaVersions=12.8&minCudaVersion=12",
    ],
)
async def test_availability_and_what_belongs_to_it_come_together(door: Door, query: str) -> None:
    await door.refused(400, "GET", f"/catalog/gpus?{query}")
    await door.refused(400, "GET", f"/catalog/gpus/NVIDIA L4?{query}")


async def test_vcpus_come_in_powers_of_two(door: Door) -> None:
    assert "power of two" in (await door.refused(400, "GET", f"/catalog/cpus?{NOW}&vcpuCount=6"))["detail"]
    [cpu] = (await door.get(f"/catalog/cpus?{NOW}&vcpuCount=64"))["cpus"]
    assert cpu["dataCenters"][0]["id"] == "LOCAL"
    [cpu] = (await door.get(f"/catalog/cpus?{NOW}&vcpuCount=128"))["cpus"]
    assert cpu["availability"] == "NONE"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("regions=EUROPE", 0),
        ("networkVolumeTypes=STANDARD", 1),
        ("networkVolumeTypes=STANDARD,HIGH_PERFORMANCE", 0),
        ("compliance=GDPR", 0),
        ("globalNetwork=true", 0),
        ("globalNetwork=false", 1),
    ],
)
async def test_places_are_filtered(door: Door, query: str, count: int) -> None:
    assert len((await door.get(f"/catalog/datacenters?{query}"))["dataCenters"]) == count


class Cloud(FakeEngine):
    """An engine that finds a device for each start, and says at which price."""

    features = FakeEngine.features.model_copy(update={"devices": False})

    async def offers(self) -> Offers:
        card = GpuOffer(type="AMD Instinct MI300X", name="MI300X", memory=192 * 1024**3, most=8, price_per_hour=2.5)
        return Offers(gpus=(card,), cpu=CpuOffer(most=31, price_per_hour=0.04, availability=Availability.MEDIUM))


async def test_an_engine_with_prices_tells_them(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=Cloud()) as home:
        app = Starlette(routes=api.face(home.house.services, TOKEN))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pods.test") as http:
            door = Door(http, TOKEN)
            [gpu] = (await door.get(f"/catalog/gpus?{NOW}"))["gpus"]
            assert (gpu["manufacturer"], gpu["price"]["secure"], gpu["availability"]) == ("AMD", 2.5, "LOW")
            [cpu] = (await door.get(f"/catalog/cpus?{NOW}"))["cpus"]
            assert (cpu["vcpu"]["max"], cpu["price"]["securePerVcpu"]) == (16, 0.04)
            assert cpu["availability"] == "MEDIUM"


@pytest.mark.parametrize(
    ("devices", "taken", "count", "told"),
    [(4, 0, 1, "HIGH"), (4, 1, 1, "MEDIUM"), (4, 3, 1, "LOW"), (4, 4, 1, "NONE"), (4, 1, 2, "LOW"), (1, 0, 1, "HIGH")],
)
def test_the_level_says_how_many_are_free(devices: int, taken: int, count: int, told: str) -> None:
    cards = [Gpu(uuid=f"GPU-{n}", type="NVIDIA GeForce RTX 4090", memory=24 * 1024**3) for n in range(devices)]
    [offer] = of_devices(cards, {card.uuid for card in cards[:taken]}, count)
    assert (offer.availability, offer.most, offer.name) == (told, devices, "RTX 4090")
