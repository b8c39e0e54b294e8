"""The doctor finds what is wrong, and says how to mend it."""

import datetime
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cli.doctor import Check, examine
from core.settings import Settings
from tests.cli.conftest import Command
from tests.cli.desk import Place
from tests.company import Company
from tests.company import settings as login_settings
from tests.helpers import free_port


@pytest.fixture(autouse=True)
def _swept(tmp_path: Path) -> Iterator[None]:
    """Looking at the engine makes the network of the installation, which is removed here."""
    yield
    Place(tmp_path / "data").clear()


def _settings(folder: Path, **given: Any) -> Settings:
    ports = {"listen": ("127.0.0.1", free_port()), "gateway_listen": ("127.0.0.1", free_port())}
    return Settings(data_dir=folder / "data", **{**ports, **given})


def _wrong(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.text for check in checks if not check.ok}


def test_all_is_well_beside_a_running_service(served: Place, command: Command) -> None:
    said = command("doctor")
    assert said.code == 0, said.out
    assert all(line.startswith("✓ ") for line in said.out.splitlines())
    for word in ("Docker Engine", "Envoy 1.", "sqlite", "running and ready", "hello", "docs/slack.md"):
        assert word in said.out
    found = command("doctor", "--json")
    assert found.document["ok"] is True
    assert {check["name"] for check in found.document["checks"]} >= {"engine", "database", "gateway binary", "service"}


def test_it_ends_with_1_when_something_is_wrong(command: Command) -> None:
    found = command("doctor", "--json", PODKEEPER_ENVOY="/nowhere/envoy")
    assert (found.code, found.document["ok"]) == (1, False)
    assert "✗ gateway binary" in command("doctor", PODKEEPER_ENVOY="/nowhere/envoy").out


async def test_each_fault_is_found_with_its_mending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "bad.yaml").write_text("name: bad\ndescription: Bad.\nimage: x\nmemroy: 1g\n")
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data" / "token").write_text("pk_x\n")
    (tmp_path / "data" / "token").chmod(0o644)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    wrong = _wrong(
        await examine(
            _settings(tmp_path, envoy="/bin/true", templates_dir=tmp_path / "templates", slack_app_token="xapp-1")
        )
    )
    assert set(wrong) == {"data directory", "token", "engine", "gateway binary", "templates", "Slack"}
    assert "chmod 700" in wrong["data directory"]
    assert "chmod 600" in wrong["token"]
    assert "Docker Engine does not answer" in wrong["engine"]
    assert "PODKEEPER_ENVOY" in wrong["gateway binary"]
    assert "did you mean memory?" in wrong["templates"]
    assert "SLACK_BOT_TOKEN is missing" in wrong["Slack"]


async def test_a_database_that_does_not_answer_is_found(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://me:hush@127.0.0.1:{free_port()}/pods"
    wrong = _wrong(await examine(_settings(tmp_path, database_url=url)))
    assert set(wrong) == {"database", "engine"}
    assert "hush" not in wrong["database"]


async def test_taken_ports_are_found(tmp_path: Path, slack: tuple[int, list[str]]) -> None:
    taken = ("127.0.0.1", slack[0])
    wrong = _wrong(await examine(_settings(tmp_path, gateway_listen=taken)))
    assert "PODKEEPER_GATEWAY_LISTEN" in wrong[f"port {slack[0]}"]
    wrong = _wrong(await examine(_settings(tmp_path, listen=taken)))
    assert "PODKEEPER_LISTEN" in wrong[f"port {slack[0]}"]


_KNOWN = {
    "xoxb-right": "commands,chat:write, im:write,users:read,files:write,team:read",
    "xoxb-poor": "commands",
    "xapp-1": "",
}
"""Tokens and their scopes."""


@pytest.fixture
def slack() -> Iterator[tuple[int, list[str]]]:
    """A Web API that knows one token, and what it was asked."""
    asked: list[str] = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            token = self.headers["Authorization"].removeprefix("Bearer ")
            refused = {"xapp-poor": "missing_scope"}.get(token, None if token in _KNOWN else "invalid_auth")
            answer = {"ok": False, "error": refused} if refused else {"ok": True, "user": "podkeeper", "team": "Us"}
            self.send_response(200)
            if token in _KNOWN:
                self.send_header("x-oauth-scopes", _KNOWN[token])
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], asked
        server.shutdown()
        thread.join()


async def _slack(folder: Path, port: int, **tokens: str) -> dict[str, str]:
    checks = await examine(_settings(folder, slack_api_url=f"http://127.0.0.1:{port}/api/", **tokens))
    return {f"{check.name}{'' if check.ok else ' ✗'}": check.text for check in checks if check.name.startswith("Slack")}


