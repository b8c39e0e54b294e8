"""The one door, on the fakes: what a clumsy person, a stranger and two hundred people at once get."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.engines.base import Order, Step
from core.engines.fake import FakeEngine, Script
from core.errors import (
    Ambiguous,
    Conflict,
    Forbidden,
    InvalidInput,
    NoCapacity,
    NotFound,
    PodError,
    QuotaExceeded,
    Unavailable,
)
from core.model import Action, Gpu, Pod, PodSpec, Stage, Status, Volume
from core.progress import Board
from core.service import PodService, StartRequest
from core.store import Store
from tests.houses import FakeHouse, fake_house


async def test_a_start_ends_running_with_an_address(home: FakeHouse) -> None:
    pod = await home.started()
    assert pod.status is Status.RUNNING
    assert pod.name == "hello-1"
    assert len(pod.id) == 14
    assert home.pods.urls(pod)[0].url == f"http://{pod.id}-8080.proxy.localhost:8080"
    assert home.gateway.routes[f"{pod.id}-8080"].state == "live"


async def test_watching_a_start_tells_its_stages_in_order(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.pods.start(me, StartRequest(template="hello"))
    updates = [update async for update in home.pods.watch(me, pod.id)]
    assert updates[-1].pod.status is Status.RUNNING
    assert updates[-1].progress is None
    stages = [u.progress.stage for u in updates if u.progress is not None]
    assert stages == sorted(stages, key=["pull", "create", "start", "ready"].index)


async def test_the_options_of_a_start_arrive_in_the_container(home: FakeHouse) -> None:
    pod = await home.started(name="mine", cpu="0.5", memory="128m", env={"GREETING": "hi"}, idle="5m", volume="1g")
    order = home.engine.orders[-1]
    assert (pod.name, pod.spec.cpu, pod.spec.memory) == ("mine", 0.5, 128 * 1024**2)
    assert pod.spec.volume == 1024**3
    assert order.environment["GREETING"] == "hi"
    assert order.environment["RUNPOD_POD_ID"] == order.environment["PODKEEPER_POD_ID"] == pod.id
    assert order.environment["RUNPOD_CPU_COUNT"] == "1"
    assert order.environment["RUNPOD_GPU_COUNT"] == "0"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"template": "lama-template"}, "Did you mean .*llama-template"),
        ({"template": "x" * 10_000}, "No template"),
        ({"template": "hello", "memory": "10XB"}, "memory: '10XB' is not a size"),
        ({"template": "hello", "memory": "1"}, "too little"),
        ({"template": "hello", "cpu": "many"}, "cpu: 'many' is not a number"),
        ({"template": "hello", "cpu": "0"}, "cpu: '0'"),
        ({"template": "hello", "cpu": "1e3"}, "cpu: '1e3'"),
        ({"template": "hello", "gpu": ":"}, "gpu: ':' is not a GPU request"),
        ({"template": "hello", "idle": "30"}, "Did you mean 30m"),
        ({"template": "hello", "name": "Not Allowed!"}, "name: 'Not Allowed!' is not allowed"),
        ({"template": "hello", "name": "a\x1b[31m"}, "is not allowed"),
        ({"template": "hello", "name": "<!channel>"}, "is not allowed"),
        ({"template": "hello", "name": "n" * 10_000}, "is not allowed"),
        ({"template": "hello", "env": {"A B": "x"}}, "env: 'A B' is not a variable name"),
        ({"template": "hello", "env": {"PODKEEPER_POD_ID": "x"}}, "is set by Podkeeper itself"),
        ({"template": "hello", "env": {"BIG": "x" * 40_000}}, "more than 32 kB"),
        ({"template": "hello", "network_volume": "nope"}, "No network volume 'nope'"),
        ({"template": "hello", "volume": "1g", "network_volume": "nope"}, "exclude each other"),
        ({"template": "hello", "gpu": "A100"}, "this engine has no GPUs"),
    ],
)
async def test_a_wrong_start_is_told_in_a_sentence_and_leaves_nothing(
    home: FakeHouse, options: dict[str, str], told: str
) -> None:
    me = await home.local()
    with pytest.raises(PodError, match=told) as found:
        await home.pods.start(me, StartRequest.model_validate(options))
    assert len(str(found.value)) < 400
    assert str(found.value).isprintable()
    assert await home.pods.list(me) == ()
    assert home.engine.orders == []


async def test_a_start_while_the_engine_is_down_leaves_nothing(home: FakeHouse) -> None:
    home.engine.down = True
    me = await home.local()
    with pytest.raises(Unavailable):
        await home.pods.start(me, StartRequest(template="hello"))
    assert await home.pods.list(me) == ()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (Script.NO_IMAGE, "has no image"),
        (Script.BAD_COMMAND, "cannot be started"),
        (Script.EXITS, "exit code 3"),
        (Script.OUT_OF_MEMORY, "ran out of memory"),
        (Script.BUG, "Something went wrong on our side"),
    ],
)
async def test_a_start_that_fails_ends_in_error_with_the_reason_and_nothing_running(
    home: FakeHouse, script: Script, told: str
) -> None:
    home.engine.script = script
    pod = await home.started()
    assert pod.status is Status.ERROR
    assert pod.reason is not None
    assert told in pod.reason
    assert await home.engine.list() == ()
    assert await home.house._store.claimed("address") == {}  # pyright: ignore[reportPrivateUsage]
    assert home.gateway.routes[f"{pod.id}-8080"].state == "sleeping"
    assert "a bug of the engine" not in pod.reason


async def test_a_pod_that_never_gets_ready_ends_in_error(tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "slow.yaml").write_text(
        "name: slow\ndescription: x\nimage: x\nports: ['80/http']\nready: {port: 80, path: /, timeout: 1s}\n"
    )
    async with fake_house(tmp_path / "data", templates_dir=templates) as home:
        home.gateway.unreached.add("*")
        pod = await home.started(template="slow")
    assert pod.status is Status.ERROR
    assert "did not answer on port 80/ within 1s" in (pod.reason or "")
    assert await home.engine.list() == ()


async def test_every_verb_in_turn(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started(volume="1g")
    home.engine.write(pod, "/workspace/kept", "yes")
    home.engine.write(pod, "/tmp/lost", "yes")

    await home.pods.stop(me, "hello-1")
    pod = await home.after(pod)
    assert (pod.status, pod.reason) == (Status.EXITED, "stopped by local admin")
    assert pod.actions == (Action.RESUME, Action.TERMINATE)

    await home.pods.resume(me, "hello-1")
    pod = await home.after(pod)
    assert (pod.status, pod.run) == (Status.RUNNING, 2)
    assert home.engine.read(pod, "/workspace/kept") == "yes"
    assert home.engine.read(pod, "/tmp/lost") is None

    await home.pods.restart(me, "hello-1")
    pod = await home.after(pod)
    assert (pod.status, pod.run) == (Status.RUNNING, 3)

    await home.pods.terminate(me, "hello-1")
    pod = await home.after(pod)
    assert pod.status is Status.TERMINATED
    assert pod.actions == ()
    assert f"{pod.id}-8080" not in home.gateway.routes
    assert await home.pods.list(me) == ()
    assert [p.id for p in await home.pods.list(me, ended=True)] == [pod.id]


async def test_an_action_that_is_not_open_is_refused_with_the_status_and_what_is(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    with pytest.raises(Conflict, match=r"is running \(RUNNING\), so it cannot resume"):
        await home.pods.resume(me, "hello-1")
    await home.pods.stop(me, "hello-1")
    await home.after(pod)
    with pytest.raises(Conflict, match=r"already stopped \(EXITED\).*You can resume or terminate it"):
        await home.pods.stop(me, "hello-1")


async def test_a_stop_during_a_slow_start_leaves_nothing_alive(home: FakeHouse) -> None:
    home.engine.script = Script.SLOW_START
    me = await home.local()
    pod = await home.pods.start(me, StartRequest(template="hello"))
    await home.engine.waiting.wait()
    await home.pods.stop(me, pod.id)
    home.engine.proceed.set()
    pod = await home.after(pod)
    assert pod.status is Status.EXITED
    assert await home.engine.list() == ()


class LateEngine(FakeEngine):
    """Makes the container although whoever asked has gone: the daemon works on when a request is dropped."""

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        yield Step(stage=Stage.CREATE, message="creating the container", ref="late")
        self.making = asyncio.ensure_future(self._late(order))
        self.waiting.set()
        await asyncio.shield(self.making)

    async def _late(self, order: Order) -> None:
        await self.proceed.wait()
        async for _ in super().start(order):
            pass


async def test_a_container_that_is_made_after_its_start_was_broken_off_is_removed_too(tmp_path: Path) -> None:
    engine = LateEngine()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        me = await home.local()
        pod = await home.pods.start(me, StartRequest(template="hello"))
        await engine.waiting.wait()
        await home.pods.stop(me, pod.id)
        asyncio.get_running_loop().call_later(0.2, engine.proceed.set)
        pod = await home.after(pod)
        await engine.making
        assert pod.status is Status.EXITED
        assert await engine.list() == ()


async def test_a_terminate_after_a_stop_after_a_start_waits_for_both(tmp_path: Path) -> None:
    engine = LateEngine()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        me = await home.local()
        pod = await home.pods.start(me, StartRequest(template="hello"))
        await engine.waiting.wait()
        await home.pods.stop(me, pod.id)
        asyncio.get_running_loop().call_later(0.2, engine.proceed.set)
        await home.pods.terminate(me, pod.id)
        pod = await home.after(pod)
        await engine.making
        assert pod.status is Status.TERMINATED
        assert await engine.list() == ()


@pytest.mark.parametrize("script", [Script.SLOW_PULL, Script.SLOW_START])
async def test_a_terminate_during_a_start_leaves_nothing_alive(home: FakeHouse, script: Script) -> None:
    home.engine.script = script
    me = await home.local()
    pod = await home.pods.start(me, StartRequest(template="hello"))
    await home.engine.waiting.wait()
    await home.pods.terminate(me, pod.id)
    if script is Script.SLOW_START:
        home.engine.proceed.set()
    async with asyncio.timeout(10):
        pod = await home.after(pod)
    assert pod.status is Status.TERMINATED
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("pod ")] == []
    assert await home.engine.list() == ()
    assert f"{pod.id}-8080" not in home.gateway.routes


async def test_a_restart_that_cannot_stop_the_old_run_is_not_called_failed_while_that_one_runs(
    home: FakeHouse,
) -> None:
    me = await home.local()
    pod = await home.started()
    home.engine.stop_fails = True
    await home.pods.restart(me, pod.id)
    async for event in home.pods.tail("test"):
        if event.kind == "pod.stop_failed":
            break
    assert (await home.pods.get(me, pod.id)).status is Status.STARTING
    assert [instance.running for instance in await home.engine.list()] == [True]
    claimed = await home.house._store.claimed("address")  # pyright: ignore[reportPrivateUsage]
    assert list(claimed.values()) == [pod.id]
    home.engine.stop_fails = False
    assert (await home.after(pod)).status is Status.ERROR
    assert await home.engine.list() == ()


async def test_two_people_stop_at_once_and_one_of_them_is_told(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    results = await asyncio.gather(*(home.pods.stop(me, pod.id) for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(r, BaseException) for r in results) == 1
    assert all(isinstance(r, Conflict) for r in results if isinstance(r, BaseException))
    assert (await home.after(pod)).status is Status.EXITED


async def test_two_hundred_starts_at_once_stay_within_the_limit(home: FakeHouse) -> None:
    me = await home.local()
    starts = (home.pods.start(me, StartRequest(template="hello")) for _ in range(200))
    results = await asyncio.gather(*starts, return_exceptions=True)
    refused = [r for r in results if isinstance(r, BaseException)]
    assert len(refused) == 195
    assert all(isinstance(r, QuotaExceeded) for r in refused)
    assert "the limit is 5" in str(refused[0])
    await home.house.launcher.idle()
    pods = await home.pods.list(me)
    assert sorted(p.name for p in pods) == [f"hello-{n}" for n in range(1, 6)]
    assert {p.status for p in pods} == {Status.RUNNING}
    assert len(await home.engine.list()) == 5


async def test_two_hundred_pods_get_two_hundred_addresses(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=200) as home:
        me = await home.local()
        await asyncio.gather(*(home.pods.start(me, StartRequest(template="hello")) for _ in range(200)))
        await home.house.launcher.idle()
        pods = await home.pods.list(me)
        assert {p.status for p in pods} == {Status.RUNNING}
        assert len({p.upstreams[8080].host for p in pods}) == 200


async def test_the_limit_also_holds_for_a_resume(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=1) as home:
        me = await home.local()
        first = await home.started()
        await home.pods.stop(me, first.id)
        await home.after(first)
        second = await home.started()
        with pytest.raises(QuotaExceeded):
            await home.pods.resume(me, first.id)
        assert (await home.after(first)).status is Status.EXITED
        await home.pods.stop(me, second.id)
        await home.after(second)
        await home.pods.resume(me, first.id)
        assert (await home.after(first)).status is Status.RUNNING


async def test_a_pod_is_found_by_name_id_or_a_prefix_that_fits_one(home: FakeHouse) -> None:
    me = await home.local()
    one, two = await home.started(name="alpha"), await home.started(name="alpine")
    assert (await home.pods.get(me, "alpha")).id == one.id
    assert (await home.pods.get(me, two.id)).id == two.id
    assert (await home.pods.get(me, "alpi")).id == two.id
    with pytest.raises(Ambiguous, match=f"alpine \\({two.id}\\)"):
        await home.pods.get(me, "al")
    with pytest.raises(NotFound, match="Did you mean alpha"):
        await home.pods.get(me, "alhpa")
    with pytest.raises(InvalidInput, match="Which pod"):
        await home.pods.get(me, "  ")
    with pytest.raises(NotFound) as found:
        await home.pods.get(me, "z\x1b" * 5000)
    assert len(str(found.value)) < 300


async def test_members_touch_their_own_pods_and_admins_all(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", admins="UADMIN") as home:
        ann, bob = await home.member("UANN"), await home.member("UBOB")
        admin = await home.member("UADMIN")
        pod = await home.started(ann, name="anns")
        for attempt in (home.pods.stop, home.pods.terminate, home.pods.restart, home.pods.get, home.pods.logs):
            with pytest.raises(Forbidden, match="anns belongs to uann"):
                await attempt(bob, "anns")
        assert await home.pods.list(bob) == ()
        assert await home.pods.list(bob, everyone=True) == ()
        assert [p.id for p in await home.pods.list(admin, everyone=True)] == [pod.id]
        await home.pods.stop(admin, "anns")
        assert (await home.after(pod)).reason == "stopped by uadmin"


async def test_only_allowed_users_come_in(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", allowed_users="U1", admins="U9") as home:
        await home.member("U1")
        await home.member("U9")
        with pytest.raises(Forbidden, match="PODKEEPER_ALLOWED_USERS"):
            await home.member("U2")


async def test_a_taken_name_is_told_with_its_holder(home: FakeHouse) -> None:
    pod = await home.started(name="mine")
    with pytest.raises(Conflict, match=f"pod {pod.id} of local admin"):
        await home.started(name="mine")


async def test_a_name_that_somebody_else_took_does_not_tell_the_address_of_their_pod(home: FakeHouse) -> None:
    pod = await home.started(await home.member("UANN"), name="mine")
    with pytest.raises(Conflict, match="a pod of uann") as found:
        await home.started(await home.member("UBOB"), name="mine")
    assert pod.id not in str(found.value)


async def test_gpus_are_given_as_whole_devices_and_never_twice(tmp_path: Path) -> None:
    gpus = [Gpu(uuid=f"GPU-{n}", type="NVIDIA A100-SXM4-80GB", memory=80 << 30) for n in range(3)]
    gpus.append(Gpu(uuid="GPU-L4", type="NVIDIA L4", memory=24 << 30))
    async with fake_house(tmp_path / "data", engine=FakeEngine(gpus=gpus)) as home:
        pods = [await home.started(gpu="A100:2"), await home.started(gpu="any"), await home.started(gpu="l4")]
        assert [p.status for p in pods] == [Status.RUNNING] * 3
        given = [uuid for pod in pods for uuid in pod.gpus]
        assert len(given) == len(set(given)) == 4
        assert home.engine.orders[0].environment["RUNPOD_GPU_COUNT"] == "2"
        late = await home.started(gpu="A100")
        assert late.status is Status.ERROR
        assert "only 0 of 3 are free" in (late.reason or "")
        with pytest.raises(NoCapacity, match=r"3 × NVIDIA A100-SXM4-80GB, 1 × NVIDIA L4"):
            await home.started(gpu="H100")
        await home.pods.stop(await home.local(), pods[0].id)
        await home.after(pods[0])
        assert (await home.started(gpu="A100:2")).status is Status.RUNNING


async def test_a_pod_with_a_network_volume_is_terminated_never_stopped_and_the_data_stays(home: FakeHouse) -> None:
    me = await home.local()
    volumes = home.house.services.volumes
    await volumes.create(me, "shared", "10g")
    pod = await home.started(network_volume="shared")
    assert Action.STOP not in pod.actions
    with pytest.raises(Conflict, match=r"cannot be stopped, only terminated.*keeps the data"):
        await home.pods.stop(me, pod.id)
    home.engine.write(pod, "/workspace/model.bin", "weights")
    with pytest.raises(Conflict, match=pod.name):
        await volumes.delete(me, "shared")
    await home.pods.terminate(me, pod.id)
    await home.after(pod)
    second = await home.started(network_volume="shared")
    assert home.engine.read(second, "/workspace/model.bin") == "weights"
    await home.pods.terminate(me, second.id)
    await home.after(second)
    await volumes.delete(me, "shared")
    assert await volumes.list(me) == ()


async def test_a_stop_of_a_pod_with_a_network_volume_may_be_allowed(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", network_volume_stop="allow") as home:
        me = await home.local()
        await home.house.services.volumes.create(me, "shared")
        pod = await home.started(network_volume="shared")
        await home.pods.stop(me, pod.id)
        assert (await home.after(pod)).status is Status.EXITED


async def test_volumes_of_others_and_names_that_are_not_allowed(home: FakeHouse) -> None:
    volumes = home.house.services.volumes
    ann, bob = await home.member("UANN"), await home.member("UBOB")
    await volumes.create(ann, "anns")
    with pytest.raises(Forbidden):
        await volumes.delete(bob, "anns")
    with pytest.raises(Conflict):
        await volumes.create(bob, "anns")
    with pytest.raises(InvalidInput):
        await volumes.create(bob, "../etc")
    last = await volumes.create(ann, "z" * 63)
    await volumes.create(bob, last.id)
    assert await volumes.get(ann, last.id) == last
    with pytest.raises(NotFound, match=r"there are: .*anns"):
        await volumes.delete(bob, "nope")


async def test_secrets_of_a_pod_are_in_no_event_and_no_repr(home: FakeHouse) -> None:
    pod = await home.started(env={"HF_TOKEN": "hf_very_secret"})
    assert "hf_very_secret" not in repr(pod)
    assert "hf_very_secret" not in repr(home.engine.orders[-1])
    events = await home.house._store.events(0)  # pyright: ignore[reportPrivateUsage]
    assert events
    assert "hf_very_secret" not in repr(events)


def test_an_error_about_a_spec_that_cannot_be_read_holds_nothing_of_it() -> None:
    with pytest.raises(ValidationError) as found:
        PodSpec.model_validate({"env": ["hf_very_secret"]})
    assert "hf_very_secret" not in str(found.value)


class TalkativeEngine(FakeEngine):
    """Its pods print their environment before they fail."""

    async def logs(self, pod: Pod, tail: int) -> str:
        key = pod.spec.env["KEY"].splitlines()[-1]
        return f"{key}\nHF_TOKEN={pod.spec.env['HF_TOKEN']} is not accepted"


async def test_a_secret_that_the_pod_printed_is_masked_in_the_reason(tmp_path: Path) -> None:
    engine = TalkativeEngine(script=Script.EXITS)
    async with fake_house(tmp_path / "data", engine=engine) as home:
        env = {"USER": "hf_very", "HF_TOKEN": "hf_very_secret", "KEY": "first line\nsecond line"}
        pod = await home.started(env=env)
        assert (pod.reason or "").endswith("\n…\nHF_TOKEN=… is not accepted")


class EndlessEngine(FakeEngine):
    """Its pods print lines without end."""

    async def logs(self, pod: Pod, tail: int) -> str:
        return "x" * 1_000_000 + "the end"


async def test_of_endless_lines_only_the_end_is_handed_on(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=EndlessEngine()) as home:
        pod = await home.started()
        said = await home.pods.logs(await home.local(), pod.id)
        assert said.endswith("the end")
        assert len(said) == 256_000


async def test_a_pod_that_ended_answers_to_its_whole_id_only_and_to_its_owner(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    await home.pods.terminate(me, pod.id)
    await home.after(pod)
    assert (await home.pods.get(me, pod.id.upper())).status is Status.TERMINATED
    with pytest.raises(Forbidden):
        await home.pods.get(await home.member(), pod.id)
    for reference in (pod.id[:-1], pod.name):
        with pytest.raises(NotFound):
            await home.pods.get(me, reference)


class HearingStore(Store):
    """Tells when it is about to write."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.writing = asyncio.Event()

    async def move(self, *given: Any, **more: Any) -> Pod | None:
        self.writing.set()
        return await super().move(*given, **more)


