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
    app = Starlette(routes=[api.face(home.house.services, TOKEN)])
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
    app = Starlette(routes=[api.face(home.house.services, TOKEN)])
    async with served(app, free_port()) as url, runpod(outsiders, url, "wrong", tmp_path) as program:
        assert "Podkeeper token" in await program.refused("list-pods")