async def test_slack_is_asked_whether_it_knows_us(tmp_path: Path, slack: tuple[int, list[str]]) -> None:
    port, asked = slack
    good = await _slack(tmp_path, port, slack_bot_token="xoxb-right", slack_app_token="xapp-1")
    assert good["Slack"] == "connected as podkeeper in Us"
    assert "on this machine only" in good["Slack addresses"]
    assert (
        "invalid_auth" in (await _slack(tmp_path, port, slack_bot_token="xoxb-no", slack_app_token="xapp-1"))["Slack ✗"]
    )
    for word in ("PODKEEPER_PROXY_DOMAIN", "PODKEEPER_GATEWAY_LISTEN"):
        assert word in good["Slack addresses"]
    assert asked == ["/api/auth.test", "/api/apps.connections.open", "/api/auth.test"]
    lacking = await _slack(tmp_path, port, slack_bot_token="xoxb-poor", slack_app_token="xapp-1")
    assert "lacks the scope chat:write, files:write, im:write, users:read" in lacking["Slack ✗"]
    lacking = await _slack(tmp_path, port, slack_bot_token="xoxb-right", slack_app_token="xapp-poor")
    assert "SLACK_APP_TOKEN lacks the scope connections:write" in lacking["Slack ✗"]
    refused = await _slack(tmp_path, port, slack_bot_token="xoxb-right", slack_app_token="xapp-no")
    assert "Slack refuses SLACK_APP_TOKEN (invalid_auth)" in refused["Slack ✗"]
    blocked = await _slack(tmp_path, free_port(), slack_bot_token="xoxb-right", slack_app_token="xapp-1")
    assert "no network, a proxy or firewall" in blocked["Slack ✗"]
    assert "xoxb-" in (await _slack(tmp_path, port, slack_bot_token="xapp-1", slack_app_token="xapp-1"))["Slack ✗"]
    assert "SLACK_SIGNING_SECRET" in (await _slack(tmp_path, port, slack_bot_token="xoxb-right"))["Slack ✗"]
    away = await _slack(tmp_path, free_port(), slack_bot_token="xoxb-right", slack_app_token="xapp-1")
    assert "does not answer" in away["Slack ✗"]


def _certificate(folder: Path, name: str = "*.pods.example.org", days: int = 90) -> dict[str, Any]:
    """A certificate for that name that ends in so many days, as settings; one that ended has been for a year."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    whose = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(whose)
        .issuer_name(whose)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=365))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "tls.crt", folder / "tls.key"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"tls_cert": cert, "tls_key": secret, "proxy_domain": "pods.example.org"}


async def _tls(folder: Path, given: dict[str, Any]) -> Check:
    [found] = [check for check in await examine(_settings(folder, **given)) if check.name == "certificate"]
    return found


async def test_a_certificate_for_all_pods_is_well_and_a_nearly_old_one_is_told(tmp_path: Path) -> None:
    good = await _tls(tmp_path, _certificate(tmp_path))
    assert (good.ok, good.text.startswith("for *.pods.example.org until 20")) == (True, True)
    assert "renew" not in good.text
    soon = await _tls(tmp_path, _certificate(tmp_path, days=5))
    assert (soon.ok, "only 5 days are left" in soon.text) == (True, True)
    assert not list((tmp_path / "data").glob("tmp*")), "no copy of the key is left"


async def test_each_fault_of_a_certificate_is_found(tmp_path: Path) -> None:
    def folder(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    good = _certificate(folder("good"))
    faults = {
        "ended on 20": _certificate(folder("old"), days=-2),
        "is for *.example.org and not for *.pods.example.org": _certificate(folder("wide"), "*.example.org"),
        "and not for *.proxy.localhost": {**good, "proxy_domain": "proxy.localhost"},
        "cannot be read": {**good, "tls_key": tmp_path / "nowhere"},
        "does not belong": {**good, "tls_key": _certificate(folder("other"))["tls_key"]},
    }
    for words, given in faults.items():
        found = await _tls(tmp_path, given)
        assert (found.ok, words in found.text) == (False, True), found


async def test_the_range_of_tcp_ports_is_looked_at(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wrong = _wrong(await examine(_settings(tmp_path, tcp_ports=(port,))))
        assert set(wrong) == {"TCP ports"}
        for word in (f"{port} cannot be used", "PODKEEPER_TCP_PORTS", "30000-30099"):
            assert word in wrong["TCP ports"]
    settings = _settings(tmp_path, tcp_ports=(port,))
    assert not _wrong(await examine(settings))
    same = settings.model_copy(update={"gateway_listen": ("127.0.0.1", port)})
    assert "PODKEEPER_GATEWAY_LISTEN" in _wrong(await examine(same))["TCP ports"]


async def test_the_keep_alive_port_is_looked_at_where_pods_reach_it(tmp_path: Path) -> None:
    settings = _settings(tmp_path, keepalive_port=free_port())
    found = {check.name: check for check in await examine(settings)}["keep-alive port"]
    assert (found.ok, f":{settings.keepalive_port} on the network of the pods is free" in found.text) == (True, True)
    with socket.create_server((found.text.partition(":")[0], settings.keepalive_port)):
        wrong = _wrong(await examine(settings))
    assert "PODKEEPER_KEEPALIVE_PORT" in wrong["keep-alive port"]


async def test_the_keys_of_company_logins_are_read_and_what_is_wrong_with_them_is_told(
    tmp_path: Path, company: Company
) -> None:
    file = company.write(tmp_path / "keys.json")
    async with company.serving() as url:
        for where in (file, url):
            [found] = [c for c in await examine(_settings(tmp_path, **login_settings(where))) if "logins" in c.name]
            assert (found.ok, found.text) == (True, f"keys at {where}: {len(company.jwks['keys'])}")
        company.status = 503
        wrong = _wrong(await examine(_settings(tmp_path, **login_settings(url))))
        assert "it answers 503" in wrong["company logins"]
        assert "no company login is let in" in wrong["company logins"]
    file.write_text("{}")
    wrong = _wrong(await examine(_settings(tmp_path, **login_settings(file))))
    assert "no public key" in wrong["company logins"]
