"""What a clumsy person types: each gets one paragraph, an exit code, and no harm done."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import app
from cli.output import complain, say
from tests.cli.conftest import Command
from tests.cli.desk import place
from tests.helpers import free_port

LONG = "x" * 10_000


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["pod"], ["Missing command", "podkeeper pod --help"]),
        (["pdo"], ["No such command 'pdo'"]),
        (["pod", "strat", "hello"], ["No such command 'strat'", "start"]),
        (["pod", "start"], ["Missing argument 'TEMPLATE'"]),
        (["pod", "start", "hello", "--memroy", "1g"], ["No such option", "--memory"]),
        (["pod", "start", "hello", "--memory", "10XB"], ["memory: '10XB' is not a size", "512m or 8g"]),
        (["pod", "start", "hello", "--memory", LONG], ["memory: 'xxx", "…"]),
        (["pod", "start", "hello", "--volume", "many"], ["volume: 'many' is not a size"]),
        (["pod", "start", "hello", "--cpu", "two"], ["--cpu"]),
        (["pod", "start", "hello", "--cpu", LONG], ["--cpu"]),
        (["pod", "start", "hello", "--cpu", "nan"], ["cpu: nan is not a number of vCPUs"]),
        (["pod", "start", "hello", "--cpu", "inf"], ["cpu: inf is not a number of vCPUs"]),
        (["pod", "start", "hello", "--env", "A=\udcff"], ["holds bytes that are no text"]),
        (["pod", "show", "caf\udce9"], ["'caf\N{REPLACEMENT CHARACTER}' holds bytes that are no text"]),
        (["pod", "start", "hello", "--gpu", "A100:many"], ["gpu: 'A100:many'", "A100:2"]),
        (["pod", "start", "hello", "--idle", "30"], ["idle: '30' is not a duration", "Did you mean 30m?"]),
        (["pod", "start", "hello", "--idle", "-1m"], ["idle: '-1m' is not a duration"]),
        (["pod", "start", "hello", "--warning", "1e9h"], ["warning: '1e9h' is not a duration"]),
        (["pod", "start", "hello", "--lifetime", "٣٠m"], ["lifetime: '٣٠m' is not a duration"]),
        (["pod", "start", "hello", "--lifetime", "400d"], ["lifetime: '400d' is too long"]),
        (["pod", "start", "hello", "--ignore"], ["--ignore", "requires an argument"]),
        (["pod", "keep"], ["Missing argument 'POD'"]),
        (["pod", "keep", "hello-1"], ["Missing argument 'DURATION'"]),
        (["pod", "keep", "hello-1", "30"], ["keep: '30' is not a duration", "Did you mean 30m?"]),
        (["pod", "keep", "hello-1", "-1m"], ["No such option", "podkeeper pod keep --help"]),
        (["pod", "keep", "hello-1", "--", "-1m"], ["keep: '-1m' is not a duration"]),
        (["pod", "keep", "hello-1", "1e9h"], ["keep: '1e9h' is not a duration"]),
        (["pod", "keep", "hello-1", "٣٠m"], ["keep: '٣٠m' is not a duration"]),
        (["pod", "keep", "hello-1", LONG], ["keep: 'xxx", "…"]),
        (["pod", "keep", "hello-1", "2", "h"], ["unexpected extra argument"]),
        (["pod", "why"], ["Missing argument 'POD'"]),
        (["pod", "expose", "hello-1"], ["Missing argument 'PORT'"]),
        (["pod", "expose", "hello-1", "ssh"], ["port: 'ssh' is not a port", "22/tcp"]),
        (["pod", "expose", "hello-1", "70000"], ["port: '70000' is not a port"]),
        (["pod", "expose", "hello-1", LONG], ["port: 'xxx", "…"]),
        (["pod", "unexpose", "hello-1", "22/udp"], ["port: '22/udp' is not a port"]),
        (["pod", "start", "hello", "--name", "Not Allowed"], ["name: 'Not Allowed' is not allowed"]),
        (["pod", "start", "hello", "--name", "\x1b[2Jbell\a"], ["name:", "is not allowed"]),
        (["pod", "start", "hello", "--name", LONG], ["name: 'xxx"]),
        (["pod", "start", "hello", "--env", "TOKEN"], ["--env 'TOKEN'", "NAME=value"]),
        (["pod", "start", "hello", "--env", "RUNPOD_POD_ID=1"], ["env: RUNPOD_POD_ID is set by Podkeeper"]),
        (["pod", "start", "hello", "--env", "A-B=secret"], ["env: 'A-B'"]),
        (["pod", "logs", "hello-1", "--tail", "0"], ["--tail"]),
        (["pod", "logs", "hello-1", "--tail", "1e9"], ["--tail"]),
        (["volume", "create", "../etc"], ["name: '../etc' is not allowed"]),
        (["volume", "create", "models", "--size", "big"], ["size: 'big' is not a size"]),
        (["registry", "add", "ghcr.io"], ["--username"]),
        (["registry", "add", "ghcr.io", "-u", "me\x1b"], ["username:"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_is_typed_wrongly_is_told_in_one_paragraph(command: Command, typed: list[str], words: list[str]) -> None:
    said = command(*typed)
    said.complains(*words, code=2)
    assert "\x1b" not in said.err
    assert "secret" not in said.err


def test_a_setting_that_is_wrong_is_named(command: Command) -> None:
    command("pod", "list", PODKEEPER_LISTEN="everywhere").complains("PODKEEPER_LISTEN", "ADDRESS:PORT", code=2)


def test_without_a_service_it_says_how_to_start_one(command: Command) -> None:
    for typed in (["pod", "list"], ["pod", "start", "hello"], ["volume", "list"], ["token"]):
        if typed != ["token"]:
            command(*typed).complains("`make up` or `podkeeper up`")
    assert command("token").out.startswith("pk_")
    command("pod", "list").complains("No Podkeeper answers", "`make up` or `podkeeper up`")


def test_a_data_directory_that_cannot_be_made_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    here = str(tmp_path / "file" / "data")
    command("token", PODKEEPER_DATA_DIR=here).complains("data directory", "PODKEEPER_DATA_DIR")
    command("registry", "list", PODKEEPER_DATA_DIR=here).complains("data directory", "PODKEEPER_DATA_DIR")
    command("pod", "list", PODKEEPER_DATA_DIR=here).complains("`make up` or `podkeeper up`")


class _Stranger(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(404)
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a web server that is no Podkeeper."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_stranger_at_the_address_is_told(command: Command, stranger: int) -> None:
    url = f"http://127.0.0.1:{stranger}"
    command("pod", "list", PODKEEPER_URL=url, PODKEEPER_TOKEN="t").complains(url, "PODKEEPER_URL")


@pytest.mark.parametrize("url", ["http://[", "nonsense", "ftp://example.org", f"http://127.0.0.1:{10**6}"])
def test_an_address_that_is_none_is_told(command: Command, url: str) -> None:
    command("pod", "list", PODKEEPER_URL=url, PODKEEPER_TOKEN="t").complains(url)


def test_versions(command: Command) -> None:
    assert command("--version").out == command("version").out
    assert command("version", "--json").document["version"] in command("version").out


def test_without_words_it_shows_help(command: Command) -> None:
    said = command()
    assert said.code == 0
    assert "doctor" in said.out


def test_our_own_fault_has_a_reference_and_the_traceback_in_a_private_file(command: Command, tmp_path: Path) -> None:
    @app.command("boom", hidden=True)
    def boom() -> None:
        raise ZeroDivisionError("the secret detail")

    try:
        said = command("boom")
    finally:
        app.registered_commands.pop()
    log = tmp_path / "data" / "errors.log"
    said.complains("Something went wrong on our side", str(log))
    assert "secret detail" not in said.err
    assert "the secret detail" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_what_others_wrote_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    complain("it said: \x1b[2J\a\rgone")
    say("name\x1b]0;title\x07")
    shown = capsys.readouterr()
    assert not set("\x1b\a\r") & set(shown.out + shown.err)


def test_help_loads_nothing_heavy() -> None:
    heavy = ["pydantic", "sqlalchemy", "mcp", "httpx", "httpx2", "grpc", "rich", "slack_bolt", "aiodocker", "uvicorn"]
    code = f"import sys, json, cli.main; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_a_reader_that_leaves_causes_no_noise() -> None:
    with place() as here:
        process = here.begin("--help")
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
        process.wait(10)


def test_a_taken_port_and_no_room_are_told(stranger: int) -> None:
    with place() as here:
        here.port = stranger
        here.run("up").complains(f"127.0.0.1:{stranger}", "already in use", "PODKEEPER_LISTEN")
        assert not (here.data_dir / "podkeeper.db").exists(), "nothing was begun"
        here.port, here.gateway_port = free_port(), stranger
        here.run("up").complains(f"127.0.0.1:{stranger}", "PODKEEPER_GATEWAY_LISTEN")
        here.port = stranger
        here.run("up").complains("are the same address", code=2)


def test_an_empty_token_file_is_no_token(command: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "token").touch(mode=0o600)
    command("token").complains("The token file", "is empty")


def test_a_token_file_that_cannot_be_read_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "data" / "token").mkdir(parents=True)
    command("token").complains("The token file", "cannot be read")
