"""The one door, on the fakes: the verbs in turn, and what a clumsy person gets."""

from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.engines.fake import FakeEngine, Script
from core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PodError,
    Unavailable,
)
from core.model import Action, Line, Pod, PodSpec, Status
from core.service import StartRequest
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
    with pytest.raises(Conflict, match=r"is running \(RUNNING\), so it cannot be resumed"):
        await home.pods.resume(me, "hello-1")
    await home.pods.stop(me, "hello-1")
    await home.after(pod)
    with pytest.raises(Conflict, match=r"already stopped \(EXITED\).*You can resume or terminate it"):
        await home.pods.stop(me, "hello-1")


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

    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        key = pod.spec.env["KEY"].splitlines()[-1]
        said = (key, f"HF_TOKEN={pod.spec.env['HF_TOKEN']} is not accepted")
        return tuple(Line(self.now(), text) for text in said)


async def test_a_secret_that_the_pod_printed_is_masked_in_the_reason(tmp_path: Path) -> None:
    engine = TalkativeEngine(script=Script.EXITS)
    async with fake_house(tmp_path / "data", engine=engine) as home:
        env = {"USER": "hf_very", "HF_TOKEN": "hf_very_secret", "KEY": "first line\nsecond line"}
        pod = await home.started(env=env)
        assert (pod.reason or "").endswith("\n…\nHF_TOKEN=… is not accepted")


class ProudEngine(FakeEngine):
    """Its pods print the way in, as notebooks do."""

    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        return (Line(self.now(), f"open http://x/?token={pod.spec.env['JUPYTER_TOKEN']}"),)


async def test_a_token_that_a_pod_printed_is_shown_to_its_owner_only(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=ProudEngine()) as home:
        ana = await home.member()
        pod = await home.started(ana, template="jupyter")
        token = pod.spec.env["JUPYTER_TOKEN"]
        assert token in await home.pods.logs(ana, pod.id)
        assert await home.pods.logs(await home.local(), pod.id) == "open http://x/?token=…\n"


class EndlessEngine(FakeEngine):
    """Its pods print lines without end."""

    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        return (Line(self.now(), "x" * 1_000_000 + "the end"),)


async def test_of_endless_lines_only_the_end_is_handed_on(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=EndlessEngine()) as home:
        pod = await home.started()
        said = await home.pods.logs(await home.local(), pod.id)
        assert said.endswith("the end\n")
        assert len(said) == 256_000
        [line] = await home.pods.lines(await home.local(), pod.id, 10)
        assert line.text.endswith("the end")
        assert len(line.text) < 256_000


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


async def test_logs_are_asked_for_within_bounds(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    assert pod.id in await home.pods.logs(me, "hello-1")
    with pytest.raises(InvalidInput, match="1 to 5000"):
        await home.pods.logs(me, "hello-1", 0)


async def test_what_a_pod_wrote_last_outlives_its_container_until_the_next_run_or_the_end(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    home.engine.say(pod.id, *(f"line {k}" for k in range(10)))
    await home.pods.stop(me, pod.id)
    await home.after(pod)
    assert await home.pods.logs(me, pod.id, 2) == "line 8\nline 9\n"
    again = await home.after(await home.pods.resume(me, pod.id))
    assert "line 9" not in await home.pods.logs(me, again.id)
    await home.pods.terminate(me, again.id)
    await home.after(again)
    assert await home.pods.logs(me, again.id) == ""


async def test_why_a_start_failed_is_in_its_log_for_whoever_asks_next(tmp_path: Path) -> None:
    engine = FakeEngine(script=Script.EXITS)
    async with fake_house(tmp_path / "data", engine=engine) as home:
        pod = await home.started()
        assert pod.status is Status.ERROR
        assert "ended with code" in await home.pods.logs(await home.local(), pod.id)


async def test_a_log_that_was_kept_is_masked_for_everybody_but_the_owner(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=ProudEngine()) as home:
        ana = await home.member()
        pod = await home.started(ana, template="jupyter")
        await home.pods.stop(ana, pod.id)
        await home.after(pod)
        token = pod.spec.env["JUPYTER_TOKEN"]
        assert token in await home.pods.logs(ana, pod.id)
        assert await home.pods.logs(await home.local(), pod.id) == "open http://x/?token=…\n"


class MuteEngine(FakeEngine):
    """Its logs cannot be read."""

    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        raise Unavailable("the log driver does not read")


async def test_a_pod_whose_output_cannot_be_read_is_stopped_all_the_same(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=MuteEngine()) as home:
        pod = await home.started()
        await home.pods.stop(await home.local(), pod.id)
        assert (await home.after(pod)).status is Status.EXITED
