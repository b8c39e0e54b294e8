"""Pods by RunPod's API: the whole life of one, and what a clumsy program gets."""

from typing import Any

import httpx
import pytest

from core.engines.base import Usage
from core.model import GpuRequest, Scope, Status
from tests.api.conftest import CPU, Door, events_of, token_of
from tests.helpers import until
from tests.houses import FakeHouse

GB = 1024**3


async def test_a_pod_is_made_from_a_template_looked_at_stopped_started_and_deleted(door: Door, home: FakeHouse) -> None:
    made = await door.made(name="My Pod", env={"A": "b"})
    assert (made["name"], made["status"], made["template"]) == ("my-pod", "PROVISIONING", "hello")
    pod = await home.after(await home.pods.get(await home.local(), made["id"]))
    shown = await door.get(f"/pods/{pod.id}")
    assert (shown["status"], shown["actions"]) == ("RUNNING", ["stop", "restart", "terminate"])
    assert shown["env"] == {"A": "b"}
    assert shown["podkeeper"]["addresses"] == {"8080/http": home.gateway.url(pod.id, 8080)}
    assert shown["podkeeper"]["idle"]["stopsAt"] == "2026-11-24T14:30:00Z"
    home.clock.forward(minutes=5)
    assert (await door.get(f"/pods/{pod.id}"))["runtime"]["uptime"] == 300
    assert [one["id"] for one in (await door.get("/pods"))["pods"]] == [pod.id]
    for action, status in (("stop", Status.EXITED), ("start", Status.RUNNING), ("restart", Status.RUNNING)):
        assert (await door.ask("POST", f"/pods/{pod.id}/action", {"action": action})).status_code == 200
        pod = await home.after(pod)
        assert pod.status is status
    for _ in range(2):
        assert (await door.ask("DELETE", f"/pods/{pod.id}")).status_code == 204
        await home.after(pod)
    assert (await door.get(f"/pods/{pod.id}"))["status"] == "TERMINATED"
    assert (await door.get("/pods"))["pods"] == []


async def test_a_pod_is_made_from_an_image_alone(door: Door, home: FakeHouse) -> None:
    made = await door.ask(
        "POST",
        "/pods",
        {
            "name": "web",
            "image": "example.test/web:1",
            "args": "serve --text 'two words'",
            "ports": ["8888/http", "22/tcp"],
            "env": {"MODEL": "x"},
            "disk": 30,
            "cpu": {"id": "cpu5c", "vcpuCount": 4},
            "mounts": {"persistent": {"size": 20, "path": "/data"}},
            "startJupyter": True,
        },
    )
    assert made.status_code == 201, made.text
    pod = await home.pods.get(await home.local(), made.json()["id"])
    spec = pod.spec
    assert (spec.image, spec.args) == ("example.test/web:1", ("serve", "--text", "two words"))
    assert [str(port) for port in spec.ports] == ["8888/http", "22/tcp"]
    assert (spec.cpu, spec.memory, spec.gpu, spec.container_disk) == (4, 8 * GB, None, 30 * GB)
    assert (spec.volume, spec.volume_path, spec.template) == (20 * GB, "/data", "custom")
    assert spec.env["MODEL"] == "x"
    assert len(spec.env["JUPYTER_PASSWORD"]) > 20
    assert made.json()["mounts"] == {"persistent": {"size": 20, "path": "/data"}}
    assert made.json()["template"] is None


async def test_what_is_said_goes_before_the_template_and_variables_add_up(door: Door, home: FakeHouse) -> None:
    made = await door.made(templateId="jupyter", args="x", env={"A": "1"}, cpu={"id": "cpu", "vcpuCount": 2})
    pod = await home.pods.get(await home.local(), made["id"])
    base = home.house.services.templates.files.get("jupyter").spec
    assert (pod.spec.args, pod.spec.image, pod.spec.ports) == (("x",), base.image, base.ports)
    assert pod.spec.env["A"] == "1"
    assert pod.spec.env["JUPYTER_TOKEN"]
    assert pod.spec.memory == max(base.memory, 4 * GB)
    assert (pod.spec.idle, pod.spec.ready) == (base.idle, base.ready)


