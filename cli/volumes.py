"""`podkeeper volume …`: network volumes, which outlive the pods that mount them."""

import asyncio
from typing import Annotated, Any

import typer

from cli.client import ask
from cli.output import Failed, complain, out, print_json, say
from cli.pods import Json, Yes, answered, confirm
from core.units import shorten

app = typer.Typer(help="Network volumes: list, create, delete.")


@app.command("list")
def list_volumes(as_json: Json = False) -> None:
    """List the network volumes and the pods that mount them."""
    found = asyncio.run(ask("volume_list", {}))
    if as_json:
        print_json(found)
    elif found["volumes"]:
        from cli import tables

        out().print(tables.volumes(found["volumes"]))
    else:
        say("No network volumes. Make one with `podkeeper volume create NAME`.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Lowercase letters, digits, hyphens.", metavar="NAME")],
    size: Annotated[str | None, typer.Option(help="100g. RunPod wants one; Docker does not enforce it.")] = None,
    as_json: Json = False,
) -> None:
    """Make a network volume."""
    from core.policy import check_name
    from core.units import parse_bytes

    check_name(name)
    if size is not None:
        parse_bytes(size, "size")
    found = asyncio.run(ask("volume_create", {"name": name, "size": size}))
    if as_json:
        print_json(found)
    else:
        say(f"{found['name']} is there.")
        complain(f"Mount it with `podkeeper pod start TEMPLATE --network-volume {found['name']}`.")


@app.command()
def delete(
    volume: Annotated[str, typer.Argument(help="Name or id.", metavar="VOLUME")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a network volume with its data, for good."""
    if not yes:
        found = asyncio.run(_find(volume))
        size = f" ({found['size']})" if found["size"] else ""
        confirm(f"Delete the network volume {found['name']}{size}? All data on it is lost for good.")
        volume = found["id"]
    found = asyncio.run(ask("volume_delete", {"volume": volume}, answered(True)))
    if as_json:
        print_json(found)
    else:
        say(f"{found['name']} is deleted.")


async def _find(reference: str) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = (await ask("volume_list", {}))["volumes"]
    for found in volumes:
        if reference in (found["id"], found["name"]):
            return found
    known = ", ".join(found["name"] for found in volumes) or "there is none yet"
    raise Failed(f"No network volume {shorten(reference)!r} (there are: {known}).")
