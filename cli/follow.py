"""Following work that takes long: a progress bar, and the truth when the person stops waiting."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import with_service
from cli.output import Failed, complain, err
from mcp_server.client import OnProgress, PodClient

WAIT = 45
"""Seconds of one call; a longer start is followed by further ones."""
UNDER_WAY = ("PROVISIONING", "STARTING", "STOPPING", "TERMINATING")


async def follow(tool: str, arguments: Mapping[str, Any], *, wait: bool, bar: bool) -> dict[str, Any]:
    """Call a pod tool and follow the pod until no work is under way (without `wait`: not at all).

    Failed when the pod ends in ERROR. Interrupted while waiting: the work goes on, and it is said how to stop it.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    with _bar(bar) as progress:
        task = progress.add_task("asking the service", total=1.0)

        async def show(done: float, total: float | None, message: str) -> None:
            progress.update(task, completed=done / total if total else done, description=message[:60])

        async def work(client: PodClient) -> dict[str, Any]:
            return await _until_settled(client, tool, given, show, wait=wait)

        pod = await with_service(work)
        if pod["status"] == "RUNNING":
            progress.update(task, completed=1.0, description="ready")
    if pod["status"] == "ERROR":
        raise Failed(f"{pod['name']} failed: {pod['reason']}")
    return pod


async def _until_settled(
    client: PodClient, tool: str, given: Mapping[str, Any], show: OnProgress, *, wait: bool
) -> dict[str, Any]:
    pod: dict[str, Any] | None = None
    try:
        # The first call returns at once, so that the pod is known by name when the person stops waiting.
        pod = await client.call(tool, {**given, "wait_seconds": 0}, show)
        while wait and pod["status"] in UNDER_WAY:
            pod = await client.call("pod_get", {"pod": pod["id"], "wait_seconds": WAIT}, show)
    except asyncio.CancelledError:
        if pod is not None:
            complain(
                f"\nNot waiting any longer; the service goes on with {pod['name']}. "
                f"Look with `podkeeper pod show {pod['name']}`, end it with `podkeeper pod terminate {pod['name']}`."
            )
        raise
    return pod


def _bar(shown: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=28), TimeElapsedColumn())
    return Progress(*columns, console=err(), transient=True, disable=not shown or not sys.stderr.isatty())
