"""`podkeeper adopt` at the terminal, with a second Podkeeper as the account: refusals, the row, the mark."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import api
from cli.main import main
from core.engines.fake import FakeEngine, Script
from core.engines.runpod.marks import Marks
from core.model import Gpu, Pod, Scope, Status
from core.service import StartRequest
from core.settings import Settings
from core.store import Store
from tests.cli.desk import Place, Said
from tests.e2e.parts import TOKEN
from tests.houses import FakeHouse, fake_house
from tests.web import served

GB = 1024**3


@dataclass
class Desk:
    """A terminal where an account is set up, and what stands behind the account."""

    there: FakeHouse
    settings: Settings
    run: Callable[..., Said]
    doors: dict[str, int]
    """What the web ports of pods there answer."""

    async def adopt(self, *words: str, **environment: str) -> Said:
        """The command, in a thread: the account is served in this one."""
        return await asyncio.to_thread(self.run, "adopt", *words, **environment)

    async def rows(self) -> tuple[Pod, ...]:
        """Newest first."""
        async with self.store() as store:
            return await store.pods()

    def store(self) -> "_Opened":
        return _Opened(self.settings)


class _Opened:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __aenter__(self) -> Store:
        self._store = await Store.open(self._settings.database, self._settings.data_dir / "registry.key")
        return self._store

    async def __aexit__(self, *_: object) -> None:
        await self._store.close()


@pytest.fixture
async def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Desk]:
    """A terminal without a service, whose account is another Podkeeper; ports there answer 200."""
    doors = {"status": 200}

    async def answer(_: Request) -> Response:
        return PlainTextResponse("hello", doors["status"])

    def run(*words: str, **environment: str) -> Said:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = main(words)
            return Said(code, *capsys.readouterr())

    devices = [Gpu(uuid="GPU-1", type="NVIDIA L4", memory=24 * GB)]
    (tmp_path / "data").mkdir(mode=0o700)
    async with fake_house(tmp_path / "theirs", engine=FakeEngine(gpus=devices), max_pods_per_user=100) as there:
        app = Starlette(routes=api.face(there.house.services, TOKEN))
        web = Starlette(routes=[Route("/{path:path}", answer)])
        async with served(app) as url, served(web) as proxy:
            given = {
                "PODKEEPER_ENGINE": "runpod",
                "PODKEEPER_DATA_DIR": str(tmp_path / "data"),
                "PODKEEPER_LISTEN": "127.0.0.1:9",
                "RUNPOD_API_KEY": TOKEN,
                "RUNPOD_API_BASE_URL": url,
                "RUNPOD_PROXY_URL": proxy.replace("127.0.0.1", "proxy.localhost"),
            }
            for name, value in given.items():
                monkeypatch.setenv(name, value)
            yield Desk(there, Settings(), run, doors)


async def test_a_running_pod_becomes_a_row_and_is_marked(desk: Desk) -> None:
    theirs = await desk.there.started(name="research", env={"MODEL": "x"})
    said = await desk.adopt(theirs.id, "--yes")
    assert (said.code, "research is taken in" in said.out) == (0, True), said
    for words in (
        "research at RunPod: RUNNING",
        "research, of local admin",
        "-8080.proxy.localhost:8080",
        "podkeeper up",
    ):
        assert words in said.err
    [pod] = await desk.rows()
    assert (pod.name, pod.status, pod.run, pod.ref) == ("research", Status.PROVISIONING, 1, f"{theirs.id}@1")
    assert (pod.spec.template, pod.spec.image, pod.spec.http_ports) == ("hello", theirs.spec.image, (8080,))
    assert (pod.spec.env, pod.spec.price_per_hour) == ({"MODEL": "x"}, 0.0)
    assert (pod.spec.idle.timeout, pod.spec.idle.warning) == (timedelta(minutes=30), timedelta(minutes=5))
    assert (pod.spec.idle.busy_above.cpu, pod.spec.idle.busy_above.gpu) == (0.2, 0.05)
    assert pod.spec.ready is not None
    assert (pod.spec.ready.port, pod.spec.ready.path) == (8080, None)
    async with desk.store() as store:
        [event] = await store.events(0, pod_id=pod.id)
        marks = Marks(store.installation)
    assert (event.kind, event.via, event.data["adopted"]) == ("pod.created", "terminal", theirs.id)
    now = await desk.there.pods.get(await desk.there.local(), theirs.id)
    assert now.name == marks.name("research", pod.id)
    assert (now.status, now.run) == (Status.RUNNING, 1), "it runs on"


async def test_a_pod_is_not_taken_in_twice(desk: Desk) -> None:
    theirs = await desk.there.started(name="research")
    assert (await desk.adopt(theirs.id, "--yes")).code == 0
    again = await desk.adopt(theirs.id, "--yes", "--name", "other")
    again.complains(f"{theirs.id} is research (PROVISIONING) of this Podkeeper already")
    assert len(await desk.rows()) == 1


async def test_its_owner_its_name_and_its_document(desk: Desk) -> None:
    [first, second, third] = [await desk.there.started(name=name) for name in ("mine", "theirs", "one")]
    said = await desk.adopt(first.id, "--yes", "--user", "ana", "--name", "hers", "--json")
    document = said.document
    assert (said.code, said.err) == (0, "")
    assert (document["name"], document["owner"], document["runpod_id"]) == ("hers", "ana", first.id)
    assert document["url"] == f"http://{document['id']}-8080.proxy.localhost:8080"
    assert document["ports"] == [{"port": "8080/http", "url": document["url"]}]
    (await desk.adopt(second.id, "--yes", "--name", "hers")).complains("'hers' is taken")
    (await desk.adopt(second.id, "--yes", "--name", "Not This")).complains("'Not This' is not allowed", code=2)
    (await desk.adopt(second.id, "--yes", "--user", "Not This")).complains("'Not This' is not allowed", code=2)
    await desk.there.pods.rename(await desk.there.local(), second.id, "hers")
    assert (await desk.adopt(second.id, "--yes", "--json")).document["name"] == "hers-1"
    limited = await desk.adopt(third.id, "--yes", PODKEEPER_MAX_PODS_PER_USER="1")
    assert (limited.code, "the limit is 1" in limited.err) == (1, True)
    assert await _name(desk.there, third) == "one"


async def test_a_gpu_and_a_volume_disk_are_shown_and_taken_over(desk: Desk) -> None:
    theirs = await desk.there.started(gpu="L4", volume="20g")
    said = await desk.adopt(theirs.id, "--yes")
    assert "NVIDIA L4, a volume disk of 20g at /workspace." in said.err, said
    [pod] = await desk.rows()
    assert pod.spec.gpu is not None
    assert (pod.spec.gpu.type, pod.spec.volume, pod.spec.volume_path) == ("NVIDIA L4", 20 * GB, "/workspace")


async def test_without_a_terminal_it_wants_a_yes_and_says_what_for(desk: Desk) -> None:
    theirs = await desk.there.started(name="research")
    said = await desk.adopt(theirs.id)
    assert said.code == 2
    for words in ("stops it when nobody uses it for 30m", "container disk is lost", "--yes", "research at RunPod"):
        assert words in said.err
    await desk.there.pods.stop(await desk.there.local(), theirs.id)
    await desk.there.after(theirs)
    assert "is stopped now, and is started by this" in (await desk.adopt(theirs.id)).err
    assert "does not stop it by itself" in (await desk.adopt(theirs.id, PODKEEPER_IDLE_TIMEOUT="0")).err
    assert await desk.rows() == ()
    assert await _name(desk.there, theirs) == "research"


async def test_at_a_terminal_it_is_asked_and_a_no_changes_nothing(desk: Desk) -> None:
    theirs = await desk.there.started(name="research")
    names = [name for name in os.environ if name.startswith(("PODKEEPER_", "RUNPOD_"))]
    terminal = Place(desk.settings.data_dir, {name: os.environ[name] for name in names})
    for answer, code, rows in (("n", 1, 0), ("y", 0, 1)):
        asked = {"[y/N]": answer}
        ended, screen = await asyncio.to_thread(terminal.at_terminal, "adopt", theirs.id, answers=asked)
        assert (ended, len(await desk.rows())) == (code, rows), screen
        assert "research at RunPod: RUNNING" in screen
        assert ("Nothing was done" in screen) is (answer == "n")


async def test_what_is_not_there_or_no_id_is_told(desk: Desk) -> None:
    (await desk.adopt("nosuchpod12345", "--yes")).complains("has no pod nosuchpod12345", "console")
    for wrong in ("../templates/hello", "a b", "x" * 200):
        (await desk.adopt(wrong, "--yes")).complains("is not the id of a pod", code=2)
    theirs = await desk.there.started()
    (await desk.adopt(theirs.id, "--yes", RUNPOD_API_KEY="wrong")).complains("does not accept the key")
    (await desk.adopt(theirs.id, "--yes", PODKEEPER_ENGINE="docker")).complains("PODKEEPER_ENGINE is docker", code=2)
    assert await desk.rows() == ()


async def test_a_pod_in_no_status_for_it_is_refused(desk: Desk) -> None:
    desk.there.engine.script = Script.SLOW_START
    me = await desk.there.local()
    begun = await desk.there.pods.start(me, _request("slow"))
    await desk.there.engine.waiting.wait()
    (await desk.adopt(begun.id, "--yes")).complains("STARTING", "Try again in a minute")
    await desk.there.pods.terminate(me, begun.id)
    desk.there.engine.proceed.set()
    await desk.there.after(begun)
    (await desk.adopt(begun.id, "--yes")).complains("TERMINATED", "gone for good")
    assert await desk.rows() == ()


async def test_another_podkeepers_pod_is_refused_and_nothing_of_it_changed(desk: Desk) -> None:
    theirs = await desk.there.started(name=Marks("ffffffffffff").name("web-1", "2s56cp0pof1rmt"))
    said = await desk.adopt(theirs.id, "--yes")
    said.complains("another Podkeeper (installation ffffffffffff)", "PODKEEPER_INSTALLATION")
    assert await desk.rows() == ()
    assert await _name(desk.there, theirs) == theirs.name


async def test_a_strange_network_volume_is_refused(desk: Desk) -> None:
    me = await desk.there.local()
    await desk.there.house.services.volumes.create(me, "models", "20g")
    theirs = await desk.there.started(network_volume="models")
    (await desk.adopt(theirs.id, "--yes")).complains("network volume models", "podkeeper volume create")
    assert await desk.rows() == ()


async def test_what_runs_and_does_not_answer_is_refused_and_what_answers_tells_that_it_is_up(desk: Desk) -> None:
    theirs = await desk.there.started(name="mute")
    desk.doors["status"] = 502
    (await desk.adopt(theirs.id, "--yes")).complains("none of its web ports (8080) answers", "0.0.0.0")
    assert await desk.rows() == ()
    desk.doors["status"] = 404
    assert (await desk.adopt(theirs.id, "--yes")).code == 0, "it is there, whatever it says at /"


async def test_one_that_is_stopped_need_not_answer(desk: Desk) -> None:
    theirs = await desk.there.started(name="asleep")
    await desk.there.pods.stop(await desk.there.local(), theirs.id)
    await desk.there.after(theirs)
    desk.doors["status"] = 502
    assert (await desk.adopt(theirs.id, "--yes")).code == 0
    [pod] = await desk.rows()
    assert (pod.spec.ready, pod.status) == (None, Status.PROVISIONING)


async def test_broken_off_before_the_mark_it_is_finished_by_the_same_command(desk: Desk) -> None:
    """A key that may not change pods stands for whatever comes between the row and the mark."""
    me = await desk.there.local()
    theirs = await desk.there.started(name="research")
    _, reading = await desk.there.house.services.tokens.make(me, "script", Scope.READ)
    said = await desk.adopt(theirs.id, "--yes", RUNPOD_API_KEY=reading)
    assert (said.code, "is taken in, but not marked at RunPod" in said.err) == (1, True), said
    [pod] = await desk.rows()
    assert (pod.ref, await _name(desk.there, theirs)) == (f"{theirs.id}@1", "research")
    again = await desk.adopt(theirs.id, "--yes")
    assert (again.code, "only its mark at RunPod is missing" in again.err) == (0, True)
    assert [row.id for row in await desk.rows()] == [pod.id]
    async with desk.store() as store:
        assert Marks(store.installation).of_name(await _name(desk.there, theirs)) == pod.id
    (await desk.adopt(theirs.id, "--yes")).complains("already")


def _request(name: str) -> StartRequest:
    return StartRequest(template="hello", name=name)


async def _name(there: FakeHouse, pod: Pod) -> str:
    return (await there.pods.get(await there.local(), pod.id)).name
