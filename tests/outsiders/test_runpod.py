"""RunPod's own MCP server speaks to our API: the whole life of a pod by its tools."""

from pathlib import Path

from starlette.applications import Starlette

import api
from core.model import Status
from tests.helpers import free_port
from tests.houses import FakeHouse
from tests.outsiders.runpod import runpod
from tests.web import served

TOKEN = "pk_local_token"


async def test_the_life_of_a_pod(outsiders: Path, home: FakeHouse, tmp_path: Path) -> None:
    app = Starlette(routes=api.face(home.house.services, TOKEN))
    async with served(app, free_port()) as url, runpod(outsiders, url, TOKEN, tmp_path) as program:
        assert "hello" in [one["id"] for one in (await program.call("list-templates"))["templates"]]
        made = await program.call(
            "create-pod", body={"name": "Mine", "templateId": "hello", "cpu": {"id": "cpu", "vcpuCount": 2}}
        )
        pod = await home.after(await home.pods.get(await home.local(), made["id"]))
        assert (await program.call("get-pod", id=pod.id))["status"] == "RUNNING"
        read = await program.call("stream-pod-logs", podId=pod.id, maxWaitMs=1500)
        assert [item["line"] for item in read["items"]] == [f"hello from {pod.id}"]
        for action, status in (("stop", Status.EXITED), ("start", Status.RUNNING)):
            await program.call("pod-action", id=pod.id, body={"action": action})
            assert (await home.after(pod)).status is status
        await program.call("update-pod", id=pod.id, body={"ports": ["8080/http", "8888/http"]})
        assert [str(port) for port in (await home.after(pod)).spec.ports] == ["8080/http", "8888/http"]
        body = {"name": "data", "size": 10, "dataCenter": "LOCAL"}
        volume = await program.call("create-network-volume", body=body)
        await program.call("delete-network-volume", id=volume["id"])
        assert "Podkeeper has not" in await program.refused("list-billing")
        assert [one["id"] for one in (await program.call("list-pods"))["pods"]] == [pod.id]
        await program.call("delete-pod", id=pod.id)
        assert (await home.after(pod)).status is Status.TERMINATED
        assert "Did you mean hello?" in await program.refused("get-template", id="helo")


async def test_a_key_of_nobody_is_told(outsiders: Path, home: FakeHouse, tmp_path: Path) -> None:
    app = Starlette(routes=api.face(home.house.services, TOKEN))
    async with served(app, free_port()) as url, runpod(outsiders, url, "wrong", tmp_path) as program:
        assert "Podkeeper token" in await program.refused("list-pods")


async def test_what_pods_are_made_of(outsiders: Path, home: FakeHouse, tmp_path: Path) -> None:
    app = Starlette(routes=api.face(home.house.services, TOKEN))
    async with served(app, free_port()) as url, runpod(outsiders, url, TOKEN, tmp_path) as program:
        body = {"name": "Torch", "image": "torch:2", "ports": ["8888/http"], "env": {"A": "b"}}
        template = await program.call("create-template", body=body)
        await program.call("update-template", id=template["id"], body={"image": "torch:3"})
        assert (await program.call("get-template", id=template["id"]))["image"] == "torch:3"
        size = {"id": "cpu", "vcpuCount": 2}
        pod = await program.call("create-pod", body={"name": "mine", "templateId": template["id"], "cpu": size})
        assert (pod["image"], pod["env"]["A"]) == ("torch:3", "b")
        await home.after(await home.pods.get(await home.local(), pod["id"]))
        await program.call("update-pod", id=pod["id"], body={"image": "torch:4", "name": "other"})
        changed = await home.after(await home.pods.get(await home.local(), pod["id"]))
        assert (changed.name, changed.status, changed.spec.image) == ("other", Status.RUNNING, "torch:4")
        await program.call("delete-template", id=template["id"])
        volume = await program.call("create-network-volume", body={"name": "data", "size": 10, "dataCenter": "LOCAL"})
        await program.call("update-network-volume", id=volume["id"], body={"size": 20, "name": "more"})
        shown = await program.call("get-network-volume", id=volume["id"])
        assert (shown["size"], shown["name"]) == (20, "more")
        login = {"name": "ghcr.io", "username": "ann", "password": "s3cret"}
        known = await program.call("create-registry", body=login)
        assert (await program.call("list-registries"))["registries"] == [known]
        await program.call("delete-registry", id=known["id"])
        assert [one["id"] for one in (await program.call("list-cpu-types"))["cpus"]] == ["cpu"]
        assert [one["id"] for one in (await program.call("list-data-centers"))["dataCenters"]] == ["LOCAL"]
        assert (await program.call("list-gpu-types"))["gpus"] == []
