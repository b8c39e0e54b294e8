"""Every pod tool, in both protocol eras, on the whole house."""

from pathlib import Path

import pytest
from mcp import Client

from core.engines.fake import FakeEngine, Script
from core.model import Gpu
from mcp_server.server import build
from tests.houses import REMARK, FakeHouse, LimitedEngine, fake_house
from tests.mcp_server.conftest import Opener, Person, data, last, refusal, text

FIELDS = {
    "id", "name", "status", "template", "image", "owner", "via", "ports", "url", "login", "actions", "reason", "cpu",
    "memory", "gpu", "volume", "volume_path", "network_volume", "idle_timeout", "idle_warning", "idle_action",
    "ignore", "max_lifetime", "wake", "price_per_hour", "created_at", "started_at", "ready_at", "last_active_at",
    "keep_until", "kept_by", "warned_at", "stops_at", "ended_at", "hint", "remark", "now",
}  # fmt: skip


async def test_a_start_comes_back_running_with_its_address(opened: Opener, home: FakeHouse) -> None:
    notes: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        notes.append((progress, total, message))

    async with opened() as client:
        pod = data(await client.call_tool("pod_start", {"template": "hello"}, progress_callback=note))
        assert await last(notes) == (1.0, 1.0, "hello-1 is RUNNING")
    assert set(pod) == FIELDS
    assert (pod["name"], pod["status"], pod["via"], pod["template"]) == ("hello-1", "RUNNING", "mcp", "hello")
    assert pod["url"] == f"http://{pod['id']}-8080.proxy.localhost:8080"
    assert pod["ports"] == [{"port": "8080/http", "url": pod["url"]}]
    assert pod["actions"] == ["stop", "restart", "terminate", "keep", "expose"]
    assert pod["created_at"] == "2026-11-24T14:00:00Z"
    assert pod["stops_at"] == "2026-11-24T14:30:00Z"
    assert pod["idle_timeout"] == "30m"
    assert (pod["hint"], pod["remark"]) == (None, None)
    steps = [step for step, _, _ in notes]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("wait", [45, 0])
async def test_the_engines_limits_are_told_with_a_start_and_a_resume(tmp_path: Path, mode: str, wait: int) -> None:
    async with (
        fake_house(tmp_path / "data", engine=LimitedEngine()) as home,
        Client(build(home.house.services), mode=mode) as client,
    ):
        begun = data(await client.call_tool("pod_start", {"template": "hello", "wait_seconds": wait}))
        assert begun["remark"] == REMARK
        await home.house.launcher.idle()
        assert data(await client.call_tool("pod_get", {"pod": "hello-1"}))["remark"] == REMARK
        assert data(await client.call_tool("pod_stop", {"pod": "hello-1"}))["remark"] is None
        resumed = await client.call_tool("pod_resume", {"pod": "hello-1", "wait_seconds": wait})
        assert data(resumed)["remark"] == REMARK
        assert "ends a request after 100 s" in text(resumed)
        await home.house.launcher.idle()
        assert REMARK not in text(await client.call_tool("pod_list")), "not with each of many"


async def test_of_several_kinds_of_gpu_the_first_to_be_had_is_taken(tmp_path: Path, mode: str) -> None:
    engine = FakeEngine(gpus=[Gpu(uuid="GPU-0", type="NVIDIA L40S", memory=48 << 30)])
    async with (
        fake_house(tmp_path / "data", engine=engine) as home,
        Client(build(home.house.services), mode=mode) as client,
    ):
        pod = data(await client.call_tool("pod_start", {"template": "hello", "gpu": "A100,L40S"}))
        assert (pod["status"], pod["gpu"]) == ("RUNNING", "A100,L40S")
        many = ", ".join(["x" * 64] * 8) + ":64"
        assert "this engine has 1 × NVIDIA L40S" in refusal(
            await client.call_tool("pod_start", {"template": "hello", "gpu": many})
        )


async def test_our_own_terminal_is_told_apart(opened: Opener) -> None:
    async with opened("podkeeper-cli") as client:
        assert data(await client.call_tool("pod_start", {"template": "hello"}))["via"] == "terminal"
        assert "Call " not in refusal(await client.call_tool("pod_get", {"pod": "nope"}))


async def test_options_arrive(opened: Opener, home: FakeHouse) -> None:
    options = {"name": "mine", "cpu": 0.5, "memory": "1.5g", "volume": "2g", "idle": "0", "env": {"KEY": "s3cret"}}
    async with opened() as client:
        result = await client.call_tool("pod_start", {"template": "hello", **options})
    pod = data(result)
    assert (pod["name"], pod["cpu"], pod["memory"], pod["volume"]) == ("mine", 0.5, "1.5g", "2g")
    assert (pod["idle_timeout"], pod["stops_at"], pod["volume_path"]) == ("0", None, "/workspace")
    assert home.engine.orders[-1].environment["KEY"] == "s3cret"
    assert "s3cret" not in result.model_dump_json()


async def test_the_text_copy_says_the_same_in_short(opened: Opener) -> None:
    async with opened() as client:
        result = await client.call_tool("pod_start", {"template": "hello"})
    pod = data(result)
    assert pod["url"] in text(result)
    assert "null" not in text(result)


