"""The second office room of the MCP house: ten tasks about pods that are there, what they cost and how they end."""

import re
from datetime import datetime, timedelta

from core.model import Status
from tests.houses import FakeHouse
from tests.mcp_server.tasks import Assistant, Task, named, url, visit


class UnusedToday(Task):
    title = "Stop everything of mine that nobody used today"
    calls = ("pod_list", "pod_stop", "pod_stop")
    budget = 7_000

    async def prepare(self, home: FakeHouse) -> None:
        await home.house.services.volumes.create(await home.local(), "models", None)
        for name in ("used", "notes", "draft"):
            await home.started(name=name, idle="0")
        await home.started(name="reader", idle="0", network_volume="models")
        await home.started(await home.member(), name="theirs", idle="0")
        home.clock.forward(days=1)
        await home.tick()  # sees the probes of the starts
        home.clock.forward(days=1)
        await visit(home, await named(home, "used"))

    async def script(self, assistant: Assistant) -> str:
        page = await assistant.call("pod_list")
        running = [one for one in page["pods"] if one["status"] == "RUNNING"]
        idle = [one for one in running if one["last_active_at"][:10] < page["now"][:10]]
        left = [one["name"] for one in idle if "only terminated" in (one["hint"] or "")]
        ended = [await assistant.call("pod_stop", pod=one["id"]) for one in idle if one["name"] not in left]
        return f"Stopped {[one['name'] for one in ended]}; {left} can only be terminated: shall I?"

    async def facts(self, home: FakeHouse) -> list[str]:
        expected = {"used": Status.RUNNING, "theirs": Status.RUNNING, "reader": Status.RUNNING}
        expected |= {"notes": Status.EXITED, "draft": Status.EXITED}
        assert {name: (await named(home, name)).status for name in expected} == expected
        return ["notes", "draft", "reader"]


class StillOn(Task):
    title = "Why is comfy-2 still on?"
    calls = ("pod_why",)
    budget = 1_500

    async def prepare(self, home: FakeHouse) -> None:
        for name in ("comfy-1", "comfy-2"):
            await home.started(template="comfyui", name=name)
        await home.tick()
        home.clock.forward(minutes=40)
        await visit(home, await named(home, "comfy-2"), 8188, in_flight=1)

    async def script(self, assistant: Assistant) -> str:
        return await assistant.told("pod_why", pod="comfy-2")

    async def facts(self, home: FakeHouse) -> list[str]:
        return ["comfy-2", "busy", "1 request in flight on 8188"]


class Costs(Task):
    title = "What runs, and what does it cost me?"
    calls = ("pod_list",)
    budget = 4_000

    async def prepare(self, home: FakeHouse) -> None:
        for template in ("web", "llama-small", "llama-large", "hello"):
            await home.started(template=template)
        await home.pods.stop(await home.local(), "llama-large-1")
        await home.after(await named(home, "llama-large-1"))

    async def script(self, assistant: Assistant) -> str:
        page = await assistant.call("pod_list")
        runs = {one["name"]: one["price_per_hour"] for one in page["pods"] if one["status"] == "RUNNING"}
        assert len(runs) == page["running"]
        return f"{runs}: ${page['cost_per_hour']} an hour in all"

    async def facts(self, home: FakeHouse) -> list[str]:
        return ["web-1", "0.05", "llama-small-1", "0.35", "hello-1", "0.4"]


class UntilTonight(Task):
    title = "Keep hello up until ten tonight"
    calls = ("pod_list", "pod_keep")
    budget = 3_500

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(lifetime="6h")

    async def script(self, assistant: Assistant) -> str:
        now = datetime.fromisoformat((await assistant.call("pod_list"))["now"])
        left = now.replace(hour=22) - now
        pod = await assistant.call("pod_keep", pod="hello", duration=f"{left // timedelta(minutes=1)}m")
        early = f", but it lives {pod['max_lifetime']} only" if pod["stops_at"] < pod["keep_until"] else ""
        return f"{pod['name']} is kept until {pod['keep_until']}{early}: it ends at {pod['stops_at']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        return ["hello-1", "2026-11-24T22:00:00Z", "6h", "2026-11-24T20:00:00Z"]


class ForGood(Task):
    title = "Delete scratch for good"
    calls = ("pod_terminate",)
    budget = 2_000

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(name="scratch", volume="2g")

    async def script(self, assistant: Assistant) -> str:
        pod = await assistant.call("pod_terminate", pod="scratch")
        return f"{pod['name']} is {pod['status']}, with its {pod['volume']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        [question] = self.person.heard
        assert "Lost for good: its container disk, its volume disk (2g at /workspace) and its address" in question
        return ["scratch", "TERMINATED", "2g"]


