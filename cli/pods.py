"""`podkeeper pod …`: start, list, show, logs, stop, resume, restart, terminate, templates."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from cli.client import ask
from cli.output import complain, out, plain, print_json, say
from core.errors import InvalidInput
from core.units import shorten
from mcp_server.client import OnQuestion

app = typer.Typer(help="Pods: from start to terminate, why they run on, and their ports.")

PodArgument = Annotated[str, typer.Argument(help="Name, id, or the beginning of one of them.", metavar="POD")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once; the work goes on in the service.")]


@app.command()
def start(
    template: Annotated[
        str, typer.Argument(help="A template: `podkeeper pod templates` lists them.", metavar="TEMPLATE")
    ],
    name: Annotated[str | None, typer.Option(help="Lowercase letters, digits, hyphens. Default: TEMPLATE-N.")] = None,
    cpu: Annotated[float | None, typer.Option(help="vCPUs: 2, 0.5.")] = None,
    memory: Annotated[str | None, typer.Option(help="512m, 8g.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="TYPE or TYPE:COUNT, any, none; A100,L40S: the first to be had.")
    ] = None,
    volume: Annotated[str | None, typer.Option(help="Size of the volume disk: 20g; 0 for none.")] = None,
    network_volume: Annotated[str | None, typer.Option(help="Name of a network volume.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=value; may be given again.")] = None,
    idle: Annotated[str | None, typer.Option(help="End it after this long without use: 30m; 0 for never.")] = None,
    warning: Annotated[str | None, typer.Option(help="Tell you this long before: 5m; 0 for not at all.")] = None,
    lifetime: Annotated[str | None, typer.Option(help="End it after this long, used or not: 12h; 0: never.")] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="Requests that are no use: /health, agent:UptimeRobot, method:HEAD; may be given again."),
    ] = None,
    wake: Annotated[
        str | None, typer.Option(help="What a visit does while it is stopped: auto, button or off.")
    ] = None,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Start a pod and print its address; asks before one that costs much."""
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
        "warning": warning,
        "lifetime": lifetime,
        "ignore": ignore or None,
        "wake": wake,
    }
    _well_formed(arguments)
    _act("pod_start", arguments, no_wait, as_json, yes=yes)


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
        from cli import tables

        out().print(tables.pods(found["pods"], owners=everyone, ids=ended))
    else:
        say("No pods. Start one with `podkeeper pod start hello`.")


@app.command()
def show(pod: PodArgument, as_json: Json = False) -> None:
    """Show everything about a pod."""
    found = asyncio.run(ask("pod_get", {"pod": pod}))
    if as_json:
        print_json(found)
    else:
        from cli import tables

        out().print(tables.pod(found))


