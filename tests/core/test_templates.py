"""The catalog: built-in templates, the user's, and wrong ones."""

from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import NotFound
from core.model import BusyAbove, IdleAction, IdleRule, Ignore, Wake
from core.templates import Catalog

HALF_HOUR, FIVE = timedelta(minutes=30), timedelta(minutes=5)
GOOD = "name: mine\ndescription: Mine.\nimage: example.org/mine:1\n"


def test_the_nine_built_in_templates_load() -> None:
    catalog = Catalog.load(None, HALF_HOUR, FIVE)
    assert catalog.problems == ()
    assert [t.name for t in catalog.list()] == [
        "code-server", "comfyui", "hello", "jupyter", "llama-template", "ollama", "pytorch", "ubuntu", "vllm",
    ]  # fmt: skip
    for template in catalog.list():
        assert template.spec.http_ports, f"{template.name} has no web port, so nobody would see it idle"
        assert template.spec.idle.timeout == HALF_HOUR
        assert template.spec.idle.warning == FIVE
        assert not template.spec.idle.ignore.everything
        assert template.spec.ready is not None


def test_a_users_template_wins_over_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text("name: hello\ndescription: Ours.\nimage: ours:1\nidle: {timeout: 5m}\n")
    found = Catalog.load(tmp_path, HALF_HOUR, FIVE).get("hello")
    assert found.spec.image == "ours:1"
    assert found.spec.idle.timeout == timedelta(minutes=5)
    assert found.source == str(tmp_path / "hello.yaml")


@pytest.mark.parametrize(
    ("template", "work"),
    [
        ("code-server", ["/stable-1234", "/proxy/3000/"]),
        ("comfyui", ["/prompt", "/api/prompt", "/ws", "/history/1"]),
        ("jupyter", ["/api/kernels/1/channels", "/api/contents/a.ipynb", "/terminals/websocket/1", "/lab"]),
        ("llama-template", ["/v1/chat/completions", "/completion"]),
        ("ollama", ["/api/chat", "/api/generate", "/api/pull", "/v1/chat/completions"]),
        ("pytorch", ["/api/kernels/1/channels", "/api/contents/a.ipynb", "/terminals/websocket/1", "/lab"]),
        ("vllm", ["/v1/chat/completions", "/v1/completions"]),
    ],
)
def test_no_built_in_template_ignores_the_paths_that_carry_its_work(template: str, work: list[str]) -> None:
    ignore = Catalog.load(None, HALF_HOUR, FIVE).get(template).spec.idle.ignore
    assert ignore.paths
    assert "UptimeRobot" in ignore.agents
    for path in work:
        assert not [rule for rule in ignore.paths if f"{path}/".startswith(f"{rule}/")]


def test_secrets_are_generated_where_an_image_asks_for_one() -> None:
    found = {t.name: t.spec.generated for t in Catalog.load(None, HALF_HOUR, FIVE).list() if t.spec.generated}
    assert found == {
        "code-server": ("PASSWORD",),
        "jupyter": ("JUPYTER_TOKEN",),
        "pytorch": ("JUPYTER_TOKEN",),
        "ubuntu": ("TERMINAL_PASSWORD",),
    }


IDLE = """
env: {MODE: 1, SECRET: {generate: token}}
idle:
  timeout: 45m
  warning: 10m
  action: terminate
  ignore: {paths: [/health, /metrics/, /], agents: [Uptime Robot], methods: [head]}
  noise: 2k
  silent_request: 0
  busy_above: {cpu: 20%, memory: 0.5, gpu: 100%}
wake: auto
max_lifetime: 12h
"""


def load(tmp_path: Path, text: str, timeout: timedelta = HALF_HOUR, warning: timedelta = FIVE) -> Catalog:
    (tmp_path / "mine.yaml").write_text(GOOD + text)
    return Catalog.load(tmp_path, timeout, warning)