async def test_stop_resume_restart_and_terminate(opened: Opener) -> None:
    async with opened(asked=Person()) as client:
        first = data(await client.call_tool("pod_start", {"template": "hello"}))
        pod = {"pod": "hello-1"}
        stopped = data(await client.call_tool("pod_stop", pod))
        assert (stopped["status"], stopped["actions"]) == ("EXITED", ["resume", "terminate"])
        resumed = data(await client.call_tool("pod_resume", pod))
        assert (resumed["status"], resumed["url"]) == ("RUNNING", first["url"])
        assert data(await client.call_tool("pod_restart", pod))["status"] == "RUNNING"
        ended = data(await client.call_tool("pod_terminate", pod))
        assert (ended["status"], ended["id"]) == ("TERMINATED", first["id"])
        assert "pod_list" in refusal(await client.call_tool("pod_get", pod))
        assert data(await client.call_tool("pod_get", {"pod": first["id"]}))["status"] == "TERMINATED"


async def test_stopping_twice_is_refused_with_what_is_possible(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        await client.call_tool("pod_stop", {"pod": pod.id})
        told = refusal(await client.call_tool("pod_stop", {"pod": pod.id}))
    assert "already stopped" in told
    assert "pod_get" in told


async def test_a_list_goes_page_by_page(opened: Opener, home: FakeHouse) -> None:
    names: list[str] = []
    for _ in range(5):
        names.append((await home.started()).name)
        home.clock.forward(seconds=1)
    async with opened() as client:
        seen: list[str] = []
        pages: list[dict[str, object]] = []
        cursor: dict[str, str] = {}
        for _ in range(3):
            page = data(await client.call_tool("pod_list", {"limit": 2, **cursor}))
            assert page["total"] == 5
            seen += [pod["name"] for pod in page["pods"]]
            pages.append(page)
            cursor = {"cursor": page["next_cursor"]}
    assert pages[-1]["next_cursor"] is None
    assert seen == names[::-1]


async def test_a_list_leaves_out_what_was_not_asked_for(opened: Opener, home: FakeHouse) -> None:
    gone = await home.started()
    theirs = await home.started(await home.member())
    async with opened(asked=Person()) as client:
        await client.call_tool("pod_terminate", {"pod": gone.id})
        assert data(await client.call_tool("pod_list"))["pods"] == []
        [ended] = data(await client.call_tool("pod_list", {"ended": True}))["pods"]
        assert (ended["id"], ended["status"]) == (gone.id, "TERMINATED")
        [other] = data(await client.call_tool("pod_list", {"everyone": True, "detail": "full"}))["pods"]
        assert (other["id"], other["owner"], other["via"]) == (theirs.id, "u1", "slack")


@pytest.mark.parametrize("cursor", ["nonsense", "!!!", "aGVsbG8", "MjAyNi0wMS0wMSBh"])
async def test_a_wrong_cursor_is_refused(opened: Opener, cursor: str) -> None:
    async with opened() as client:
        assert "cursor" in refusal(await client.call_tool("pod_list", {"cursor": cursor}))


async def test_logs_are_the_last_lines(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        result = await client.call_tool("pod_logs", {"pod": pod.name})
    assert data(result) == {
        "id": pod.id,
        "name": pod.name,
        "lines": [f"hello from {pod.id}"],
        "truncated": False,
    }
    assert text(result) == f"hello from {pod.id}"


async def test_a_long_start_returns_with_a_hint_and_goes_on(opened: Opener, home: FakeHouse) -> None:
    home.engine.script = Script.SLOW_PULL
    async with opened() as client:
        pod = data(await client.call_tool("pod_start", {"template": "hello", "wait_seconds": 0}))
        assert pod["status"] == "PROVISIONING"
        assert "pod_get" in pod["hint"]
        assert "pod_logs" in pod["hint"]
        home.engine.proceed.set()
        later = data(await client.call_tool("pod_get", {"pod": pod["id"], "wait_for": "settled", "timeout": 20}))
    assert later["status"] == "RUNNING"


async def test_a_start_that_fails_says_why_and_what_to_do(opened: Opener, home: FakeHouse) -> None:
    home.engine.script = Script.NO_IMAGE
    async with opened() as client:
        told = refusal(await client.call_tool("pod_start", {"template": "hello"}))
        [pod] = data(await client.call_tool("pod_list"))["pods"]
        assert (pod["status"], pod["id"] in told) == ("ERROR", True)
        assert "has no image" in told
        assert "pod_logs" in told
        assert "pod_terminate" in told
        home.engine.script = Script.OK
        assert data(await client.call_tool("pod_resume", {"pod": pod["id"]}))["status"] == "RUNNING"


async def test_a_start_that_is_stopped_meanwhile_shows_that(opened: Opener, home: FakeHouse) -> None:
    home.engine.script = Script.SLOW_START
    async with opened() as client:
        pod = data(await client.call_tool("pod_start", {"template": "hello", "wait_seconds": 0}))
        stopped = data(await client.call_tool("pod_stop", {"pod": pod["id"]}))
    assert stopped["status"] == "EXITED"


async def test_a_failing_stop_stays_under_way(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.stop_fails = True
    notes: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        notes.append((progress, message))

    async with opened() as client:
        options = {"pod": pod.id, "wait_seconds": 1}
        shown = data(await client.call_tool("pod_stop", options, progress_callback=note))
    assert notes == [(0.001, "hello-1 is STOPPING")]
    assert shown["status"] == "STOPPING"
    assert "goes on by itself" in shown["hint"]
