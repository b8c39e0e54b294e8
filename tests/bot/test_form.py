"""The form for a start: opened by a command, a button or a shortcut; wrong fields are told where they are."""

import json
from pathlib import Path

import pytest

from bot.form import START_FORM, read, start_form
from core.engines.fake import FakeEngine
from core.errors import InvalidInput
from core.model import Gpu, Status
from core.service import StartRequest
from core.units import parse_bytes
from tests.bot.conftest import ANA, BOB, EVE, GENERAL, Stage, staged
from tests.slack_double import SlackDouble, View


async def opened(stage: Stage) -> View:
    """The form that opens next."""
    [*_, view] = await stage.slack.until(lambda: [view for view in stage.slack.views if view.open], what="for a form")
    assert view.view["callback_id"] == START_FORM
    return view


async def test_start_without_a_template_asks_in_a_form_and_starts_in_the_channel(stage: Stage) -> None:
    ack = await stage.pod("start --memory 64m")
    form = await opened(stage)
    await stage.slack.again(ack)
    sent = await stage.slack.submit(
        ANA, form, template="hello", name="demo", volume="1g", idle="1h", env="A=1\nGREETING=good day = fine"
    )
    assert sent.ok
    assert not form.open
    [post] = await stage.slack.until(lambda: stage.slack.messages(GENERAL))
    await stage.shows(post, "`demo` is running")
    pod = await stage.only_pod()
    assert (pod.owner_name, pod.spec.memory, pod.spec.volume) == ("ana", parse_bytes("64m"), parse_bytes("1g"))
    assert pod.spec.idle.timeout.total_seconds() == 3600
    assert {name: pod.spec.env[name] for name in ("A", "GREETING")} == {"A": "1", "GREETING": "good day = fine"}
    assert len(stage.slack.views) == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "No Such!", "is not allowed"),
        ("name", "taken", "is taken"),
        ("cpu", "many", "is not a number of vCPUs"),
        ("memory", "10XB", "is not a size"),
        ("gpu", "A100:x", "is not a GPU request"),
        ("volume", "1q", "is not a size"),
        ("idle", "30", "Did you mean 30m?"),
        ("lifetime", "-1m", "is not a duration"),
        ("env", "PODKEEPER_X=1", "is set by Podkeeper itself"),
        ("env", "nonsense", "Write NAME=value"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_the_form_stays(
    stage: Stage, field: str, value: str, said: str
) -> None:
    await stage.home.started(await stage.home.member(ANA), name="taken")
    await stage.pod("start")
    form = await opened(stage)
    await stage.slack.submit(ANA, form, **{"template": "hello", field: value})
    assert list(form.errors) == [field]
    assert said in form.errors[field]
    assert form.open
    assert len(await stage.home.pods.list(await stage.home.local(), everyone=True)) == 1
    assert (await stage.slack.submit(ANA, form, template="hello", name="demo")).ok
    [post] = await stage.slack.until(lambda: stage.slack.messages(GENERAL))
    await stage.shows(post, "`demo` is running")


async def test_a_form_that_is_sent_twice_starts_one_pod(stage: Stage) -> None:
    await stage.pod("start")
    form = await opened(stage)
    sent = await stage.slack.submit(ANA, form, template="hello")
    assert (await stage.slack.again(sent)).ok
    [post] = await stage.slack.until(lambda: stage.slack.messages(GENERAL))
    await stage.shows(post, "is running")
    assert (await stage.only_pod()).status is Status.RUNNING


async def test_a_limit_is_said_in_the_form(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack, max_pods_per_user=1) as stage:
        await stage.home.started(await stage.home.member(ANA))
        await stage.pod("start")
        form = await opened(stage)
        await slack.submit(ANA, form, template="hello")
        assert "limit" in form.errors["template"]


async def test_a_trigger_that_slack_does_not_take_leaves_the_command(stage: Stage) -> None:
    stage.slack.fail_next("views.open", "expired_trigger_id")
    said = await stage.told("start")
    assert "Which template? Write it after start, for example `/pod start hello`" in said.screen


async def test_a_global_shortcut_opens_the_form_and_the_start_is_told_directly(stage: Stage) -> None:
    assert (await stage.slack.shortcut(BOB, "start_pod")).ok
    form = await opened(stage)
    await stage.slack.submit(BOB, form, template="hello")
    [post] = await stage.slack.until(lambda: stage.slack.directs(BOB))
    await stage.shows(post, "is running")
    assert stage.slack.ephemerals(BOB) == []


async def test_bare_pod_offers_the_form_a_list_and_help(stage: Stage) -> None:
    greeting = await stage.told("")
    assert greeting.buttons == ["Start a pod…", "My pods", "Help"]
    await stage.slack.click(ANA, greeting, "pod_form")
    await opened(stage)
    await stage.slack.click(ANA, greeting, "pod_list")
    await stage.slack.until(lambda: "You have no pods" in stage.slack.ephemerals(ANA)[-1].screen)
    await stage.slack.click(ANA, greeting, "pod_help")
    await stage.slack.until(lambda: "/pod terminate" in stage.slack.ephemerals(ANA)[-1].screen)


async def test_a_form_has_the_network_volumes_and_what_was_typed(stage: Stage) -> None:
    volumes = stage.home.house.services.volumes
    await volumes.create(await stage.home.local(), "datasets")
    await stage.pod("start --network-volume datasets --env A=1 --env B=2 --gpu A100:2")
    form = await opened(stage)
    fields = {block["block_id"]: block["element"] for block in form.blocks}
    assert fields["network_volume"]["initial_option"]["value"] == "datasets"
    assert fields["env"]["initial_value"] == "A=1\nB=2"
    assert fields["gpu"]["initial_value"] == "A100:2"


async def test_a_form_holds_as_many_kinds_of_gpu_as_a_request(tmp_path: Path, slack: SlackDouble) -> None:
    kinds = ",".join(f"NVIDIA A{n}00 80GB PCIe of a long name" for n in range(8))
    engine = FakeEngine(gpus=[Gpu(uuid="GPU-0", type="NVIDIA A700 80GB PCIe of a long name", memory=80 << 30)])
    async with staged("socket", tmp_path / "data", slack, engine=engine) as stage:
        await stage.pod(f'start --gpu "{kinds}"')
        form = await opened(stage)
        field = next(block["element"] for block in form.blocks if block["block_id"] == "gpu")
        assert field["initial_value"] == kinds
        assert "A100,L40S (the first to be had)" in field["placeholder"]["text"]
        assert (await slack.submit(ANA, form, template="hello")).ok
        [post] = await slack.until(lambda: slack.messages(GENERAL))
        await stage.shows(post, "is running")
        assert (await stage.only_pod()).gpus == ("GPU-0",)


async def test_another_pod_like_this_one_is_asked_for_with_what_it_has(stage: Stage) -> None:
    await stage.started("start hello --name demo --memory 128m --volume 1g --idle 2h --env A=1")
    shown = await stage.told("show demo")
    assert shown.buttons == ["Open", "Keep 1 h", "Stop", "Start another…"]
    await stage.slack.click(ANA, shown, "pod_like")
    form = await opened(stage)
    assert (await stage.slack.submit(ANA, form)).ok
    [_, post] = await stage.slack.until(
        lambda: len(stage.slack.messages(GENERAL)) == 2 and stage.slack.messages(GENERAL)
    )
    await stage.shows(post, "is running")
    one, other = await stage.home.pods.list(await stage.home.local(), everyone=True)
    assert one.name != other.name
    assert one.spec == other.spec


@pytest.mark.parametrize(("user", "by_slack", "shown"), [(ANA, True, True), (EVE, True, False), (ANA, False, False)])
async def test_of_a_pods_variables_the_form_has_what_its_owner_typed_in_slack(
    tmp_path: Path, slack: SlackDouble, user: str, by_slack: bool, shown: bool
) -> None:
    (tmp_path / "templates").mkdir()
    template = "name: own\ndescription: Own.\nimage: busybox:stable\nports: ['8080/http']\nenv: {HF_TOKEN: lion}\n"
    (tmp_path / "templates" / "own.yaml").write_text(template)
    given = {"templates_dir": tmp_path / "templates", "admins": frozenset({EVE})}
    async with staged("socket", tmp_path / "data", slack, **given) as stage:
        caller = await stage.home.member(ANA)
        via = caller if by_slack else caller.model_copy(update={"via": "mcp"})
        await stage.home.started(via, template="own", name="demo", env={"TOKEN": "tiger"})
        await slack.click(user, await stage.told("show demo", user), "pod_like")
        form = json.dumps((await opened(stage)).view)
        assert ("tiger" in form) is shown
        assert "lion" not in form


@pytest.mark.parametrize("view", [{}, {"state": None}, {"state": {"values": {"template": None}}}])
def test_a_submission_without_its_state_asks_for_the_template(view: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="template: Choose what to start"):
        read(view)


def test_what_a_form_shows_is_what_comes_back() -> None:
    request = StartRequest(template="x", name="demo", env={"A": "1=2"}, idle="0")
    view = start_form([], [], request, "C1")
    values = {
        block["block_id"]: {"value": {"type": block["element"]["type"], "value": block["element"].get("initial_value")}}
        for block in view["blocks"]
    }
    values["template"] = {"value": {"type": "static_select", "selected_option": {"value": "x"}}}
    assert read(json.loads(json.dumps({"state": {"values": values}}))) == request
