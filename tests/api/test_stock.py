"""What is beside pods in RunPod's API, what we have not got, and what we say of ourselves."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

import api
from api.contract import published
from core.model import Credential, Scope, Volume
from tests.api.conftest import CPU, PUBLISHED, TOKEN, Door, token_of
from tests.houses import FakeHouse


async def test_stored_credentials_are_named_without_their_secrets(door: Door, home: FakeHouse) -> None:
    await home.house.services.registries.save(Credential(host="ghcr.io", username="ann", secret="s3cret"))
    answer = await door.ask("GET", "/registries")
    assert answer.json() == {"registries": [{"id": "ghcr.io", "name": "ghcr.io"}]}
    assert await door.get("/registries/ghcr.io") == {"id": "ghcr.io", "name": "ghcr.io"}
    assert await door.get("/registries/GHCR.io") == {"id": "ghcr.io", "name": "ghcr.io"}
    await door.refused(404, "GET", "/registries/quay.io")


LOGIN = {"name": "https://GHCR.io/", "username": "u", "password": "p4ss"}


async def test_an_admin_stores_and_deletes_credentials_by_their_host(door: Door, home: FakeHouse) -> None:
    answer = await door.ask("POST", "/registries", LOGIN)
    assert (answer.status_code, answer.json()) == (201, {"id": "ghcr.io", "name": "ghcr.io"})
    assert "p4ss" not in answer.text
    for secret in ("p4ss", "new"):
        assert (await door.ask("POST", "/registries", LOGIN | {"password": secret})).status_code == 201
        pod = await door.ask("POST", "/pods", {"name": secret, "image": "ghcr.io/acme/app:1", "cpu": CPU})
        await home.pods.settled(await home.local(), pod.json()["id"], 10)
        assert home.engine.orders[-1].credential == Credential(host="ghcr.io", username="u", secret=secret)
    assert (await door.ask("DELETE", "/registries/ghcr.io")).status_code == 204
    await door.refused(404, "DELETE", "/registries/ghcr.io")


async def test_a_credential_may_be_named_where_it_is_used_anyway(door: Door) -> None:
    made = (await door.ask("POST", "/registries", LOGIN)).json()
    private = {"name": "x", "image": "ghcr.io/acme/app:1", "cpu": CPU}
    plain = await door.made(image="redis:7")
    assert plain["registry"] is None
    for named in (made["id"], "GHCR.io", None):
        pod = (await door.ask("POST", "/pods", private | {"registry": named})).json()
        assert pod["registry"] == made["id"]
    assert (await door.get(f"/pods/{pod['id']}"))["registry"] == made["id"]
    shown = {one["id"]: one["registry"] for one in (await door.get("/pods"))["pods"]}
    assert (shown[pod["id"]], shown[plain["id"]]) == (made["id"], None)
    saved = {"name": "t", "image": private["image"], "registry": made["id"]}
    template = (await door.ask("POST", "/templates", saved)).json()
    assert template["registry"] == made["id"]
    assert {"registry": made["id"]}.items() <= (await door.get(f"/templates/{template['id']}")).items()

    await door.refused(400, "POST", "/templates", {"name": "u", "image": "", "registry": None})

    for verb, path, body in (
        ("POST", "/pods", private | {"image": "redis:7"}),
        ("POST", "/pods", {"name": "x", "templateId": "hello", "cpu": CPU}),
        ("PATCH", f"/pods/{plain['id']}", {}),
        ("POST", "/templates", {"name": "u", "image": "redis:7"}),
        ("PATCH", f"/templates/{template['id']}", {"image": "redis:7"}),
    ):
        assert "docker.io" in (await door.refused(400, verb, path, body | {"registry": made["id"]}))["detail"]
        unknown = await door.refused(404, verb, path, body | {"registry": "reg_1"})
        assert "There are: ghcr.io." in unknown["detail"]

    await door.ask("DELETE", f"/registries/{made['id']}")
    assert (await door.get(f"/pods/{pod['id']}"))["registry"] is None
    assert "None is stored" in (await door.refused(404, "POST", "/pods", private | {"registry": made["id"]}))["detail"]


@pytest.mark.parametrize("scope", [Scope.READ, Scope.OPERATE])
async def test_nobody_else_does(door: Door, home: FakeHouse, http: httpx.AsyncClient, scope: Scope) -> None:
    await door.ask("POST", "/registries", LOGIN)
    for who in (await home.member(), await home.local()):
        other = Door(http, await token_of(home, who, scope))
        assert "admin" in (await other.refused(403, "POST", "/registries", LOGIN | {"name": "quay.io"}))["detail"]
        await other.refused(403, "DELETE", "/registries/ghcr.io")
    assert [known.host for known in await home.house.services.registries.list()] == ["ghcr.io"]


async def test_a_credential_whose_name_is_no_host_is_refused_without_its_secret(door: Door) -> None:
    said = await door.refused(400, "POST", "/registries", LOGIN | {"name": "my private registry"})
    assert "ghcr.io" in said["detail"]
    assert "p4ss" not in str(said)


async def volume(door: Door, **other: Any) -> dict[str, Any]:
    made = await door.ask("POST", "/network-volumes", {"name": "data", "size": 20, "dataCenter": "LOCAL"} | other)
    assert made.status_code == 201, made.text
    return made.json()


async def test_a_network_volume_gets_larger_and_another_name(door: Door) -> None:
    made = await volume(door)
    changed = (await door.ask("PATCH", f"/network-volumes/{made['id']}", {"size": 50, "name": "More Data"})).json()
    assert changed == made | {"size": 50, "name": "more-data"}
    assert await door.get(f"/network-volumes/{made['id']}") == changed
    same = await door.ask("PATCH", f"/network-volumes/{made['id']}", {"size": 50})
    assert same.json() == changed


async def test_a_network_volume_never_gets_smaller_and_takes_no_name_of_another(door: Door) -> None:
    made = await volume(door)
    await volume(door, name="other")
    path = f"/network-volumes/{made['id']}"
    assert "20" in (await door.refused(400, "PATCH", path, {"size": 19}))["detail"]
    await door.refused(409, "PATCH", path, {"name": "other", "size": 30})
    await door.refused(400, "PATCH", path, {"name": "???"})
    await door.refused(422, "PATCH", path, {})
    await door.refused(404, "PATCH", "/network-volumes/none", {"size": 30})
    assert await door.get(path) == made


async def test_of_two_that_make_a_volume_larger_the_larger_one_stays(home: FakeHouse) -> None:
    me, volumes = await home.local(), home.house.services.volumes
    made = await volumes.create(me, "data", "20g")
    grows, go, waits = home.engine.grow_volume, asyncio.Event(), asyncio.Event()

    async def slow(volume: Volume) -> None:
        if not waits.is_set():
            waits.set()
            await go.wait()
        await grows(volume)

    home.engine.grow_volume = slow
    late = asyncio.create_task(volumes.change(me, made.id, size="50g"))
    await waits.wait()
    await volumes.change(me, made.id, name="renamed", size="100g")
    go.set()
    await late
    now = await volumes.get(me, made.id)
    assert (now.name, now.size) == ("renamed", 100 * 1024**3)


async def test_others_change_no_volume_but_their_own(door: Door, home: FakeHouse, http: httpx.AsyncClient) -> None:
    made = await volume(door)
    other = Door(http, await token_of(home, await home.member()))
    said = await other.refused(403, "PATCH", f"/network-volumes/{made['id']}", {"size": 30})
    assert "belongs to" in said["detail"]


async def test_a_volume_that_cannot_grow_keeps_its_size_in_the_row(door: Door, home: FakeHouse) -> None:
    made = await volume(door)
    home.engine.down = True
    await door.refused(503, "PATCH", f"/network-volumes/{made['id']}", {"size": 30})
    home.engine.down = False
    assert (await door.get(f"/network-volumes/{made['id']}"))["size"] == 20


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
    "path",
    [
        "/account/ssh-keys",
        "/registries/delegations",
        "/registries/delegations/x",
        "/billing",
        "/billing/pods",
        "/serverless/x",
        "/endpoints",
        "/clusters/1/pods",
    ],
)
async def test_what_we_have_not_got_is_named(door: Door, path: str) -> None:
    said = await door.refused(501, "GET", path)
    assert path.split("/")[1] in said["detail"]


async def test_unknown_paths_and_verbs_are_refused_as_problems(door: Door) -> None:
    for path in ("/nothing", "/no%0Athing", "/pods/x/y"):
        await door.refused(404, "GET", path)
    await door.refused(405, "PUT", "/pods")


async def test_it_answers_below_a_path_as_well(home: FakeHouse) -> None:
    app = Starlette(routes=api.face(home.house.services, TOKEN, "/pods/here/"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pods.test") as http:
        for below in ("", "/pods/here"):
            said = (await http.get(f"{below}/v2/openapi.json")).json()
            assert said["servers"] == [{"url": f"http://pods.test{below}"}]
            door = Door(http, TOKEN, below)
            assert (await door.get("/pods")) == {"pods": []}
            await door.refused(404, "GET", "/nothing")
            await door.refused(501, "GET", "/billing/pods")
        assert (await http.get("/elsewhere/v2/pods")).status_code == 404
        assert "There is no /v2/hubris;" in (await Door(http, TOKEN).refused(404, "GET", "/hubris"))["detail"]


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


async def test_the_page_for_people_lists_every_path(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v2/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    for path in published()["paths"]:
        assert f"<code>{path}</code>" in answer.text