async def test_gpus_are_asked_for_by_their_names_and_missing_ones_are_no_capacity(door: Door, home: FakeHouse) -> None:
    [kind] = (await door.get("/catalog/gpus"))["gpus"]
    body = {"name": "gpu", "image": "x/y:1", "gpu": {"id": kind["id"], "count": 2}}
    made = await door.ask("POST", "/pods", body)
    assert made.json()["gpu"] == {"id": kind["id"], "count": 2}
    assert "cpu" not in made.json()
    pod = await home.pods.get(await home.local(), made.json()["id"])
    assert pod.spec.gpu == GpuRequest(type=kind["id"], count=2)
    said = await door.refused(400, "POST", "/pods", body | {"gpu": {"id": "NVIDIA H100"}})
    assert said["title"] == "No Capacity"
    assert kind["id"] in said["detail"]


async def test_a_network_volume_is_made_mounted_and_deleted(door: Door, home: FakeHouse) -> None:
    volume = (await door.ask("POST", "/network-volumes", {"name": "Models", "size": 50, "dataCenter": "LOCAL"})).json()
    assert (volume["name"], volume["size"]) == ("models", 50)
    made = await door.made(mounts={"network": [{"volumeId": volume["id"], "path": "/models"}]})
    assert made["mounts"] == {"network": [{"volumeId": volume["id"], "path": "/models"}]}
    assert "stop" not in made["actions"]
    assert "mine" in (await door.refused(409, "DELETE", f"/network-volumes/{volume['id']}"))["detail"]
    answer = await door.ask("DELETE", f"/pods/{made['id']}")
    assert answer.status_code == 204, answer.text
    await home.house.launcher.idle()
    assert (await door.ask("DELETE", f"/network-volumes/{volume['id']}")).status_code == 204
    assert (await door.get("/network-volumes"))["networkVolumes"] == []
    await door.refused(404, "DELETE", f"/network-volumes/{volume['id']}")