def test_every_key_of_the_idle_rule_is_read(tmp_path: Path) -> None:
    spec = load(tmp_path, IDLE).get("mine").spec
    assert spec.idle == IdleRule(
        timeout=timedelta(minutes=45),
        warning=timedelta(minutes=10),
        action=IdleAction.TERMINATE,
        ignore=Ignore(paths=("/health", "/metrics", "/"), agents=("Uptime Robot",), methods=("HEAD",)),
        noise=2048,
        silent_request=timedelta(),
        busy_above=BusyAbove(cpu=0.2, memory=0.5, gpu=1),
    )
    assert spec.idle.ignore.everything
    assert (spec.wake, spec.max_lifetime) == (Wake.AUTO, timedelta(hours=12))
    assert (spec.env, spec.generated) == ({"MODE": "1"}, ("SECRET",))


def test_a_file_may_name_several_kinds_of_gpu(tmp_path: Path) -> None:
    gpu = load(tmp_path, "gpu: A100,L40S:2\n").get("mine").spec.gpu
    assert gpu is not None
    assert (gpu.types, gpu.count) == (("A100", "L40S"), 2)


def test_a_file_that_says_nothing_lives_by_the_installations_rules(tmp_path: Path) -> None:
    for text in ("", "idle:\n", "idle: {}\n"):
        spec = load(tmp_path, text).get("mine").spec
        assert spec.idle == IdleRule(timeout=HALF_HOUR, warning=FIVE)
        assert (spec.wake, spec.max_lifetime, spec.generated) == (None, None, ())
    assert load(tmp_path, "max_lifetime: 0\n").get("mine").spec.max_lifetime is None


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("idle: {timeout: 4m}", timedelta(minutes=2)),
        ("idle: {timeout: 2h}", FIVE),
        ("idle: {timeout: 0}", FIVE),
        ("idle: {timeout: 4m, warning: 4m}", timedelta(minutes=4)),
        ("idle: {timeout: 0, warning: 1h}", timedelta(hours=1)),
        ("idle: {warning: 0}", timedelta()),
    ],
)
def test_a_warning_comes_as_said_or_no_earlier_than_half_way(tmp_path: Path, text: str, warning: timedelta) -> None:
    assert load(tmp_path, text).get("mine").spec.idle.warning == warning


