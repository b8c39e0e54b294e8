"""Network volumes and registry credentials at RunPod: made once, found by their marks, and no secret in any name."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from core.engines.runpod import Account, Pace, RunPodEngine
from core.errors import Conflict, InvalidInput
from core.model import Credential, GpuRequest, Pod
from tests.core.engines.orders import make_pod, make_volume, order_of

INSTALLATION = "0123456789ab"
PACE = Pace(looks=0.01, stale=0.01, retry=0.001, timeout=0.5, searches=2)
SECRET = "the-password"


class Server:
    """What an account keeps; `lose`: the next create is carried out, and its answer is lost."""

    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {"network-volumes": [], "registries": [], "pods": []}
        self.sent: list[dict[str, Any]] = []
        self.lose = False
        self.refuse: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        kind, _, one = request.url.path.removeprefix("/v2/").partition("/")
        known = self.kept[kind]
        if self.refuse is not None:
            return httpx.Response(self.refuse, json={"title": "no", "detail": "in use"})
        if request.method == "GET" and one:
            found = [item for item in known if item["id"] == one]
            return httpx.Response(200, json=found[0]) if found else httpx.Response(404)
        if request.method == "GET":
            return httpx.Response(200, json={"networkVolumes" if kind == "network-volumes" else kind: known})
        if request.method == "DELETE":
            known[:] = [item for item in known if item["id"] != one]
            return httpx.Response(204)
        body = json.loads(request.content)
        self.sent.append(body)
        if request.method == "PATCH":
            next(item for item in known if item["id"] == one).update(body)
            return httpx.Response(200, json={"id": one, "name": "x"})
        made = {"id": f"{kind}-{len(self.sent)}", "name": body["name"], "status": "RUNNING", "runtime": {}}
        known.append(made | ({"gpu": body["gpu"]} if "gpu" in body else {}))
        if self.lose:
            self.lose = False
            raise httpx.ReadError("lost", request=request)
        return httpx.Response(201, json=known[-1])


@asynccontextmanager
async def engine(server: Server, **account: Any) -> AsyncIterator[RunPodEngine]:
    """One whose account is that."""
    made = RunPodEngine(
        Account(key="k", **({"data_centers": ("EU-RO-1",)} | account)), pace=PACE, transport=httpx.MockTransport(server)
    )
    await made.open(INSTALLATION)
    yield made
    await made.close()


async def test_a_volume_is_made_once_however_often_it_is_asked_for() -> None:
    server, volume = Server(), make_volume()
    async with engine(server) as here:
        for _ in range(2):
            await here.create_volume(volume)
    [sent] = server.sent
    assert sent == {"name": f"data-pk-{volume.id}-{INSTALLATION}", "size": 10, "dataCenter": "EU-RO-1"}


async def test_a_volume_grows_in_whole_gb_up_to_what_runpod_has() -> None:
    server, volume = Server(), make_volume()
    async with engine(server) as here:
        await here.create_volume(volume)
        await here.grow_volume(volume.model_copy(update={"size": 20 * 1024**3 + 1}))
        assert server.sent[-1] == {"size": 21}
        with pytest.raises(InvalidInput, match="4096 GB"):
            await here.grow_volume(volume.model_copy(update={"size": 5000 * 1024**3}))
    assert server.kept["network-volumes"][0]["size"] == 21


async def test_a_volume_whose_creation_was_not_answered_is_found_by_its_mark() -> None:
    server, volume = Server(), make_volume()
    server.lose = True
    async with engine(server) as here:
        await here.create_volume(volume)
        await here.create_volume(volume)
        assert len(server.sent) == 1
        await here.delete_volume(volume)
    assert server.kept["network-volumes"] == []


@pytest.mark.parametrize(
    ("size", "centers", "words"),
    [
        (None, ("EU-RO-1",), "10 to 4096 GB"),
        (1024, ("EU-RO-1",), "10 to 4096 GB"),
        (5000 * 1024**3, ("EU-RO-1",), "10 to 4096 GB"),
        (20 * 1024**3, (), "RUNPOD_DATA_CENTERS"),
    ],
)
async def test_a_volume_that_runpod_has_not_is_refused_before_anything_is_charged(
    size: int | None, centers: tuple[str, ...], words: str
) -> None:
    server = Server()
    async with engine(server, data_centers=centers) as here:
        with pytest.raises(InvalidInput, match="Nothing was created") as error:
            await here.create_volume(make_volume().model_copy(update={"size": size}))
    assert words in str(error.value)
    assert server.sent == []


@pytest.mark.parametrize("status", [400, 409])
async def test_a_volume_that_is_in_use_is_kept(status: int) -> None:
    server, volume = Server(), make_volume()
    async with engine(server) as here:
        await here.create_volume(volume)
        known = list(server.kept["network-volumes"])

        class Refusing(Server):
            def __call__(self, request: httpx.Request) -> httpx.Response:
                if request.method == "DELETE":
                    return httpx.Response(status, json={"title": "no", "detail": "a pod has it"})
                return super().__call__(request)

        other = Refusing()
        other.kept["network-volumes"] = known
        async with engine(other) as there:
            with pytest.raises(Conflict, match="still mounted"):
                await there.delete_volume(volume)
    assert known


async def test_a_strangers_volume_is_never_deleted() -> None:
    server, volume = Server(), make_volume()
    server.kept["network-volumes"] = [
        {"id": "theirs", "name": f"data-pk-{volume.id}-ba9876543210"},
        {"id": "plain", "name": volume.id},
    ]
    async with engine(server) as here:
        await here.delete_volume(volume)
    assert len(server.kept["network-volumes"]) == 2


async def test_an_images_credential_is_stored_once_and_named_in_the_create() -> None:
    server = Server()
    credential = Credential(host="ghcr.io", username="me", secret=SECRET)
    async with engine(server) as here:
        for _ in range(2):
            order = order_of(here, make_pod("ghcr.io/us/app:1"), credential=credential)
            async for _step in here.start(order.model_copy(update={"pod": _with_gpu(order.pod)})):
                pass
        changed = credential.model_copy(update={"secret": "another"})
        async for _step in here.start(order_of(here, _with_gpu(make_pod("ghcr.io/us/app:1")), credential=changed)):
            pass
    stored = [body for body in server.sent if "password" in body]
    assert [(body["username"], body["password"]) for body in stored] == [("me", SECRET), ("me", "another")]
    assert not [body["name"] for body in stored if SECRET in body["name"] or "me" in body["name"].split("-")]
    used = [body["registry"] for body in server.sent if "image" in body]
    assert used == ["registries-1", "registries-1", "registries-4"]


def _with_gpu(pod: Pod) -> Pod:
    """No catalog is asked for its size."""
    return pod.model_copy(update={"spec": pod.spec.model_copy(update={"gpu": GpuRequest(type="NVIDIA L4")})})
