"""Templates in RunPod's API: those that come with Podkeeper, and those that people save."""

from typing import Any

import httpx
import pytest

from core.errors import Conflict
from core.model import Scope
from tests.api.conftest import Door, token_of
from tests.houses import FakeHouse

RECIPE: dict[str, Any] = {
    "name": "My Torch",
    "image": "ghcr.io/acme/torch:2",
    "args": "python 'a b.py'",
    "env": {"MODE": "fast"},
    "ports": ["8888/http"],
    "disk": 20,
    "mounts": {"persistent": {"size": 30, "path": "/data"}},
}


async def saved(door: Door, **other: Any) -> dict[str, Any]:
    answer = await door.ask("POST", "/templates", RECIPE | other)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def anns(home: FakeHouse, http: httpx.AsyncClient) -> Door:
    """A member's."""
    return Door(http, await token_of(home, await home.member("ANN")))


async def test_files_are_listed_and_not_changed_from_here(door: Door, home: FakeHouse) -> None:
    known = {one["id"]: one for one in (await door.get("/templates"))["templates"]}
    assert set(known) == {template.name for template in home.house.services.templates.files.list()}
    assert (await door.get("/templates/jupyter"))["env"]["JUPYTER_TOKEN"] == ""
    assert (await door.get("/catalog/templates"))["templates"]
    assert (await door.get("/catalog/templates?source=community"))["templates"] == []
    await door.refused(404, "GET", "/templates/none")
    for verb in ("PATCH", "DELETE"):
        assert "PODKEEPER_TEMPLATES_DIR" in (await door.refused(404, verb, "/templates/hello", {}))["detail"]


async def test_what_is_saved_is_shown_as_it_was_said(door: Door, home: FakeHouse) -> None:
    made = await saved(door, startJupyter=False)
    assert made["name"] == "my-torch"
    assert made | RECIPE == made | {"name": RECIPE["name"]}
    assert (made["category"], made["startSsh"], made["startJupyter"]) == ("NVIDIA", True, False)
    assert await door.get(f"/templates/{made['id']}") == made
    assert made in (await door.get("/templates"))["templates"]
    found = (await home.house.services.templates.of(await home.local())).get("my-torch")
    assert found.description == "ghcr.io/acme/torch:2, saved by local admin."
    assert made not in (await door.get("/catalog/templates"))["templates"]


async def test_a_pod_is_made_from_it(door: Door, home: FakeHouse) -> None:
    made = await saved(door)
    pod = await door.made(templateId=made["id"], env={"MORE": "1"})
    assert pod["template"] == "my-torch"
    assert pod["image"] == RECIPE["image"]
    assert pod["mounts"] == RECIPE["mounts"]
    assert pod["env"] | {"MODE": "fast", "MORE": "1"} == pod["env"]
    assert pod["env"]["JUPYTER_PASSWORD"]
    spec = (await home.pods.get(await home.local(), pod["id"])).spec
    assert (spec.cpu, spec.memory) == (2, 4 * 1024**3)
    body = {"name": "big", "templateId": made["id"], "gpu": {"id": "NVIDIA L4", "count": 2}}
    big = (await door.ask("POST", "/pods", body)).json()
    spec = (await home.pods.get(await home.local(), big["id"])).spec
    assert (spec.cpu, spec.memory) == (4, 32 * 1024**3)


async def test_a_change_leaves_the_rest_and_the_pods_that_were_made(door: Door) -> None:
    made = await saved(door)
    pod = await door.made(templateId=made["id"])
    answer = await door.ask(
        "PATCH", f"/templates/{made['id']}", {"name": "other", "image": "redis:7", "category": "CPU"}
    )
    assert answer.json() == made | {"name": "other", "image": "redis:7", "category": "CPU"}
    assert await door.get(f"/templates/{made['id']}") == answer.json()
    assert (await door.get(f"/pods/{pod['id']}"))["image"] == RECIPE["image"]


@pytest.mark.parametrize(
    ("change", "env", "jupyter"),
    [
        ({"startJupyter": False}, {"MODE": "fast"}, False),
        ({"env": {"A": "b"}}, {"A": "b"}, True),
        ({"env": {}, "startJupyter": False}, {}, False),
        ({"env": {"JUPYTER_PASSWORD": "own"}}, {"JUPYTER_PASSWORD": "own"}, False),
        ({"mounts": {}}, {"MODE": "fast"}, True),
    ],
)
async def test_variables_are_replaced_as_a_whole_and_the_one_of_jupyter_apart(
    door: Door, change: dict[str, Any], env: dict[str, str], jupyter: bool
) -> None:
    made = await saved(door)
    assert made["startJupyter"]
    assert made["env"] == {"MODE": "fast"}
    changed = (await door.ask("PATCH", f"/templates/{made['id']}", change)).json()
    assert (changed["env"], changed["startJupyter"]) == (env, jupyter)
    assert changed["mounts"] == made["mounts"]


