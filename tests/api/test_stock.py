"""What is beside pods in RunPod's API, what we have not got, and what we say of ourselves."""

import httpx
import pytest

from api.contract import published
from core.model import Credential
from tests.api.conftest import PUBLISHED, Door
from tests.houses import FakeHouse


async def test_templates_are_listed_and_cannot_be_changed_from_here(door: Door, home: FakeHouse) -> None:
    known = {one["id"]: one for one in (await door.get("/templates"))["templates"]}
    assert set(known) == {template.name for template in home.house.services.templates.list()}
    assert (await door.get("/templates/jupyter"))["env"]["JUPYTER_TOKEN"] == ""
    assert (await door.get("/catalog/templates?source=official"))["templates"]
    await door.refused(404, "GET", "/templates/none")
    for verb, path in (("POST", "/templates"), ("PATCH", "/templates/hello"), ("DELETE", "/templates/hello")):
        assert "PODKEEPER_TEMPLATES_DIR" in (await door.refused(405, verb, path, {}))["detail"]


async def test_the_catalog_tells_what_there_is(door: Door) -> None:
    [gpu] = (await door.get("/catalog/gpus"))["gpus"]
    assert gpu["maxCount"]["secure"] == 2
    assert await door.get(f"/catalog/gpus/{gpu['id']}") == gpu
    assert [one["id"] for one in (await door.get("/catalog/cpus"))["cpus"]] == ["cpu"]
    assert [one["id"] for one in (await door.get("/catalog/datacenters"))["dataCenters"]] == ["LOCAL"]
    for path in ("/catalog/gpus/none", "/catalog/cpus/cpu5c", "/catalog/datacenters/US-TX-3"):
        assert "There is: " in (await door.refused(404, "GET", path))["detail"]


async def test_stored_credentials_are_named_without_their_secrets(door: Door, home: FakeHouse) -> None:
    await home.house.services.registries.save(Credential(host="ghcr.io", username="ann", secret="s3cret"))
    answer = await door.ask("GET", "/registries")
    assert answer.json() == {"registries": [{"id": "ghcr.io", "name": "ghcr.io"}]}
    await door.get("/registries/ghcr.io")
    said = await door.refused(405, "POST", "/registries", {"name": "x", "username": "u", "password": "p4ss"})
    assert "podkeeper registry add" in said["detail"]
    assert "p4ss" not in str(said)


@pytest.mark.parametrize(
    "path",
    [
        "/pods?includeClusterPods=maybe",
        "/catalog/cpus?vcpuCount=1",
        "/catalog/gpus?include=ELSE",
        "/catalog/gpus?count=x",
        "/catalog/templates?source=mine",
        "/catalog/datacenters?globalNetwork=null",
    ],
)
async def test_parameters_that_are_not_as_the_contract_has_them_are_named(door: Door, path: str) -> None:
    name = path.partition("?")[2].partition("=")[0]
    assert f"query {name}: " in (await door.refused(422, "GET", path))["errors"][0]


@pytest.mark.parametrize(
    "path", ["/account/ssh-keys", "/billing", "/billing/pods", "/serverless/x", "/endpoints", "/clusters/1/pods"]
)
async def test_what_we_have_not_got_is_named(door: Door, path: str) -> None:
    said = await door.refused(501, "GET", path)
    assert path.split("/")[1] in said["detail"]


async def test_unknown_paths_and_verbs_are_refused_as_problems(door: Door) -> None:
    for path in ("/nothing", "/no%0Athing", "/pods/x/y"):
        await door.refused(404, "GET", path)
    await door.refused(405, "PUT", "/pods")


async def test_our_document_is_the_published_one_for_what_we_serve(http: httpx.AsyncClient) -> None:
    said = (await http.get("/v2/openapi.json")).json()
    assert said["servers"] == [{"url": "http://pods.test"}]
    for path, verbs in said["paths"].items():
        assert verbs
        for verb, told in verbs.items():
            assert told == PUBLISHED["paths"][path][verb]
    for kind, parts in published()["components"].items():
        for name, part in parts.items():
            assert part == PUBLISHED["components"][kind][name]
    assert "/v2/billing" not in said["paths"]
    assert "post" not in said["paths"]["/v2/templates"], "what is refused is not described"


async def test_the_page_for_people_lists_every_path(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v2/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    for path in published()["paths"]:
        assert f"<code>{path}</code>" in answer.text
