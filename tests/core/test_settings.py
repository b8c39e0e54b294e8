"""Settings: each is documented, and a wrong one is named."""

from pathlib import Path

import pytest

from core.errors import InvalidInput
from core.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def _variable(field: str) -> str:
    return field.upper() if field.startswith(("slack_", "runpod_")) else f"PODKEEPER_{field.upper()}"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_has_its_line_in_the_docs(field: str) -> None:
    assert f"\n| `{_variable(field)}` |" in DOCUMENT.read_text()


def test_the_docs_tell_of_no_setting_that_is_not_there() -> None:
    lines = [
        line
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith(("| `PODKEEPER_", "| `SLACK_", "| `RUNPOD_"))
    ]
    told = {line.split("`")[1] for line in lines}
    assert told == {_variable(field) for field in Settings.model_fields}


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PODKEEPER_LISTEN", "8700", "ADDRESS:PORT"),
        ("PODKEEPER_GATEWAY_LISTEN", "localhost:8080", "ADDRESS:PORT"),
        ("PODKEEPER_LISTEN", "127.0.0.1:99999", "ADDRESS:PORT"),
        ("PODKEEPER_IDLE_TIMEOUT", "30", "Did you mean 30m?"),
        ("PODKEEPER_REAPER_INTERVAL", "0", "longer than 0"),
        ("PODKEEPER_MAX_PODS_PER_USER", "0", "greater than or equal to 1"),
        ("PODKEEPER_TCP_PORTS", "8000-8100", "8080, which is the port of PODKEEPER_GATEWAY_LISTEN"),
        ("PODKEEPER_TCP_PORTS", "8701", "PODKEEPER_KEEPALIVE_PORT"),
        ("PODKEEPER_TCP_PORTS", "30099-30000", "30000-30099"),
        ("PODKEEPER_ENGINE", "podman", "docker"),
        ("PODKEEPER_ENGINE", "runpod", "RUNPOD_API_KEY"),
        ("RUNPOD_API_BASE_URL", "http://api.runpod.io", "https://api.runpod.io"),
        ("RUNPOD_API_BASE_URL", "https://key@api.runpod.io", "https://api.runpod.io"),
        ("RUNPOD_API_BASE_URL", "https://api.runpod.io/v2", "without a path"),
        ("RUNPOD_API_BASE_URL", "api.runpod.io", "RUNPOD_API_BASE_URL"),
        ("RUNPOD_PROXY_URL", "http://proxy.runpod.net", "RUNPOD_PROXY_URL"),
        ("RUNPOD_CLOUD", "secure", "SECURE"),
        ("PODKEEPER_NETWORK_VOLUME_STOP", "maybe", "refuse"),
        ("PODKEEPER_PROXY_URL", "pods.example.org", "PODKEEPER_PROXY_URL"),
        ("PODKEEPER_LOGIN_ISSUER", "https://login.example.com/|x", "without |"),
        ("PODKEEPER_LOGIN_AUDIENCE", "a b", "without spaces"),
        ("PODKEEPER_LOGIN_CLAIM", "a\tb", "without spaces"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput) as error:
        Settings.load()
    assert variable in str(error.value)
    assert expected in str(error.value)
    assert "docs/settings.md" in str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        {"PODKEEPER_LOGIN_ISSUER": "https://login.example.com/"},
        {"PODKEEPER_LOGIN_ISSUER": "https://login.example.com/", "PODKEEPER_LOGIN_AUDIENCE": "podkeeper"},
        {"PODKEEPER_LOGIN_JWKS": "/etc/keys.json"},
    ],
)
def test_a_provider_is_named_in_full_or_not_at_all(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    wanted = {f"PODKEEPER_LOGIN_{name}" for name in ("ISSUER", "AUDIENCE", "JWKS")}
    with pytest.raises(InvalidInput, match="belong together: set all of them, or none") as error:
        Settings.load()
    lacking = str(error.value).partition("Not set: ")[2].partition(".")[0]
    assert set(lacking.split(", ")) == wanted - given.keys()


@pytest.mark.parametrize(
    "where",
    [
        "keys.json",
        "/etc/podkeeper/keys.json",
        "https://login.example.com/keys?v=2",
        "http://127.0.0.1:8080/keys",
        "http://localhost/keys",
        "http://[::1]:8080/keys",
    ],
)
def test_keys_come_from_a_file_or_by_a_way_that_nobody_listens_on(where: str) -> None:
    given = Settings.load(login_issuer="i", login_audience="a", login_jwks=where)
    assert (given.login_jwks, given.login_claim) == (where, "sub")


@pytest.mark.parametrize(
    "where",
    [
        "http://login.example.com/keys",
        "http://127.0.0.1.example.com/keys",
        "http://10.0.0.1/keys",
        "https://ann:hush-hush@login.example.com/keys",
        "http://hush-hush@localhost/keys",
        "https:///keys",
        "https://login.example.com:0/keys",
        "https://login.example.com:port/keys",
        "https://[::1/keys",
        "file:///etc/keys.json",
        "ftp://localhost/keys",
    ],
)
def test_other_ways_to_the_keys_are_refused(where: str) -> None:
    with pytest.raises(InvalidInput, match="PODKEEPER_LOGIN_JWKS: write a file, or an address such as") as error:
        Settings.load(login_issuer="i", login_audience="a", login_jwks=where)
    assert "hush-hush" not in str(error.value)


@pytest.mark.parametrize("variable", ["PODKEEPER_TOKEN", "PODKEEPER_URL", "SLACK_SIGNING_SECRET", "SLACK_API_URL"])
def test_an_empty_value_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv(variable, raising=False)
    unset = Settings.load()
    monkeypatch.setenv(variable, "")
    assert Settings.load() == unset


def test_secrets_stay_out_of_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PODKEEPER_TOKEN", "PODKEEPER_DATABASE_URL", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.setenv(variable, "hush-hush")
    assert "hush-hush" not in repr(Settings.load())
