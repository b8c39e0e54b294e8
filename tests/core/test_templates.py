"""The catalog: built-in templates, the user's, and wrong ones."""

from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import NotFound
from core.templates import Catalog

HALF_HOUR = timedelta(minutes=30)
GOOD = "name: mine\ndescription: Mine.\nimage: example.org/mine:1\n"


def test_the_nine_built_in_templates_load() -> None:
    catalog = Catalog.load(None, HALF_HOUR)
    assert catalog.problems == ()
    assert [t.name for t in catalog.list()] == [
        "code-server", "comfyui", "hello", "jupyter", "llama-template", "ollama", "pytorch", "ubuntu", "vllm",
    ]  # fmt: skip
    for template in catalog.list():
        assert template.spec.http_ports, f"{template.name} has no web port, so nobody would see it idle"
        assert template.spec.idle.timeout == HALF_HOUR
        assert template.spec.ready is not None


def test_a_users_template_wins_over_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text("name: hello\ndescription: Ours.\nimage: ours:1\nidle: {timeout: 5m}\n")
    found = Catalog.load(tmp_path, HALF_HOUR).get("hello")
    assert found.spec.image == "ours:1"
    assert found.spec.idle.timeout == timedelta(minutes=5)
    assert found.source == str(tmp_path / "hello.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "memroy: 8g\n", "unknown key 'memroy'; did you mean memory?"),
        (GOOD + "idle: {timout: 5m}\n", "unknown key 'idle.timout'; did you mean timeout?"),
        (GOOD + "zzz: 1\n", "unknown key 'zzz'; allowed: name, description"),
        (GOOD + "memory: 10XB\n", "memory: size: '10XB' is not a size"),
        (GOOD + "ports: [8080]\n", "ports.0: "),
        (GOOD + "ports: ['8080/udp']\n", "'8080/udp' is not a port"),
        (GOOD + "ports: ['0/http']\n", "ports.0"),
        (GOOD + "cpu: lots\n", "cpu: "),
        (GOOD + "env: {PODKEEPER_POD_ID: x}\n", "PODKEEPER_POD_ID is set by Podkeeper itself"),
        (GOOD + "idle: {timeout: 30}\n", "Did you mean 30m?"),
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
    catalog = Catalog.load(tmp_path, HALF_HOUR)
    assert catalog.get("mine").spec.image == "example.org/mine:1"
    assert len(catalog.problems) == 1
    assert str(tmp_path / "a-bad.yaml") in catalog.problems[0]
    assert told in catalog.problems[0]


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    assert "bad.yaml" in Catalog.load(tmp_path, HALF_HOUR).problems[0]


def test_a_missing_directory_is_told() -> None:
    assert "is not a directory" in Catalog.load(Path("/nowhere/at/all"), HALF_HOUR).problems[0]


def test_an_unknown_template_is_answered_with_the_nearest_names() -> None:
    catalog = Catalog.load(None, HALF_HOUR)
    with pytest.raises(NotFound, match=r"Did you mean .*llama-template"):
        catalog.get("lama-template")
    with pytest.raises(NotFound, match="There are: code-server"):
        catalog.get("x" * 10_000)
