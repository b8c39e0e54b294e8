"""Pods that are changed by RunPod's API: their names and ports at once, their containers by a restart."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.engines.fake import FakeEngine
from core.errors import Conflict
from core.gateway.base import RouteState
from core.model import Pod, PodSpec, Scope, Status
from tests.api.conftest import Door, events_of, token_of
from tests.houses import FakeHouse, fake_house


async def test_ports_of_a_running_pod_are_changed_without_a_restart(door: Door, home: FakeHouse) -> None:
    pod = await home.started()
    changed = await door.ask("PATCH", f"/pods/{pod.id}", {"ports": ["8080/http", "8888/http"], "mounts": {}})
    assert changed.json()["ports"] == ["8080/http", "8888/http"]
    assert home.gateway.url(pod.id, 8888) in changed.json()["podkeeper"]["addresses"].values()
    changed = await door.ask("PATCH", f"/pods/{pod.id}", {"ports": ["8888/http"], "name": pod.name, "locked": False})
    assert changed.json()["ports"] == ["8888/http"]
    now = await home.pods.get(await home.local(), pod.id)
    assert (now.name, now.run) == (pod.name, pod.run)


async def test_a_pod_gets_another_name_in_any_status_and_keeps_all_else(door: Door, home: FakeHouse) -> None:
    pod = await home.started()
    changed = await door.ask("PATCH", f"/pods/{pod.id}", {"name": "My Other Pod!", "ports": ["8888/http"]})
    assert (changed.status_code, changed.json()["name"]) == (200, "my-other-pod")
    assert changed.json()["ports"] == ["8888/http"]
    assert (await door.ask("PATCH", f"/pods/{pod.id}", {"name": "My other pod"})).json()["name"] == "my-other-pod"
    [event] = [event for event in await events_of(home, pod.id) if event.kind == "pod.renamed"]
    assert (event.data["from"], event.data["to"], event.via) == (pod.name, "my-other-pod", "api")
    await home.pods.stop(await home.local(), pod.id)
    await home.after(pod)
    assert (await door.ask("PATCH", f"/pods/{pod.id}", {"name": "asleep"})).json()["status"] == "EXITED"
    now = await home.pods.get(await home.local(), "asleep")
    assert now.model_dump(include={"id", "owner", "run"}) == pod.model_dump(include={"id", "owner", "run"})


async def test_a_name_that_is_taken_or_none_is_not_given(door: Door, home: FakeHouse) -> None:
    pod, other = await home.started(), await home.started(await home.member())
    said = await door.refused(409, "PATCH", f"/pods/{pod.id}", {"name": other.name})
    assert f"{other.name!r} is taken by a pod of u1 (RUNNING)" in said["detail"]
    assert other.id not in said["detail"], "whoever knows it can open its address"
    assert "name" in (await door.refused(400, "PATCH", f"/pods/{pod.id}", {"name": "???"}))["detail"]
    await door.refused(422, "PATCH", f"/pods/{pod.id}", {"name": ""})
    assert (await home.pods.get(await home.local(), pod.id)).name == pod.name
    assert (await door.ask("DELETE", f"/pods/{other.id}")).status_code == 204
    await home.after(other)
    assert (await door.ask("PATCH", f"/pods/{pod.id}", {"name": other.name})).json()["name"] == other.name
    assert "terminated" in (await door.refused(409, "PATCH", f"/pods/{other.id}", {"name": "again"}))["detail"]


async def test_whoever_may_not_touch_a_pod_does_not_name_it(
    door: Door, http: httpx.AsyncClient, home: FakeHouse
) -> None:
    ana, bob = await home.member("U1"), await home.member("U2")
    pod = await home.started(ana)
    for who, scope in ((bob, Scope.OPERATE), (ana, Scope.READ)):
        await Door(http, await token_of(home, who, scope)).refused(403, "PATCH", f"/pods/{pod.id}", {"name": "mine"})
    changed = await Door(http, await token_of(home, ana)).ask("PATCH", f"/pods/{pod.id}", {"name": "hers"})
    assert changed.json()["name"] == "hers"


OTHER: dict[str, Any] = {"image": "x/y:1", "args": "serve 'a b'", "env": {"A": "b"}, "disk": 9}


async def ran(home: FakeHouse, **keys: Any) -> Pod:
    """Of the person with the local token, running."""
    return await home.started(env={"OLD": "1"}, **keys)


async def test_a_running_pod_is_restarted_with_another_container(door: Door, home: FakeHouse) -> None:
    pod = await ran(home)
    changed = await door.ask("PATCH", f"/pods/{pod.id}", OTHER | {"name": "other"})
    assert changed.status_code == 200
    assert changed.json() | OTHER == changed.json()
    assert changed.json()["status"] == "STARTING"
    now = await home.after(pod)
    assert (now.status, now.run, now.name) == (Status.RUNNING, 2, "other")
    order = home.engine.orders[-1]
    assert (order.pod.spec.image, order.pod.spec.args, order.environment["A"]) == ("x/y:1", ("serve", "a b"), "b")
    assert "OLD" not in order.environment
    [event] = [event for event in await events_of(home, pod.id) if event.kind == "pod.changed"]
    assert (event.status, event.run, event.via) == (Status.STARTING, 2, "api")
    assert "'b'" not in str(event), "values may be secrets"


async def test_a_stopped_pod_has_it_from_its_next_start(door: Door, home: FakeHouse) -> None:
    pod = await ran(home)
    await home.pods.stop(await home.local(), pod.id)
    await home.after(pod)
    changed = await door.ask("PATCH", f"/pods/{pod.id}", OTHER)
    assert (changed.json()["status"], changed.json()["image"]) == ("EXITED", "x/y:1")
    assert len(home.engine.orders) == 1
    await home.pods.resume(await home.local(), pod.id)
    assert (await home.after(pod)).status is Status.RUNNING
    assert home.engine.orders[-1].pod.spec.image == "x/y:1"


async def test_what_it_has_already_changes_nothing(door: Door, home: FakeHouse) -> None:
    pod = await ran(home, volume="1g")
    told = await door.get(f"/pods/{pod.id}")
    same = {name: told[name] for name in ("image", "args", "env", "disk", "ports", "mounts", "name", "registry")}
    assert (await door.ask("PATCH", f"/pods/{pod.id}", same | {"locked": False})).json()["status"] == "RUNNING"
    assert (await home.pods.get(await home.local(), pod.id)).model_dump() == pod.model_dump()


async def test_a_template_lends_its_container_but_for_what_the_request_says(door: Door, home: FakeHouse) -> None:
    pod = await ran(home)
    body = {"name": "t", "image": "t:1", "env": {"A": "t", "B": "t"}, "args": "of template", "startJupyter": False}
    template = (await door.ask("POST", "/templates", body)).json()
    kept = {"templateId": template["id"], "image": pod.spec.image, "args": "", "ports": ["8080/http"]}
    stays = (await door.ask("PATCH", f"/pods/{pod.id}", kept)).json()
    assert (stays["image"], stays["args"], stays["env"]) == (pod.spec.image, "", body["env"]), "the body goes before it"
    await home.after(pod)
    changed = (await door.ask("PATCH", f"/pods/{pod.id}", {"templateId": template["id"], "env": {"A": "own"}})).json()
    assert (changed["image"], changed["args"]) == ("t:1", "of template")
    assert changed["env"] == {"A": "own", "B": "t"}
    assert changed["name"] == pod.name
    assert changed["ports"] == []
    await door.refused(404, "PATCH", f"/pods/{pod.id}", {"templateId": "none"})


async def test_what_a_template_makes_up_is_made_up_once(door: Door, home: FakeHouse) -> None:
    pod = await ran(home)
    answers: list[Any] = []
    for _ in range(2):
        answers.append((await door.ask("PATCH", f"/pods/{pod.id}", {"templateId": "jupyter"})).json())
        await home.after(pod)
    assert answers[0]["env"]["JUPYTER_TOKEN"]
    assert answers[1]["env"] == answers[0]["env"]
    assert answers[1]["status"] == "RUNNING", "a request that comes twice restarts it once"
    now = await home.pods.get(await home.local(), pod.id)
    assert (now.run, now.spec.ready, now.spec.ports) == (2, jupyter(home).ready, jupyter(home).ports)


def jupyter(home: FakeHouse) -> PodSpec:
    return home.house.services.templates.files.get("jupyter").spec


async def test_a_pod_is_not_asked_by_a_port_that_it_has_no_more(door: Door, home: FakeHouse) -> None:
    pod = await home.started(template="jupyter")
    assert pod.spec.ready is not None
    body = {"image": "x/y:1", "ports": ["9999/http"]}
    assert (await door.ask("PATCH", f"/pods/{pod.id}", body)).json()["ports"] == ["9999/http"]
    now = await home.after(pod)
    assert (now.status, now.spec.ready) == (Status.RUNNING, None)


async def test_the_addresses_of_a_stopped_pod_change_at_once(door: Door, home: FakeHouse) -> None:
    pod = await home.started()
    await home.pods.stop(await home.local(), pod.id)
    await home.after(pod)
    changed = await door.ask("PATCH", f"/pods/{pod.id}", {"ports": ["9999/http"]})
    assert (changed.json()["status"], changed.json()["ports"]) == ("EXITED", ["9999/http"])
    await home.after(pod)
    assert {key: route.state for key, route in home.gateway.routes.items()} == {f"{pod.id}-9999": RouteState.SLEEPING}
    await home.pods.resume(await home.local(), pod.id)
    assert (await home.after(pod)).status is Status.RUNNING
    assert {key: route.state for key, route in home.gateway.routes.items()} == {f"{pod.id}-9999": RouteState.LIVE}


async def test_ports_that_were_changed_meanwhile_are_not_undone(door: Door, home: FakeHouse) -> None:
    pod, me = await ran(home), await home.local()
    fits, go, waits = home.engine.fit, asyncio.Event(), asyncio.Event()

    async def fit(spec: PodSpec) -> PodSpec:
        waits.set()
        await go.wait()
        return await fits(spec)

    home.engine.fit = fit
    late = asyncio.create_task(home.pods.change(me, pod.id, {"image": "x/y:1"}))
    await waits.wait()
    await home.house.services.ports.expose(me, pod.id, "9000")
    go.set()
    with pytest.raises(Conflict, match="changed by somebody else"):
        await late
    now = await home.pods.get(me, pod.id)
    assert ([str(port) for port in now.spec.ports], now.spec.image) == (["8080/http", "9000/http"], pod.spec.image)


async def test_a_volume_disk_gets_larger_and_moves_and_never_gets_smaller(door: Door, home: FakeHouse) -> None:
    pod = await ran(home, volume="20g")
    more = {"mounts": {"persistent": {"size": 30, "path": "/data"}}}
    assert (await door.ask("PATCH", f"/pods/{pod.id}", more)).json()["mounts"] == more["mounts"]
    await home.after(pod)
    less = {"mounts": {"persistent": {"size": 10, "path": "/data"}}}
    assert "never gets smaller" in (await door.refused(400, "PATCH", f"/pods/{pod.id}", less))["detail"]


async def test_a_network_volume_stays_and_only_moves(door: Door, home: FakeHouse) -> None:
    me = await home.local()
    volumes = [await home.house.services.volumes.create(me, name) for name in ("one", "two")]
    pod = await ran(home, network_volume="one")
    first, second = ([{"volumeId": volume.id, "path": "/else"}] for volume in volumes)
    moved = await door.ask("PATCH", f"/pods/{pod.id}", {"mounts": {"network": first}})
    assert moved.json()["mounts"] == {"network": first}
    for wrong in ({"network": second}, {"network": []}, {"persistent": {"size": 10, "path": "/x"}}):
        await door.refused(400, "PATCH", f"/pods/{pod.id}", {"mounts": wrong})


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"image": "no image"}, 400),
        ({"env": {"RUNPOD_X": "1"}}, 400),
        ({"args": "a 'b"}, 400),
        ({"disk": 0}, 422),
        ({"mounts": {"persistent": {"size": 10, "path": "/x"}}}, 400),
        ({"registry": "ghcr.io"}, 404),
        ({"locked": True}, 400),
        ({"globalNetworking": True}, 400),
        ({"gpu": {"id": "any"}}, 422),
        ({"ports": ["0/http"]}, 400),
        ({"ports": ["9/http", "9/tcp"]}, 400),
        ({"ports": [f"{port}/http" for port in range(1, 60)]}, 400),
        ({"ports": ["22/tcp"]}, 409),
        ({"args": "a\0b"}, 400),
        ({"env": {"A": "\ud800"}}, 422),
    ],
)
async def test_what_cannot_be_changes_nothing_at_all(
    door: Door, home: FakeHouse, wrong: dict[str, Any], status: int
) -> None:
    pod = await ran(home)
    await door.refused(status, "PATCH", f"/pods/{pod.id}", {"name": "other", "ports": []} | wrong)
    assert (await home.pods.get(await home.local(), pod.id)).model_dump() == pod.model_dump()


async def test_a_pod_under_way_is_not_changed(door: Door, home: FakeHouse) -> None:
    pod = await ran(home)
    await home.pods.terminate(await home.local(), pod.id)
    await home.after(pod)
    assert "terminated" in (await door.refused(409, "PATCH", f"/pods/{pod.id}", {"image": "x/y:1"}))["detail"]


async def test_only_who_may_touch_a_pod_changes_it(door: Door, http: httpx.AsyncClient, home: FakeHouse) -> None:
    ana, bob = await home.member("U1"), await home.member("U2")
    pod = await home.started(ana, env={"KEY": "s3cret"})
    for who, scope in ((bob, Scope.OPERATE), (ana, Scope.READ)):
        await Door(http, await token_of(home, who, scope)).refused(403, "PATCH", f"/pods/{pod.id}", OTHER)
    seen = await door.get(f"/pods/{pod.id}")
    assert (await door.ask("PATCH", f"/pods/{pod.id}", {"env": seen["env"], "disk": 9})).json()["env"] == seen["env"]
    await home.after(pod)
    more = await door.ask("PATCH", f"/pods/{pod.id}", {"env": {"KEY": "", "MORE": "1", "NONE": ""}})
    assert more.json()["env"] == {"KEY": "", "MORE": "", "NONE": ""}
    now = (await home.after(pod)).spec.env
    assert now == {"KEY": "s3cret", "MORE": "1", "NONE": ""}, "an admin sees no values, and so cannot lose them"


class Keeps(FakeEngine):
    """A stopped pod stays there, as it was made."""

    features = FakeEngine.features.model_copy(update={"keeps_pods": True})


async def test_a_pod_that_stays_on_its_engine_is_not_changed(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=Keeps()) as home:
        pod = await home.started()
        with pytest.raises(Conflict, match="as it was made"):
            await home.pods.change(await home.local(), pod.id, {"image": "x/y:1"})
        assert await home.pods.get(await home.local(), pod.id) == pod
