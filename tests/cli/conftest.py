"""A service that runs, for all tests of the front desk, and the command in this process."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.main import main
from tests.cli.desk import Place, Said, place

Command = Callable[..., Said]

_TEMPLATES = {
    "fails": {"args": '["sh", "-c", "echo going down; exit 3"]'},
    "slow": {"args": '["sleep", "600"]', "ready": "{port: 8080, timeout: 10m}"},
    "disk": {"args": '["httpd", "-f", "-p", "8080"]', "volume": "1g"},
    "locked": {"args": '["httpd", "-f", "-p", "8080"]', "env": "{DOOR: {generate: token}}"},
    "dear": {"args": '["httpd", "-f", "-p", "8080"]', "price_per_hour": "2.5"},
    "mute": {"args": '["sleep", "600"]', "ports": "[]"},
}


@pytest.fixture(scope="session")
def templates_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates that fail, that take for ever, that have a volume disk, a login, or no port."""
    folder = tmp_path_factory.mktemp("templates")
    for name, keys in _TEMPLATES.items():
        text = f"""\
            name: {name}
            description: For a test.
            image: busybox:stable
            memory: 32m
            """
        more = "".join(f"{key}: {value}\n" for key, value in {"ports": '["8080/http"]', **keys}.items())
        (folder / f"{name}.yaml").write_text(textwrap.dedent(text) + more)
    return folder


@pytest.fixture(scope="session")
def served(templates_dir: Path) -> Iterator[Place]:
    """A place where `podkeeper up` runs on the real engine and gateway."""
    with place(PODKEEPER_TEMPLATES_DIR=str(templates_dir), PODKEEPER_MAX_PODS_PER_USER="20") as here, here.up():
        yield here


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Command:
    """The command in this process: at the place of `served` where a test uses that, in an empty one elsewhere."""
    here = request.getfixturevalue("served") if "served" in request.fixturenames else Place(tmp_path / "data")
    for name in [name for name in here.environment if name.startswith("SLACK_")]:
        monkeypatch.delenv(name)
    for name, value in here.settings.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **environment: str) -> Said:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = main(arguments)
        return Said(code, *capsys.readouterr())

    return run