@app.command()
def logs(
    pod: PodArgument,
    tail: Annotated[int, typer.Option("--tail", "-n", min=1, max=1000, help="How many lines from the end.")] = 100,
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
    _act("pod_stop", {"pod": pod}, no_wait, as_json)


@app.command()
def resume(pod: PodArgument, yes: Yes = False, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Start a stopped or failed pod again, at the same address; a terminated one, by its id, is made anew."""
    _act("pod_resume", {"pod": pod}, no_wait, as_json, yes=yes)


@app.command()
def restart(pod: PodArgument, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Stop and start a pod in one go; its container disk is lost."""
    _act("pod_restart", {"pod": pod}, no_wait, as_json)


@app.command()
def terminate(
    pod: PodArgument,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Delete a pod for good, with its disks; a network volume stays."""
    if not yes:
        found = asyncio.run(ask("pod_get", {"pod": pod}))
        confirm(f"Terminate {found['name']} ({found['status']})? {_lost(found)}")
        pod = found["id"]
    _act("pod_terminate", {"pod": pod}, no_wait, as_json, yes=True)


@app.command()
def templates(as_json: Json = False) -> None:
    """List the templates."""
    found = asyncio.run(ask("template_list", {"detail": "full"}))
    if as_json:
        print_json(found)
    else:
        from cli import tables

        out().print(tables.templates(found["templates"]))


def confirm(question: str) -> None:
    """Ask; anything but a yes ends with 1. Without a terminal nobody can be asked: then nothing is done."""
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} Nothing was done: there is no terminal to ask at. Say --yes to go on.")
    if not typer.confirm(plain(question), err=True):
        complain("Nothing was done.")
        raise typer.Exit(1)


def _lost(pod: dict[str, Any]) -> str:
    if pod["network_volume"] is not None:
        return "Its container disk is lost for good; the network volume stays, with its data."
    if pod["volume"] is not None:
        return f"Its container disk and its volume disk ({pod['volume']} at {pod['volume_path']}) are lost for good."
    return "Its container disk is lost for good."


async def _all_pods(everyone: bool, ended: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {"everyone": everyone, "ended": ended, "limit": 100, "detail": "full"}
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


def _well_formed(said: dict[str, Any]) -> None:
    """InvalidInput for what no service would take, before one is asked; judged by the core, in its words."""
    from core.model import GpuRequest
    from core.policy import check_env, check_name
    from core.units import parse_bytes, parse_duration

    if said["name"] is not None:
        check_name(said["name"])
    if said["cpu"] is not None and not 0.01 <= said["cpu"] <= 1024:  # `nan` and `inf` are numbers too, for Python
        raise InvalidInput(f"cpu: {said['cpu']:g} is not a number of vCPUs. Write 0.01 to 1024, for example 2 or 0.5.")
    for key in ("memory", "volume"):
        if said[key] is not None:
            parse_bytes(said[key], key)
    if (said["gpu"] or "none").strip().lower() not in ("none", "0", ""):
        GpuRequest.parse(said["gpu"])
    for key in ("idle", "warning", "lifetime"):
        if said[key] is not None:
            parse_duration(said[key], key)
    check_env(said["env"] or {})


def answered(yes: bool) -> OnQuestion:
    """What the service asks: said already, or to be asked here."""

    async def ask_here(question: str) -> bool:
        if not yes:
            confirm(question)
        return True

    return ask_here


def _act(tool: str, arguments: dict[str, Any], no_wait: bool, as_json: bool, *, yes: bool = False) -> None:
    from cli.follow import ended_well, follow

    pod = asyncio.run(follow(tool, arguments, wait=not no_wait, bar=not as_json, on_question=answered(yes)))
    if as_json:
        print_json(pod)
    ended_well(tool, pod, waited=not no_wait)
    if not as_json:
        _tell(pod)


def _tell(pod: dict[str, Any]) -> None:
    name = pod["name"]
    match pod["status"]:
        case "RUNNING":
            urls = [port["url"] for port in pod["ports"] if port["url"] is not None]
            say(f"{name} is running: {' and '.join(urls) or 'it has no address'}")
            for variable, token in (pod["login"] or {}).items():
                complain(f"Log in with {token} (it is in the pod's {variable}).")
            complain(_afterwards(pod))
            if pod["remark"] is not None:
                complain(pod["remark"])
        case "EXITED":
            say(f"{name} is stopped.")
            complain(f"Start it again with `podkeeper pod resume {name}`.")
        case "TERMINATED":
            say(f"{name} is terminated.")
        case status:
            say(f"{name} is {status}.")
            complain(f"Look with `podkeeper pod show {name}`.")


def _afterwards(pod: dict[str, Any]) -> str:
    from core.units import format_money

    rule, life = pod["idle_timeout"], pod["max_lifetime"]
    ends = {"stop": "It stops by itself", "terminate": "It is terminated by itself", "notify": "You are told"}
    # One without an address may still be judged by its shares (`busy_above`).
    seen = any(port["url"] is not None for port in pod["ports"]) or (life is None and pod["stops_at"] is not None)
    if rule == "0":
        told = "It never stops for idleness."
    elif seen:
        told = f"{ends[pod['idle_action']]} after {rule} without traffic."
    else:
        told = "Without an address it is never seen idle and never stops for it."
    if life is not None:
        told += f" It ends after {life} in any case."
    if "/" in (pod["ignore"] or ()):
        told += " Its ignore rules match every request, so none counts as use."
    if pod["price_per_hour"]:
        told = f"It costs {format_money(pod['price_per_hour'])} an hour. {told}"
    end = "stop" if "stop" in pod["actions"] else "terminate"
    return f"{told} {end.capitalize()} it now with `podkeeper pod {end} {pod['name']}`."
