"""RunPod's own MCP server makes a pod here, on Docker: it answers by the gateway, and stops when nobody uses it."""

from pathlib import Path

from core.model import Status
from tests.e2e.parts import TOKEN, Place
from tests.e2e.scripts import shell
from tests.helpers import until
from tests.outsiders.conftest import outsiders as outsiders
from tests.outsiders.runpod import Runpod, runpod
from tests.parts import Images

SIZE = {"id": "cpu", "vcpuCount": 2}


async def _becomes(program: Runpod, pod_id: str, status: str) -> bool:
    return (await program.call("get-pod", id=pod_id))["status"] == status


async def test_a_pod_by_runpods_own_client_lives_answers_and_stops_by_itself(
    place: Place, busybox_image: Images, outsiders: Path, tmp_path: Path
) -> None:
    args = shell("echo it begins; mkdir /www; echo $PODKEEPER_POD_ID > /www/index.html; exec httpd -f -p 8080 -h /www")
    place.template("web", busybox_image.web, args=args, idle={"timeout": "3s", "warning": "0"})
    async with place.served() as home, runpod(outsiders, place.url, TOKEN, tmp_path) as program:
        made = await program.call("create-pod", body={"name": "Theirs", "templateId": "web", "cpu": SIZE})
        pod_id = made["id"]
        await until(lambda: _becomes(program, pod_id, "RUNNING"), timeout=60)
        shown = await program.call("get-pod", id=pod_id)
        assert shown["actions"] == ["stop", "restart", "terminate"]
        pod = await home.pods.get(await home.me(), pod_id)
        assert (await home.ask(pod)).text.strip() == pod_id
        assert (await home.ask(pod)).text.strip() == pod_id
        logs = await program.call("stream-pod-logs", podId=pod_id, maxWaitMs=1500)
        assert [item["line"] for item in logs["items"]] == ["it begins"]
        await until(lambda: _becomes(program, pod_id, "EXITED"), timeout=30)
        assert "nobody used it for 3s" in str((await program.call("get-pod", id=pod_id))["podkeeper"]["reason"])
        await program.call("pod-action", id=pod_id, body={"action": "start"})
        await until(lambda: _becomes(program, pod_id, "RUNNING"), timeout=60)
        await program.call("delete-pod", id=pod_id)
        assert (await home.settled(pod)).status is Status.TERMINATED
        assert (await program.call("list-pods"))["pods"] == []


async def test_a_template_of_their_own_and_a_pod_of_it_that_is_changed(
    place: Place, busybox_image: Images, outsiders: Path, tmp_path: Path
) -> None:
    script = "mkdir /www; echo $WORD > /www/index.html; exec httpd -f -p 8080 -h /www"
    recipe = {
        "name": "Words",
        "image": busybox_image.web,
        "args": f"sh -c '{script}'",
        "ports": ["8080/http"],
        "env": {"WORD": "first"},
    }
    async with place.served() as home, runpod(outsiders, place.url, TOKEN, tmp_path) as program:
        template = await program.call("create-template", body=recipe)
        made = await program.call("create-pod", body={"name": "one", "templateId": template["id"], "cpu": SIZE})
        await until(lambda: _becomes(program, made["id"], "RUNNING"), timeout=60)
        pod = await home.pods.get(await home.me(), made["id"])
        assert (await home.ask(pod)).text.strip() == "first"
        changed = await program.call("update-pod", id=pod.id, body={"env": {"WORD": "second"}})
        assert changed["status"] == "STARTING"
        await until(lambda: _becomes(program, pod.id, "RUNNING"), timeout=60)
        assert (await home.ask(pod)).text.strip() == "second"
        other = await home.up("words", env={"WORD": "third"})
        assert (await home.ask(other)).text.strip() == "third"


async def test_an_image_alone_a_network_volume_and_refusals(
    place: Place, busybox_image: Images, outsiders: Path, tmp_path: Path
) -> None:
    async with place.served() as home, runpod(outsiders, place.url, TOKEN, tmp_path) as program:
        volume = await program.call("create-network-volume", body={"name": "data", "size": 10, "dataCenter": "LOCAL"})
        body = {
            "name": "alone",
            "image": busybox_image.web,
            "ports": ["8080/http"],
            "cpu": SIZE,
            "mounts": {"network": [{"volumeId": volume["id"], "path": "/data"}]},
        }
        made = await program.call("create-pod", body=body)
        await until(lambda: _becomes(program, made["id"], "RUNNING"), timeout=60)
        pod = await home.pods.get(await home.me(), made["id"])
        assert (await home.ask(pod)).text.strip() == pod.id
        assert "cannot be stopped" in await program.refused("pod-action", id=pod.id, body={"action": "stop"})
        assert "No Capacity" in await program.refused(
            "create-pod", body={"name": "gpu", "image": busybox_image.web, "gpu": {"id": "NVIDIA H100"}}
        )
        await program.call("delete-pod", id=pod.id)
        await home.settled(pod)
        await program.call("delete-network-volume", id=volume["id"])
