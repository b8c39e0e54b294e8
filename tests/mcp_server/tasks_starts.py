"""The first office room of the MCP house: ten tasks about starting pods and what they are started with."""

import asyncio
import re

from core.engines.fake import Script
from core.model import Status
from tests.houses import FakeHouse
from tests.mcp_server.tasks import PRICES, Assistant, Task, named, url


class CheapestLlama(Task):
    title = "Start the cheapest llama and give me the curl"
    calls = ("template_list", "pod_start")
    budget = 6_000

    async def script(self, assistant: Assistant) -> str:
        listed = (await assistant.call("template_list"))["templates"]
        llamas = [one for one in listed if "llama" in one["name"] and one["price_per_hour"] is not None]
        cheapest = min(llamas, key=lambda one: one["price_per_hour"])
        assert "OpenAI's API" in cheapest["description"], "which path the curl has"
        pod = await assistant.call("pod_start", template=cheapest["name"])
        return f"curl {pod['url']}/v1/chat/completions, ${pod['price_per_hour']}/h until {pod['stops_at']} unless used"

    async def facts(self, home: FakeHouse) -> list[str]:
        pod = await named(home, "llama-small-1")
        assert pod.status is Status.RUNNING
        return [await url(home, pod.name), str(PRICES["llama-small"]), "2026-11-24T14:30:00Z"]


class FailedStart(Task):
    title = "Start web for me. It fails? Then what does its log say, and what do we do?"
    calls = ("pod_start", "pod_logs", "pod_get")
    budget = 3_000

    async def prepare(self, home: FakeHouse) -> None:
        home.engine.scripts["web"] = Script.EXITS

    async def script(self, assistant: Assistant) -> str:
        said = await assistant.refused("pod_start", template="web")
        found = re.search(r"\((\w+)\) did not come up", said)
        assert found is not None
        logs = await assistant.call("pod_logs", pod=found[1])
        pod = await assistant.call("pod_get", pod=found[1])
        wrote = "\n".join(logs["lines"])
        return f"{pod['name']} is {pod['status']}: {pod['reason']}. It wrote {wrote}. Now: {pod['hint']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        pod = await named(home, "web-1")
        assert pod.status is Status.ERROR
        return ["ERROR", "exit code 3", f"hello from {pod.id}", "ended with code 3", "pod_resume", "pod_terminate"]


class AbsentGpu(Task):
    title = "I need a llama-large on an H100"
    calls = ("pod_start",)
    budget = 1_000

    async def script(self, assistant: Assistant) -> str:
        return await assistant.refused("pod_start", template="llama-large", gpu="H100")

    async def facts(self, home: FakeHouse) -> list[str]:
        assert not await home.pods.list(await home.local())
        return ["H100", "2 × NVIDIA L4", "Nothing was started"]


class TakenName(Task):
    title = "Start a web pod called demo"
    calls = ("pod_start", "pod_get", "pod_start")
    budget = 3_500

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(name="demo")

    async def script(self, assistant: Assistant) -> str:
        said = await assistant.refused("pod_start", template="web", name="demo")
        assert "another name" in said
        there = await assistant.call("pod_get", pod="demo", detail="concise")
        ours = await assistant.call("pod_start", template="web", name="demo-2")
        return f"{there['template']} {there['url']} has the name, yours is {ours['name']}: {ours['url']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        return ["hello", await url(home, "demo"), "demo-2", await url(home, "demo-2")]


class SharedVolume(Task):
    title = "Put the models on a disk that two pods read"
    calls = ("volume_create", "pod_start", "pod_start", "volume_list")
    budget = 5_500

    async def script(self, assistant: Assistant) -> str:
        made = await assistant.call("volume_create", name="models", size="50g")
        pods = [await assistant.call("pod_start", template="web", network_volume=made["name"]) for _ in range(2)]
        [volume] = (await assistant.call("volume_list"))["volumes"]
        assert sorted(volume["attached_to"]) == sorted(pod["name"] for pod in pods)
        ways = ", ".join(f"{pod['name']} at {pod['volume_path']}: {pod['url']}, {pod['idle_action']}" for pod in pods)
        return f"{volume['name']} ({volume['size']}) is in {ways} when idle"

    async def facts(self, home: FakeHouse) -> list[str]:
        first, second = await named(home, "web-1"), await named(home, "web-2")
        path = f"{first.spec.volume_path}/model"
        home.engine.write(first, path, "tiny")
        assert home.engine.read(second, path) == "tiny"
        return [
            "models",
            "50g",
            first.spec.volume_path,
            await url(home, "web-1"),
            await url(home, "web-2"),
            "terminate",
        ]


