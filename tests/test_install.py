"""What people install from: the locks, the compose file, and the set-up scripts where they refuse."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.settings import Settings

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def locked(name: str) -> dict[str, str]:
    """Package to version."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))


def run(script: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", script, *words],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_locks_hold_what_pyproject_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    tools = [line for line in groups["dev"] if isinstance(line, str)]
    service, dev = (locked(name) for name in LOCKS)
    for lines, lock in (
        (project["project"]["dependencies"] + groups["build"], service),
        (project["project"]["dependencies"] + groups["build"] + tools, dev),
    ):
        for wanted in map(Requirement, lines):
            assert lock.get(canonicalize_name(wanted.name)) in wanted.specifier, f"{wanted}: run make lock"
    assert service.items() <= dev.items()


def test_the_locks_name_no_host_and_hash_every_package():
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert "://" not in text
        packages = [part for part in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if "==" in part]
        assert len(packages) == len(locked(name)) > 50
        assert all("--hash=sha256:" in part for part in packages)


def test_compose_passes_every_setting_that_makes_sense_in_a_container():
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["podkeeper"]
    names = {
        str(field.validation_alias.choices[0]) if field.validation_alias else f"PODKEEPER_{name.upper()}"
        for name, field in Settings.model_fields.items()
    }
    assert set(service["environment"]) == names - {"PODKEEPER_DATA_DIR", "PODKEEPER_ENVOY"}
    assert service["network_mode"] == "host"


def test_an_engine_that_was_named_and_does_not_answer_is_not_replaced():
    done = run(ROOT / "scripts" / "parts.sh", "engine", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 1
    assert "No engine answers at DOCKER_HOST=unix:///nowhere/docker.sock" in done.stderr


def test_an_engine_is_found_without_docker_s_client():
    ping = ["python3", ROOT / "scripts" / "ping_engine.py"]
    assert subprocess.run(ping).returncode == 0
    assert subprocess.run(ping, env={**os.environ, "DOCKER_HOST": "unix:///nowhere"}).returncode == 1
    assert subprocess.run(ping, env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1"}).returncode == 1


@pytest.mark.parametrize(
    ("what", "engine", "parts"),
    [
        ("run", None, "engine busybox"),
        ("run", "docker", "engine busybox"),
        ("run", "runpod", None),
        ("dev", "runpod", "engine busybox client registry postgresql curl namespace"),
    ],
)
def test_what_is_set_up_is_what_the_engine_needs(tmp_path: Path, what: str, engine: str | None, parts: str | None):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup.sh", tmp_path / "scripts")
    for name in ("venv", "parts"):
        (tmp_path / "scripts" / f"{name}.sh").write_text(f'echo "{name}: $*"\n')
    environment = {key: value for key, value in os.environ.items() if key != "PODKEEPER_ENGINE"}
    environment |= {"PODKEEPER_ENGINE": engine} if engine is not None else {}
    words = ["bash", tmp_path / "scripts" / "setup.sh", what, "echo", "and then"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    asked = [f"parts: {parts}"] if parts is not None else []
    assert done.stdout.splitlines() == [f"venv: {what}", *asked, "and then"], done.stderr


def test_a_python_that_is_too_old_is_said_so(tmp_path: Path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    old = tmp_path / "bin"
    old.mkdir()
    aged = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[2])"
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        (old / name).write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 || exec {sys.executable} -c "{aged}" "$@"\n'
        )
        (old / name).chmod(0o755)
    done = run(tmp_path / "scripts" / "venv.sh", "run", PATH=f"{old}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "Podkeeper needs Python 3.11 or newer, and finds Python 3.9.2 here" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_image_is_made_of_every_package():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packages = build["targets"]["wheel"]["packages"]
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    copied = (ROOT / "Dockerfile").read_text()
    assert [name for name in packages if f"!{name}" not in let_in or f"COPY {name} /src/{name}\n" not in copied] == []
