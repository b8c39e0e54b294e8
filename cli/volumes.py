"""`podkeeper volume …`: network volumes, which outlive the pods that mount them."""

import asyncio
from typing import Annotated

import typer

from cli import tables
from cli.client import ask
from cli.output import complain, out, print_json
from cli.pods import Json, confirm

app = typer.Typer(help="Network volumes: list, create, delete.", no_args_is_help=True)


@app.command("list")
def list_volumes(as_json: Json = False) -> None:
    """List the network volumes and the pods that mount them."""
    found = asyncio.run(ask("volume_list", {}))
    if as_json:
        print_json(found)
    elif found["volumes"]:
        out().print(tables.volumes(found["volumes"]))
    else:
        complain("No network volumes. Make one with `podkeeper volume create NAME`.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Lowercase letters, digits, hyphens.")],
    size: Annotated[str | None, typer.Option(help="For the record: 100g. Docker does not enforce it.")] = None,
    as_json: Json = False,
) -> None:
    """Make a network volume."""
    found = asyncio.run(ask("volume_create", {"name": name, "size": size}))
    if as_json:
        print_json(found)
    else:
        out().print(f"{found['name']} is there.", markup=False)
        complain(f"Mount it with `podkeeper pod start TEMPLATE --network-volume {found['name']}`.")


@app.command()
def delete(
    volume: Annotated[str, typer.Argument(help="Name or id.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a network volume with its data, for good."""
    if not yes:
        confirm(f"Delete the network volume {volume!r}? All data on it is lost for good.")
    found = asyncio.run(ask("volume_delete", {"volume": volume}))
    if as_json:
        print_json(found)
    else:
        out().print(f"{found['name']} is deleted.", markup=False)
