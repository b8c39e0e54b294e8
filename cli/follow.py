"""Following work that takes long: a bar of its stages, and the truth when the person stops waiting."""

import asyncio
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cli.client import with_service
from cli.output import Failed, complain, plain
from mcp_server.client import OnQuestion, PodClient

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Pod = dict[str, Any]

WAIT = 45
"""Seconds of one call; a longer start is followed by further ones."""
PATIENCE = 90.0
"""Seconds that an end is followed: a failed stop is tried again for ever, and the person wants to know."""
UNDER_WAY = ("PROVISIONING", "STARTING", "STOPPING", "TERMINATING")
STAGES = (("pull", 0.6), ("create", 0.7), ("start", 0.8), ("ready", 1.0))
"""A start's stages, and up to where, on the way from 0 to 1, the service's notes are about each."""
_UP = ("pod_start", "pod_resume", "pod_restart")


class Bar:
    """How far a start is, on stderr: a bar on a terminal, a line for each stage elsewhere."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._stage = ""
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.fields[stage]:<6}", markup=False),
                BarColumn(bar_width=28),
                TimeElapsedColumn(),
                TextColumn("{task.description}", markup=False),
                console=Console(stderr=True, highlight=False),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("asking the service", total=1.0, stage="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    async def note(self, done: float, total: float | None, message: str) -> None:
        """A progress note of the service."""
        share = done / total if total else done
        stage = next((name for name, end in STAGES if share < end), "ready")
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=share, description=plain(message)[:60], stage=stage)
        elif self._shown and stage != self._stage and share < 1:
            self._stage = stage
            complain(f"{stage}: {message}")


async def follow(
    tool: str, arguments: Mapping[str, Any], *, wait: bool, bar: bool, on_question: OnQuestion | None = None
) -> Pod:
    """Call a pod tool and follow the pod until no work is under way (without `wait`: not at all).

    Interrupted while waiting: the work goes on, and it is said how to stop it. `ended_well` judges what comes back.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    deadline = None if tool in _UP else time.monotonic() + PATIENCE
    with Bar(bar and tool in _UP) as shown:

        async def work(client: PodClient) -> Pod:
            return await _until_settled(client, tool, given, shown, wait=wait, deadline=deadline)

        return await with_service(work, on_question)


async def _until_settled(
    client: PodClient, tool: str, given: Mapping[str, Any], bar: Bar, *, wait: bool, deadline: float | None
) -> Pod:
    pod: Pod | None = None
    try:
        # The first call returns at once, so that the pod is known by name when the person stops waiting.
        pod = await client.call(tool, {**given, "wait_seconds": 0}, bar.note)
        while wait and pod["status"] in UNDER_WAY and (deadline is None or time.monotonic() < deadline):
            pod = await client.call("pod_get", {"pod": pod["id"], "wait_for": "settled", "timeout": WAIT}, bar.note)
    except asyncio.CancelledError:
        if pod is not None:
            name = pod["name"]
            stop = f", stop it with `podkeeper pod stop {name}`" if tool in _UP and "stop" in pod["actions"] else ""
            complain(
                f"\nNot waiting any longer; the {tool.removeprefix('pod_')} of {name} goes on. "
                f"Look with `podkeeper pod show {name}`{stop}."
            )
        raise
    return pod


def ended_well(tool: str, pod: Pod, *, waited: bool) -> None:
    """Failed when the work did not end as it was meant to."""
    name, reason = pod["name"], f"{str(pod['reason'] or 'no reason is known').rstrip('.')}."
    wanted = {"pod_stop": "EXITED", "pod_terminate": "TERMINATED"}.get(tool, "RUNNING")
    if pod["status"] == wanted or (not waited and pod["status"] in UNDER_WAY):
        return
    if pod["status"] == "ERROR":
        raise Failed(
            f"{name} failed: {reason} Read `podkeeper pod logs {name}`, try again with `podkeeper pod resume {name}`, "
            f"or remove it with `podkeeper pod terminate {name}`."
        )
    if pod["status"] in UNDER_WAY:
        raise Failed(f"{name} is still {pod['status']} ({reason[:-1]}). It goes on: `podkeeper pod show {name}`.")
    raise Failed(f"{name} is {pod['status']}, not {wanted}: {reason}")