class CannotAsk(Task):
    title = "Delete scratch for good (in a program that cannot ask)"
    calls = ("pod_terminate", "pod_terminate")
    budget = 3_000
    can_ask = False

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(name="scratch")

    async def meanwhile(self, home: FakeHouse) -> None:
        desk, me = home.house.services.confirmations, await home.local()
        [one] = await desk.waiting(me)
        await desk.answer(me, one.code, yes=True)

    async def script(self, assistant: Assistant) -> str:
        said = await assistant.refused("pod_terminate", pod="scratch")
        await assistant.meanwhile()
        pod = await assistant.call("pod_terminate", pod="scratch")
        return f"{said} … {pod['name']} is {pod['status']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        return [
            "Nothing was done",
            "`podkeeper confirm`",
            "15 minutes",
            "Lost for good",
            "pod_terminate again",
            "TERMINATED",
        ]


class OpenPort(Task):
    title = "Open port 8888 of my web pod"
    calls = ("pod_expose",)
    budget = 2_500

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(template="web")

    async def script(self, assistant: Assistant) -> str:
        pod = await assistant.call("pod_expose", pod="web", port="8888")
        [port] = [one for one in pod["ports"] if one["port"] == "8888/http"]
        return f"{port['port']} of {pod['name']}: {port['url']}"

    async def facts(self, home: FakeHouse) -> list[str]:
        pod = await named(home, "web-1")
        return [home.gateway.url(pod.id, 8888)]


class VagueName(Task):
    title = "Give me the address of the shop"
    calls = ("pod_get", "pod_get", "pod_get")
    budget = 2_500

    async def prepare(self, home: FakeHouse) -> None:
        for name in ("shop-blue", "shop-green", "blog"):
            await home.started(name=name)

    async def script(self, assistant: Assistant) -> str:
        said = await assistant.refused("pod_get", pod="shop")
        found = re.findall(r"[\w-]+ \((\w+)\)", said)
        pods = [await assistant.call("pod_get", pod=one, detail="concise") for one in found]
        return "Which? " + ", ".join(f"{one['name']} ({one['status']}): {one['url']}" for one in pods)

    async def facts(self, home: FakeHouse) -> list[str]:
        return ["shop-blue", await url(home, "shop-blue"), "shop-green", await url(home, "shop-green"), "RUNNING"]


class AllOfThem(Task):
    title = "List all my pods (there are 45)"
    calls = ("pod_list", "pod_list", "pod_list")
    budget = 35_000

    async def prepare(self, home: FakeHouse) -> None:
        for number in range(45):
            await home.started(name=f"many-{number:02}")

    async def script(self, assistant: Assistant) -> str:
        page = await assistant.call("pod_list")
        names = [one["name"] for one in page["pods"]]
        while page["next_cursor"] is not None:
            page = await assistant.call("pod_list", cursor=page["next_cursor"])
            names += [one["name"] for one in page["pods"]]
        assert len(names) == len(set(names)) == page["total"]
        return ", ".join(names)

    async def facts(self, home: FakeHouse) -> list[str]:
        return [f"many-{number:02}" for number in range(45)]


class WithinTheHour(Task):
    title = "Which of my pods will stop within the hour?"
    calls = ("pod_list",)
    budget = 4_500

    async def prepare(self, home: FakeHouse) -> None:
        await home.started(name="idle-soon", idle="30m")
        await home.started(name="old-soon", idle="0", lifetime="45m")
        await home.started(name="idle-late", idle="3h")
        await home.started(name="never", idle="0")
        await home.started(name="kept", idle="30m")
        await home.house.services.keeping.keep(await home.local(), "kept", "5h")

    async def script(self, assistant: Assistant) -> str:
        page = await assistant.call("pod_list")
        within = datetime.fromisoformat(page["now"]) + timedelta(hours=1)
        soon = {one["name"]: one["stops_at"] for one in page["pods"] if one["stops_at"] is not None}
        return ", ".join(f"{name} {at}" for name, at in soon.items() if datetime.fromisoformat(at) <= within)

    async def facts(self, home: FakeHouse) -> list[str]:
        return ["idle-soon", "2026-11-24T14:30:00Z", "old-soon", "2026-11-24T14:45:00Z"]


RUNNING: tuple[type[Task], ...] = (
    UnusedToday, StillOn, Costs, UntilTonight, ForGood, CannotAsk, OpenPort, VagueName, AllOfThem, WithinTheHour,
)  # fmt: skip