async def test_a_create_that_comes_twice_with_its_key_makes_one_pod(door: Door, home: FakeHouse) -> None:
    body = {"name": "once", "templateId": "hello", "cpu": CPU}
    first = await door.ask("POST", "/pods", body, **{"Idempotency-Key": "k1"})
    again = await door.ask("POST", "/pods", body, **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    other = await door.ask("POST", "/pods", body, **{"Idempotency-Key": "k2"})
    assert other.json()["id"] != first.json()["id"]
    assert other.json()["name"].startswith("once-"), "names are unique here"
    assert len(await home.pods.list(await home.local())) == 2


async def test_a_key_is_known_for_a_day(door: Door, home: FakeHouse) -> None:
    body = {"name": "once", "templateId": "hello", "cpu": CPU}
    made: list[str] = []
    for key, hours in (("k1", 0), ("k1", 23), ("k2", 3), ("k1", 0)):
        home.clock.forward(hours=hours)
        made.append((await door.ask("POST", "/pods", body, **{"Idempotency-Key": key})).json()["id"])
    assert made[0] == made[1]
    assert len({*made}) == 3, "k1 means another pod after a day"
    assert len(await home.house.services.notes.all("api")) == 2


async def test_a_key_of_a_create_that_failed_may_be_used_again(door: Door) -> None:
    wrong = {"name": "once", "templateId": "no-such", "cpu": CPU}
    await door.refused(404, "POST", "/pods", wrong, **{"Idempotency-Key": "k1"})
    right = await door.ask("POST", "/pods", wrong | {"templateId": "hello"}, **{"Idempotency-Key": "k1"})
    assert right.status_code == 201


async def test_actions_that_are_not_open_are_a_conflict_with_the_status(door: Door, home: FakeHouse) -> None:
    pod = await home.started()
    said = await door.refused(409, "POST", f"/pods/{pod.id}/action", {"action": "start"})
    assert "RUNNING" in said["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "$: 'name' is a required property"),
        ({"name": "x", "cpu": CPU}, "$: 'image' is a required property"),
        ({"name": "x", "image": "y", "cpu": CPU, "bogus": 1}, "bogus"),
        ({"name": "x", "image": "y", "cpu": {"id": "cpu", "vcpuCount": 1}}, "$.cpu.vcpuCount: 1 is less than"),
        ({"name": "x", "image": "y", "cpu": CPU, "ports": [8080]}, "$.ports[0]: 8080 is not of type 'string'"),
        ({"name": "x", "image": "y", "cpu": CPU, "env": {"A": 1}}, "$.env.A: 1 is not of type 'string'"),
        ({"name": "x", "image": "y", "cpu": CPU, "mounts": {"persistent": {"size": 1}}}, "$.mounts.persistent"),
        ({"name": "", "image": "y", "cpu": CPU}, "$.name: '' should be non-empty"),
        ([1], "$: [1] is not of type 'object'"),
        ({"image": "y", "cpu": CPU}, "$: 'name' is a required property"),
    ],
)  # fmt: skip
async def test_a_body_that_is_not_as_the_contract_has_it_is_told_with_a_pointer(
    door: Door, home: FakeHouse, body: object, pointer: str
) -> None:
    said = await door.refused(422, "POST", "/pods", body)
    assert any(pointer in error for error in said["errors"]), said["errors"]
    assert len(set(said["errors"])) == len(said["errors"])
    assert ("Unevaluated" in str(said["errors"])) == (pointer == "bogus"), "only what is unknown is called so"
    assert await home.pods.list(await home.local(), ended=True) == ()


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"gpu": {"id": "x"}}, 400, "exactly one of gpu and cpu"),
        ({"cpu": {"id": "cpu", "vcpuCount": 3}}, 400, "power of two"),
        ({"templateId": "helo"}, 404, "Did you mean hello?"),
        ({"ports": ["70001/http"]}, 400, "ports"),
        ({"ports": ["0/http"]}, 400, "ports"),
        ({"ports": [f"{8000 + n}/http" for n in range(60)]}, 400, "ports"),
        ({"env": {"RUNPOD_POD_ID": "x"}}, 400, "RUNPOD_POD_ID is set by Podkeeper"),
        ({"env": {f"V{n}": "x" * 1000 for n in range(60)}}, 400, "32 kB"),
        ({"image": "no image!"}, 400, "image"),
        ({"args": "'open"}, 400, "args"),
        ({"name": "???"}, 400, "name"),
        ({"globalNetworking": True}, 400, "globalNetworking"),
        ({"dataCenterIds": ["US-TX-3"]}, 400, "LOCAL"),
        ({"registry": "reg_1"}, 404, "registry"),
        ({"mounts": {"network": [{"volumeId": "none", "path": "/x"}]}}, 404, "No network volume"),
        ({"mounts": {"persistent": {"size": 10, "path": "relative"}}}, 400, "volume_path"),
    ],
)
async def test_what_cannot_be_done_is_told_and_makes_nothing(
    door: Door, home: FakeHouse, change: dict[str, object], status: int, told: str
) -> None:
    said = await door.refused(status, "POST", "/pods", {"name": "x", "templateId": "hello", "cpu": CPU} | change)
    assert told in said["detail"]
    assert await home.pods.list(await home.local(), ended=True) == ()


async def test_an_integer_may_be_written_with_a_point(door: Door, home: FakeHouse) -> None:
    made = await door.made(cpu={"id": "cpu", "vcpuCount": 4.0}, disk=30.0)
    assert (made["cpu"]["vcpuCount"], made["disk"]) == (4, 30)
    said = await door.refused(400, "POST", "/pods", {"name": "x", "image": "y", "cpu": CPU | {"vcpuCount": 69.0}})
    assert "power of two" in said["detail"]
    for number in (b"NaN", b"Infinity", b"1e999", b"9" * 5_000):
        body = b'{"name": "x", "image": "y", "cpu": {"id": "cpu", "vcpuCount": ' + number + b"}}"
        answer = await door.ask("POST", "/pods", body)
        assert answer.status_code in (400, 422), answer.text


async def test_bodies_that_are_no_json_or_endless_are_refused(door: Door) -> None:
    assert "no JSON" in (await door.refused(422, "POST", "/pods", b"{"))["errors"][0]
    assert "no JSON" in (await door.refused(422, "POST", "/pods", b"[" * 100_000))["errors"][0]
    await door.refused(413, "POST", "/pods", b" " * 5_000_000)