@pytest.mark.parametrize(
    ("text", "wake"), [("off", Wake.OFF), ("'off'", Wake.OFF), ("button", Wake.BUTTON), ("auto", Wake.AUTO)]
)
def test_a_bare_off_is_the_word_and_not_the_truth_value(tmp_path: Path, text: str, wake: Wake) -> None:
    assert load(tmp_path, f"wake: {text}\n").get("mine").spec.wake is wake


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "memroy: 8g\n", "unknown key 'memroy'; did you mean memory?"),
        (GOOD + "idle: {timout: 5m}\n", "unknown key 'idle.timout'; did you mean timeout?"),
        (GOOD + "zzz: 1\n", "unknown key 'zzz'; allowed: name, description"),
        (GOOD + "memory: 10XB\n", "memory: size: '10XB' is not a size"),
        (GOOD + "gpu: A100:x\n", "TYPE or TYPE:COUNT, such as any or A100:2, or several types, such as A100,L40S"),
        (GOOD + "ports: [8080]\n", "ports.0: "),
        (GOOD + "ports: ['8080/udp']\n", "'8080/udp' is not a port"),
        (GOOD + "ports: ['0/http']\n", "ports.0"),
        (GOOD + "cpu: lots\n", "cpu: "),
        (GOOD + "env: {PODKEEPER_POD_ID: x}\n", "PODKEEPER_POD_ID is set by Podkeeper itself"),
        (GOOD + "idle: {timeout: 30}\n", "Did you mean 30m?"),
        (GOOD + "idle: {timeout: 30m, warning: 45m}\n", "idle.warning: 45m is longer than the timeout, 30m; expected"),
        (GOOD + "idle: {warning: 45m}\n", "idle.warning: 45m is longer than the timeout, 30m"),
        (GOOD + "idle: {warning: -1m}\n", "idle.warning: duration: '-1m' is not a duration"),
        (GOOD + "idle: {timeout: ٣٠m}\n", "is not a duration"),
        (GOOD + "idle: {timeout: 1e9h}\n", "is not a duration"),
        (GOOD + "idle: 30m\n", "idle: "),
        (GOOD + "idle: {action: kill}\n", "expected stop, terminate or notify"),
        (GOOD + "idle: {noise: loud}\n", "idle.noise: size: 'loud' is not a size"),
        (GOOD + "idle: {silent_request: long}\n", "expected a duration such as 2h"),
        (GOOD + "idle: {busy_above: {cpu: 0}}\n", "idle.busy_above.cpu: '0' is not a share"),
        (GOOD + "idle: {busy_above: {cpu: 0%}}\n", "'0%' is not a share"),
        (GOOD + "idle: {busy_above: {gpu: 101%}}\n", "write more than 0% and at most 100%"),
        (GOOD + "idle: {busy_above: {gpu: 20}}\n", "Did you mean 20%?"),
        (GOOD + "idle: {busy_above: {gpu: .nan}}\n", "'nan' is not a share"),
        (GOOD + "idle: {busy_above: {cpus: 5%}}\n", "unknown key 'idle.busy_above.cpus'; did you mean cpu?"),
        (GOOD + "idle: {ignore: {path: [/x]}}\n", "unknown key 'idle.ignore.path'; did you mean paths?"),
        (GOOD + "idle: {ignore: [/x]}\n", "idle.ignore: "),
        (GOOD + "idle: {ignore: {paths: /x}}\n", "idle.ignore.paths: "),
        (GOOD + "idle: {ignore: {paths: [health]}}\n", "idle.ignore.paths: 'health' is not allowed; expected a path"),
        (GOOD + "idle: {ignore: {paths: ['/a?b']}}\n", "'/a?b' is not allowed"),
        (GOOD + "idle: {ignore: {paths: ['/a#b']}}\n", "'/a#b' is not allowed"),
        (GOOD + "idle: {ignore: {paths: ['/a b']}}\n", "'/a b' is not allowed"),
        (GOOD + f"idle: {{ignore: {{paths: [/{'a' * 200}]}}}}\n", "is not allowed"),
        (GOOD + f"idle: {{ignore: {{paths: [{'/a, ' * 51}]}}}}\n", "51 rules are too many; at most 50"),
        (GOOD + "idle: {ignore: {agents: ['']}}\n", "idle.ignore.agents: '' is not allowed"),
        (GOOD + "idle: {ignore: {methods: [GET1]}}\n", "idle.ignore.methods: 'GET1' is not allowed"),
        (GOOD + "wake: on\n", "wake: "),
        (GOOD + "wake: never\n", "expected auto, button or off"),
        (GOOD + "max_lifetime: long\n", "expected a duration such as 12h"),
        (GOOD + "env: {A: {generate: password}}\n", "env.A: the only mapping that a value may be is {generate: token}"),
        (GOOD + "env: {A: null}\n", "env.A: is not a text or a number"),
        (GOOD + "env: {RUNPOD_X: {generate: token}}\n", "RUNPOD_X is set by Podkeeper itself"),
        ("name: Mine!\ndescription: x\nimage: i\n", "name: 'Mine!' is not allowed"),
        (f"name: {'n' * 57}\ndescription: x\nimage: i\n", "at most 56 characters"),
        ("description: x\nimage: i\n", "name is missing"),
        ("- 1\n", "expected a mapping"),
        ("a: [", "this is not YAML"),
        ("[" * 5000, "this is not YAML"),
    ],
)
def test_a_wrong_file_is_told_by_file_key_and_what_was_expected_and_the_others_load(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "a-bad.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text(GOOD)
    catalog = Catalog.load(tmp_path, HALF_HOUR, FIVE)
    assert catalog.get("mine").spec.image == "example.org/mine:1"
    assert len(catalog.problems) == 1
    assert str(tmp_path / "a-bad.yaml") in catalog.problems[0]
    assert told in catalog.problems[0]


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    assert "bad.yaml" in Catalog.load(tmp_path, HALF_HOUR, FIVE).problems[0]


def test_a_missing_directory_is_told() -> None:
    assert "is not a directory" in Catalog.load(Path("/nowhere/at/all"), HALF_HOUR, FIVE).problems[0]


def test_an_unknown_template_is_answered_with_the_nearest_names() -> None:
    catalog = Catalog.load(None, HALF_HOUR, FIVE)
    with pytest.raises(NotFound, match=r"Did you mean .*llama-template"):
        catalog.get("lama-template")
    with pytest.raises(NotFound, match="There are: code-server"):
        catalog.get("x" * 10_000)
