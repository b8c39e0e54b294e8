"""`podkeeper pod …`: start, list, show, logs, stop, resume, restart, terminate, templates."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from cli import tables
from cli.client import ask
from cli.follow import follow
from cli.output import complain, out, print_json
from core.errors import InvalidInput
from core.units import shorten

app = typer.Typer(help="Pods: start, list, show, logs, stop, resume, restart, terminate.", no_args_is_help=True)

PodArgument = Annotated[str, typer.Argument(help="Name, id, or the beginning of one of them.", metavar="POD")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once; the work goes on in the service.")]


@app.command()
def start(
    template: Annotated[str, typer.Argument(help="A template: `podkeeper pod templates` lists them.")],
    name: Annotated[str | None, typer.Option(help="Lowercase letters, digits, hyphens. Default: TEMPLATE-N.")] = None,
    cpu: Annotated[str | None, typer.Option(help="vCPUs: 2, 0.5.")] = None,
    memory: Annotated[str | None, typer.Option(help="512m, 8g.")] = None,
    gpu: Annotated[str | None, typer.Option(help="TYPE or TYPE:COUNT, any, none.")] = None,
    volume: Annotated[str | None, typer.Option(help="Size of the volume disk: 20g; 0 for none.")] = None,
    network_volume: Annotated[str | None, typer.Option(help="Name of a network volume.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=value; may be given again.")] = None,
    idle: Annotated[str | None, typer.Option(help="Stop after this long without traffic: 30m; 0 for never.")] = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Start a pod and print its address."""
    arguments = {
        "template": template,
        "name": name,
        "cpu": cpu,
        "memory": memory,
        "gpu": gpu,
        "volume": volume,
        "network_volume": network_volume,
        "env": _environment(env or []) or None,
        "idle": idle,
    }
    _acted(asyncio.run(follow("pod_start", arguments, wait=not no_wait, bar=not as_json)), as_json)


@app.command("list")
def list_pods(
    everyone: Annotated[bool, typer.Option("--everyone", help="Everybody's pods (admins).")] = False,
    ended: Annotated[bool, typer.Option("--ended", help="Terminated ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List your pods, newest first."""
    found = asyncio.run(_all_pods(everyone, ended))
    if as_json:
        print_json(found)
    elif found["pods"]:
        out().print(tables.pods(found["pods"]))
    else:
        complain("No pods. Start one with `podkeeper pod start hello`.")


@app.command()
def show(pod: PodArgument, as_json: Json = False) -> None:
    """Show everything about a pod."""
    found = asyncio.run(ask("pod_get", {"pod": pod}))
    if as_json:
        print_json(found)
    else:
        out().print(tables.pod(found))


@app.command()
def logs(
    pod: PodArgument,
    tail: Annotated[int, typer.Option(help="How many lines from the end, 1 to 1000.")] = 100,
    as_json: Json = False,
) -> None:
    """Print the last lines of a pod's output."""
    found = asyncio.run(ask("pod_logs", {"pod": pod, "tail": tail}))
    if as_json:
        print_json(found)
        return
    if found["truncated"]:
        complain("(older output is left out)")
    sys.stdout.write("".join(f"{line}\n" for line in found["lines"]))
    if not found["lines"]:
        complain(f"{found['name']} has written nothing, or nothing of its present run is left.")


@app.command()
def stop(pod: PodArgument, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Stop a pod: its container disk is lost, its volume disk kept."""
    _acted(asyncio.run(follow("pod_stop", {"pod": pod}, wait=not no_wait, bar=not as_json)), as_json)


@app.command()
def resume(pod: PodArgument, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Start a stopped or failed pod again, at the same address."""
    _acted(asyncio.run(follow("pod_resume", {"pod": pod}, wait=not no_wait, bar=not as_json)), as_json)


@app.command()
def restart(pod: PodArgument, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Stop and start a pod in one go; its container disk is lost."""
    _acted(asyncio.run(follow("pod_restart", {"pod": pod}, wait=not no_wait, bar=not as_json)), as_json)


@app.command()
def terminate(
    pod: PodArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Delete a pod for good, with its disks; a network volume stays."""
    found = asyncio.run(ask("pod_get", {"pod": pod}))
    lost = ["its container disk"]
    if found["volume"] is not None:
        lost.append(f"its volume disk ({found['volume']})")
    kept = " The network volume stays." if found["network_volume"] is not None else ""
    if not yes:
        confirm(f"Terminate {found['name']} ({found['status']})? This deletes {' and '.join(lost)} for good.{kept}")
    _acted(asyncio.run(follow("pod_terminate", {"pod": found["id"]}, wait=not no_wait, bar=not as_json)), as_json)


@app.command()
def templates(as_json: Json = False) -> None:
    """List the templates."""
    found = asyncio.run(ask("template_list", {}))
    if as_json:
        print_json(found)
    else:
        out().print(tables.templates(found["templates"]))


def confirm(question: str) -> None:
    """Ask; anything but a yes ends with 1. Without a terminal nobody can be asked: then nothing is done."""
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} Nothing was done: there is no terminal to ask at. Say --yes to go on.")
    if not typer.confirm(question, err=True):
        complain("Nothing was done.")
        raise typer.Exit(1)


async def _all_pods(everyone: bool, ended: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {"everyone": everyone, "ended": ended, "limit": 100}
    found = await ask("pod_list", arguments)
    while found["next_cursor"] is not None:
        page = await ask("pod_list", {**arguments, "cursor": found["next_cursor"]})
        found = {**page, "pods": [*found["pods"], *page["pods"]]}
    return found


def _environment(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--env {shorten(name, 40)!r} has no value. Write NAME=value.")
        found[name] = value
    return found


def _acted(pod: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(pod)
        return
    said = out()
    match pod["status"]:
        case "RUNNING":
            said.print(f"{pod['name']} is running: {pod['url'] or 'it has no web address'}", markup=False)
            complain(_afterwards(pod))
        case "EXITED":
            said.print(f"{pod['name']} is stopped.", markup=False)
            complain(f"Start it again with `podkeeper pod resume {pod['name']}`.")
        case "TERMINATED":
            said.print(f"{pod['name']} is terminated.", markup=False)
        case _:
            said.print(f"{pod['name']} is {pod['status']}.", markup=False)
            complain(f"Follow it with `podkeeper pod show {pod['name']}`.")


def _afterwards(pod: dict[str, Any]) -> str:
    rule = pod["idle_timeout"]
    idle = "It has no idle timeout." if rule == "0" else f"It stops by itself after {rule} without traffic."
    return f"{idle} Stop it now with `podkeeper pod stop {pod['name']}`."