async def test_tokens_are_asked_for_and_what_they_are_not_good_for_is_refused(
    door: Door, http: httpx.AsyncClient, home: FakeHouse
) -> None:
    for token in (None, "wrong", "pkp_" + "x" * 43):
        await Door(http, token).refused(401, "GET", "/pods")
    member = await home.member()
    reader = Door(http, await token_of(home, member, Scope.READ))
    pod = await home.started(member)
    assert [one["id"] for one in (await reader.get("/pods"))["pods"]] == [pod.id]
    for verb, path, body in (
        ("POST", "/pods", {"name": "x", "templateId": "hello", "cpu": CPU}),
        ("POST", f"/pods/{pod.id}/action", {"action": "stop"}),
        ("DELETE", f"/pods/{pod.id}", None),
        ("POST", "/network-volumes", {"name": "x", "size": 10, "dataCenter": "LOCAL"}),
    ):
        assert "scope" in (await reader.refused(403, verb, path, body))["detail"]
    assert (await home.pods.get(member, pod.id)).status is Status.RUNNING


async def test_other_peoples_pods_are_an_admins_only_and_their_variables_nobodys(
    door: Door, http: httpx.AsyncClient, home: FakeHouse
) -> None:
    ana, bob = await home.member("U1"), await home.member("U2")
    pod = await home.started(ana, env={"HF_TOKEN": "hf_secret"})
    stranger = Door(http, await token_of(home, bob))
    assert (await stranger.get("/pods"))["pods"] == []
    for verb, path, body in (
        ("GET", f"/pods/{pod.id}", None),
        ("DELETE", f"/pods/{pod.id}", None),
        ("GET", f"/pods/{pod.id}/logs", None),
        ("PATCH", f"/pods/{pod.id}", {"ports": []}),
    ):
        await stranger.refused(403, verb, path, body)
    shown = await door.ask("GET", f"/pods/{pod.id}")
    assert shown.json()["env"] == {"HF_TOKEN": ""}
    assert "hf_secret" not in shown.text
    own = Door(http, await token_of(home, ana))
    assert (await own.get(f"/pods/{pod.id}"))["env"] == {"HF_TOKEN": "hf_secret"}


async def test_names_and_beginnings_of_ids_are_no_ids(door: Door, home: FakeHouse) -> None:
    pod = await home.started()
    for wanted in (pod.name, pod.id[:6], "nothing", "%00", "x" * 10_000):
        await door.refused(404, "GET", f"/pods/{wanted}")


async def test_the_program_is_written_down_with_what_it_did(door: Door, home: FakeHouse) -> None:
    await door.ask("POST", "/pods", {"name": "x", "templateId": "hello", "cpu": CPU}, **{"User-Agent": "tool/1.2 (x)"})
    [pod] = await home.pods.list(await home.local())
    assert pod.via == "api"
    [event] = [event for event in await events_of(home, pod.id) if event.kind == "pod.created"]
    assert (event.via, event.data["client"]) == ("api", "tool/1.2")


async def test_runtime_tells_the_shares_of_a_running_pod_a_moment_after_it_is_asked(
    door: Door, home: FakeHouse
) -> None:
    body = {"name": "gpu", "templateId": "hello", "gpu": {"id": "NVIDIA L4", "count": 2}}
    made = (await door.ask("POST", "/pods", body)).json()
    await home.house.launcher.idle()
    home.engine.shares[made["id"]] = Usage(cpu=0.123, memory=0.5, gpu=0.99)
    assert "cpu" not in (await door.get(f"/pods/{made['id']}"))["runtime"]

    async def told() -> Any:
        runtime = (await door.get(f"/pods/{made['id']}"))["runtime"]
        return runtime if "cpu" in runtime else None

    runtime = await until(told)
    assert (runtime["cpu"], runtime["memory"]) == ({"util": 13}, {"util": 50})
    assert runtime["gpus"] == [{"util": 99}, {"util": 99}]


async def test_what_every_pod_has_from_podkeeper_itself_is_left_out_of_a_create(door: Door, home: FakeHouse) -> None:
    made = await door.made(env={"PODKEEPER_POD_ID": "another", "PODKEEPER_X": "y", "MINE": "z"})
    assert made["env"] == {"MINE": "z"}
    await home.house.launcher.idle()
    assert home.engine.orders[0].environment["PODKEEPER_POD_ID"] == made["id"]
    await door.refused(400, "POST", "/pods", {"name": "x", "templateId": "hello", "cpu": CPU, "env": {"RUNPOD_X": "y"}})
