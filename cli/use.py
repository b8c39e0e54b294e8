"""`podkeeper pod …` about the use of a running pod: keep, why, expose, unexpose."""

import asyncio
from typing import Annotated

import typer

from cli.client import ask
from cli.output import complain, print_json, say, when
from cli.pods import Json, PodArgument

app = typer.Typer()

PortArgument = Annotated[str, typer.Argument(help="8888, 8888/http or 22/tcp.", metavar="PORT")]


@app.command()
def keep(
    pod: PodArgument,
    duration: Annotated[str, typer.Argument(help="From now: 2h; 0 takes it back.", metavar="DURATION")],
    as_json: Json = False,
) -> None:
    """Keep a running pod for so long, although nobody uses it."""
    from core.units import parse_duration

    parse_duration(duration, "keep")
    found = asyncio.run(ask("pod_keep", {"pod": pod, "duration": duration}))
    if as_json:
        print_json(found)
        return
    until = found["keep_until"]
    if until is not None:
        say(f"{found['name']} is kept until {until[:16].replace('T', ' ')} UTC ({when(until)}).")
    else:
        say(f"{found['name']} is not kept any longer.")
    if found["max_lifetime"] is not None:
        complain(f"It ends {found['max_lifetime']} after it was started in any case (max_lifetime).")


@app.command()
def why(pod: PodArgument, as_json: Json = False) -> None:
    """Say why a pod is, or is not, idle, and when it will stop."""
    found = asyncio.run(ask("pod_why", {"pod": pod}))
    if as_json:
        print_json(found)
    else:
        say(f"{found['name']}: {found['text']}")


@app.command()
def expose(pod: PodArgument, port: PortArgument, as_json: Json = False) -> None:
    """Give a port of a running pod an address, without a restart."""
    _change("pod_expose", pod, port, as_json)


@app.command()
def unexpose(pod: PodArgument, port: PortArgument, as_json: Json = False) -> None:
    """Take the address from a port of a running pod; connections open on it are cut."""
    _change("pod_unexpose", pod, port, as_json)


def _change(tool: str, pod: str, port: str, as_json: bool) -> None:
    from core.service.ports import parse_port

    wanted = parse_port(port)
    found = asyncio.run(ask(tool, {"pod": pod, "port": port}))
    if as_json:
        print_json(found)
        return
    url = next((p["url"] for p in found["ports"] if p["port"] == str(wanted)), None)
    if url is not None:
        say(f"{wanted} of {found['name']} is reached at {url}")
    else:
        say(f"Port {wanted.number} of {found['name']} has no address any more.")