class UnusedVolumes(Task):
    title = "Delete my volumes that no pod uses"
    calls = ("volume_list", "volume_delete", "volume_delete")
    budget = 4_000

    async def prepare(self, home: FakeHouse) -> None:
        volumes, me = home.house.services.volumes, await home.local()
        for name in ("models", "old", "older"):
            await volumes.create(me, name, "5g")
        await volumes.create(await home.member(), "theirs", "5g")
        await home.started(network_volume="models")

    async def script(self, assistant: Assistant) -> str:
        listed = (await assistant.call("volume_list"))["volumes"]
        unused = [one for one in listed if one["mine"] and not one["attached_to"]]
        gone = [await assistant.call("volume_delete", volume=one["id"]) for one in unused]
        return "Deleted " + ", ".join(f"{one['name']} ({one['size']})" for one in gone)

    async def facts(self, home: FakeHouse) -> list[str]:
        left = await home.house.services.volumes.list(await home.local())
        assert sorted(volume.name for volume in left) == ["models", "theirs"]
        assert len(self.person.heard) == 2
        return ["old", "older", "5g"]


class Yesterday(Task):
    title = "Bring back the pod I had yesterday"
    calls = ("pod_list", "pod_resume")
    budget = 4_000

    async def prepare(self, home: FakeHouse) -> None:
        for name in ("long-ago", "yesterday"):
            pod = await home.started(template="web", name=name)
            await home.pods.stop(await home.local(), pod.id)
            await home.after(pod)
            home.clock.forward(days=1)

    async def script(self, assistant: Assistant) -> str:
        stopped = [one for one in (await assistant.call("pod_list"))["pods"] if one["status"] == "EXITED"]
        latest = max(stopped, key=lambda one: one["last_active_at"] or one["started_at"])
        pod = await assistant.call("pod_resume", pod=latest["id"])
        return f"{pod['name']} is {pod['status']}: {pod['url']}, ${pod['price_per_hour']} an hour"

    async def facts(self, home: FakeHouse) -> list[str]:
        assert (await named(home, "long-ago")).status is Status.EXITED
        return ["yesterday", "RUNNING", await url(home, "yesterday"), str(PRICES["web"])]


class LongStart(Task):
    title = "Start llama-large, and tell me when it is up"
    calls = ("pod_start", "pod_get", "pod_get")
    budget = 5_500

    async def prepare(self, home: FakeHouse) -> None:
        home.engine.scripts["llama-large"] = Script.SLOW_START

    async def meanwhile(self, home: FakeHouse) -> None:
        asyncio.get_running_loop().call_later(0.1, home.engine.proceed.set)

    async def script(self, assistant: Assistant) -> str:
        begun = await assistant.call("pod_start", template="llama-large", wait_seconds=0)
        assert "pod_get with wait_for=running" in begun["hint"]
        still = await assistant.call("pod_get", pod=begun["id"], wait_for="running", timeout=0, detail="concise")
        assert still["hint"].startswith("still ")
        await assistant.meanwhile()
        pod = await assistant.call("pod_get", pod=begun["id"], wait_for="running")
        return f"{pod['name']} is {pod['status']} since {pod['ready_at']}: {pod['url']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        return ["llama-large-1", "RUNNING", "2026-11-24T14:00:00Z", await url(home, "llama-large-1")]


class JupyterLogin(Task):
    title = "Where is my jupyter, and what is the token?"
    calls = ("pod_list", "pod_get")
    budget = 5_000

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(template="jupyter")
        await home.started()

    async def script(self, assistant: Assistant) -> str:
        listed = (await assistant.call("pod_list"))["pods"]
        [found] = [one for one in listed if one["template"] == "jupyter"]
        pod = await assistant.call("pod_get", pod=found["id"])
        return f"{pod['url']} with {pod['login']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        pod = await named(home, "jupyter-1")
        [variable] = pod.spec.generated
        return [await url(home, pod.name), variable, pod.spec.env[variable]]


class MoreMemory(Task):
    title = "Restart bench with 2 GB of memory"
    calls = ("pod_get", "pod_terminate", "pod_start")
    budget = 6_000

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(template="web", name="bench", memory="1g", volume="5g", env={"MODEL": "tiny"})

    async def script(self, assistant: Assistant) -> str:
        old = await assistant.call("pod_get", pod="bench")
        # The assistant tells what is lost and that it cannot see the environment; the user says go on.
        assert "terminate" in old["actions"]
        await assistant.call("pod_terminate", pod=old["id"])
        same = {key: old[key] for key in ("template", "name", "cpu", "volume")}
        new = await assistant.call("pod_start", **same, memory="2g", idle=old["idle_timeout"])
        lost = f"{old['volume']} at {old['volume_path']} and {old['url']} are gone"
        return f"{old['memory']} is now {new['memory']}, {lost}; now {new['url']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        pod = await named(home, "bench")
        assert (pod.spec.memory, pod.spec.cpu) == (2 * 2**30, home.engine.orders[0].pod.spec.cpu)
        assert "5g at /workspace" in self.person.heard[0]
        return ["1g", "2g", "5g", "/workspace", await url(home, "bench")]


STARTS: tuple[type[Task], ...] = (
    CheapestLlama, FailedStart, AbsentGpu, TakenName, SharedVolume, UnusedVolumes, Yesterday, LongStart, JupyterLogin,
    MoreMemory,
)  # fmt: skip