async def test_an_order_whose_asker_leaves_while_it_is_written_is_carried_out_at_once(home: FakeHouse) -> None:
    pod = await home.started()
    settings, services = home.house.settings, home.house.services
    store = await HearingStore.open(settings.database, settings.data_dir / "registry.key")
    board, launcher = Board(), home.house.launcher
    pods = PodService(
        settings, store, home.engine, home.gateway, launcher, services.templates, services.volumes, board, home.clock
    )
    asking = asyncio.create_task(pods.stop(await home.local(), pod.id))
    await store.writing.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await home.after(pod)).status is Status.EXITED
    await store.close()


class SlowDisks(FakeEngine):
    """Takes its time to make a volume."""

    async def create_volume(self, volume: Volume) -> None:
        self.waiting.set()
        await self.proceed.wait()
        await super().create_volume(volume)


async def test_a_volume_whose_asker_leaves_is_made_all_the_same(tmp_path: Path) -> None:
    engine = SlowDisks()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        asking = asyncio.create_task(home.house.services.volumes.create(await home.local(), "shared"))
        await engine.waiting.wait()
        asking.cancel()
        asyncio.get_running_loop().call_soon(engine.proceed.set)
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await home.started(network_volume="shared")).status is Status.RUNNING


async def test_logs_are_asked_for_within_bounds(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    assert pod.id in await home.pods.logs(me, "hello-1")
    with pytest.raises(InvalidInput, match="1 to 5000"):
        await home.pods.logs(me, "hello-1", 0)