async def test_what_is_deleted_is_gone_and_its_pods_stay(door: Door) -> None:
    made = await saved(door)
    pod = await door.made(templateId=made["id"])
    assert (await door.ask("DELETE", f"/templates/{made['id']}")).status_code == 204
    for verb in ("GET", "DELETE"):
        await door.refused(404, verb, f"/templates/{made['id']}")
    await door.refused(404, "PATCH", f"/templates/{made['id']}", {"name": "x"})
    assert (await door.get(f"/pods/{pod['id']}"))["id"] == pod["id"]


@pytest.mark.parametrize(
    ("other", "status", "words"),
    [
        ({"public": True}, 400, "public"),
        ({"serverless": True}, 400, "serverless"),
        ({"allowedCudaVersions": ["12.8"]}, 400, "CUDA"),
        ({"registry": "ghcr.io"}, 404, "registry"),
        ({"image": "no image"}, 400, "image"),
        ({"name": "!!!"}, 400, "name"),
        ({"name": "custom"}, 400, "without a template"),
        ({"args": "a\0b"}, 400, "NUL"),
        ({"env": {"A": "\ud800"}}, 422, "no JSON"),
        ({"env": {"RUNPOD_X": "1"}}, 400, "RUNPOD_X"),
        ({"ports": ["70001/http"]}, 400, "65535"),
        ({"ports": [f"{port}/http" for port in range(1, 30)]}, 400, "29 are too many"),
        ({"args": "a 'b"}, 400, "args"),
        ({"mounts": {"persistent": {"size": 10, "path": "data"}}}, 400, "volume_path"),
        ({"mounts": {"network": []}}, 422, "network"),
        ({"disk": 0}, 422, "disk"),
        ({"cpu": 1}, 422, "cpu"),
    ],
)
async def test_what_cannot_be_is_refused_at_a_create_and_at_a_change(
    door: Door, other: dict[str, Any], status: int, words: str
) -> None:
    known = await saved(door)
    before = await door.get("/templates")
    for verb, path in (("POST", "/templates"), ("PATCH", f"/templates/{known['id']}")):
        said = await door.refused(status, verb, path, RECIPE | {"name": "second"} | other)
        assert words in str(said)
    assert await door.get("/templates") == before


async def test_a_name_is_taken_once(door: Door) -> None:
    first, second = await saved(door), await saved(door, name="two")
    assert "already" in (await door.refused(409, "POST", "/templates", RECIPE))["detail"]
    await door.refused(409, "PATCH", f"/templates/{second['id']}", {"name": first["name"]})
    assert (await door.get(f"/templates/{second['id']}"))["name"] == "two"


async def test_only_an_admin_puts_one_in_the_place_of_a_file(door: Door, anns: Door) -> None:
    assert (
        "template file hello" in (await anns.refused(403, "POST", "/templates", RECIPE | {"name": "hello"}))["detail"]
    )
    mine = await saved(anns)
    await anns.refused(403, "PATCH", f"/templates/{mine['id']}", {"name": "hello"})
    ours = await saved(door, name="hello")
    pod = await door.made(templateId="hello")
    assert pod["image"] == RECIPE["image"]
    await door.ask("DELETE", f"/templates/{ours['id']}")
    assert (await door.get("/templates/hello"))["image"] != RECIPE["image"]


async def test_others_use_it_and_only_its_owner_and_admins_change_it(
    door: Door, anns: Door, home: FakeHouse, http: httpx.AsyncClient
) -> None:
    mine = await saved(anns)
    bobs = Door(http, await token_of(home, await home.member("BOB")))
    assert (await bobs.made(templateId=mine["id"]))["image"] == RECIPE["image"]
    for verb in ("PATCH", "DELETE"):
        assert "belongs to ann" in (await bobs.refused(403, verb, f"/templates/{mine['id']}", {}))["detail"]
    assert (await door.ask("PATCH", f"/templates/{mine['id']}", {"disk": 7})).json()["disk"] == 7


async def test_nobody_is_tricked_by_a_name_like_anothers_id(door: Door, anns: Door) -> None:
    ours = await saved(door)
    await saved(anns, name=ours["id"], image="evil.io/x:1")
    assert (await door.get(f"/templates/{ours['id']}"))["image"] == RECIPE["image"]
    assert (await door.made(templateId=ours["id"]))["image"] == RECIPE["image"]


async def test_a_change_that_somebody_else_has_overtaken_is_refused(door: Door, home: FakeHouse) -> None:
    made, me = await saved(door), await home.local()
    templates = home.house.services.templates
    before = await templates.own(me, made["id"])
    await door.ask("PATCH", f"/templates/{made['id']}", {"disk": 33})
    with pytest.raises(Conflict, match="by somebody else"):
        await templates.change(me, before, {**before.said, "image": "redis:8"}, before.labels)
    assert (await door.get(f"/templates/{made['id']}")) == made | {"disk": 33}


async def test_a_token_that_only_looks_saves_nothing(home: FakeHouse, http: httpx.AsyncClient, door: Door) -> None:
    looking = Door(http, await token_of(home, await home.member("ANN"), Scope.READ))
    known = await saved(door)
    await looking.refused(403, "POST", "/templates", RECIPE | {"name": "two"})
    await looking.refused(403, "PATCH", f"/templates/{known['id']}", {"disk": 7})
    await looking.refused(403, "DELETE", f"/templates/{known['id']}")
    assert await looking.get(f"/templates/{known['id']}") == known
