"""The bench's view of the machine: what a process has cost so far, and tools that are fetched when they are missing."""

import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Of all its threads, in user and kernel, since it was started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident(pid: int) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def pin(pid: int, cores: Collection[int]) -> None:
    """Let all its threads run on these cores only."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def parts(*names: str) -> None:
    """See that these parts of the machine are there, as `make` does."""
    subprocess.run(["bash", str(ROOT / "scripts" / "parts.sh"), *names], check=True)


def tool(name: str) -> str:
    """Where a program is: on the machine, or where `parts` unpacked it."""
    unpacked = ROOT / "build" / name / "usr" / "sbin" / name
    found = shutil.which(name) or (str(unpacked) if unpacked.exists() else None)
    assert found is not None, f"{name} is missing, and scripts/parts.sh did not bring it"
    return found
