"""`podkeeper registry …`: credentials for private registries. They go into the data directory, and through no face."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import complain, out, print_json
from cli.pods import Json
from core.errors import InvalidInput
from core.model import Credential, Registry
from core.settings import Settings

if TYPE_CHECKING:
    from core.service import Registries

app = typer.Typer(help="Credentials for private registries: add, list, remove.", no_args_is_help=True)

Host = Annotated[str, typer.Argument(help="As in image names: ghcr.io, registry.example.org:5000, docker.io.")]


@app.command()
def add(
    host: Host,
    username: Annotated[str, typer.Option("--username", "-u", help="The user, or what the registry calls it.")],
    as_json: Json = False,
) -> None:
    """Store a credential; the secret is read from standard input (or asked for), never from an argument."""
    secret = typer.prompt("Secret", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    secret = secret.strip()
    if not secret:
        raise InvalidInput(
            f"No secret came on standard input. Write `podkeeper registry add {host} -u {username} < FILE`."
        )
    saved = asyncio.run(_save(Credential(host=host, username=username, secret=secret)))
    if as_json:
        print_json(saved.model_dump(mode="json"))
    else:
        out().print(f"Images from {saved.host} are pulled as {saved.username} from now on.", markup=False)


@app.command("list")
def list_registries(as_json: Json = False) -> None:
    """List the stored credentials, without their secrets."""
    found = asyncio.run(_list())
    if as_json:
        print_json({"registries": [registry.model_dump(mode="json") for registry in found]})
        return
    for registry in found:
        out().print(f"{registry.host}  {registry.username}", markup=False)
    if not found:
        complain("No credentials are stored. Add one with `podkeeper registry add HOST -u USER < FILE`.")


@app.command()
def remove(host: Host, as_json: Json = False) -> None:
    """Forget a credential."""
    asyncio.run(_remove(host))
    if as_json:
        print_json({"removed": host})
    else:
        out().print(f"The credential for {host} is forgotten.", markup=False)


@asynccontextmanager
async def _stored() -> AsyncGenerator["Registries"]:
    from core.app import make_data_dir
    from core.service import Registries
    from core.store import Store

    settings = Settings.load()
    make_data_dir(settings.data_dir)
    store = await Store.open(settings.database, settings.data_dir / "registry.key")
    try:
        yield Registries(store, lambda: datetime.now(UTC))
    finally:
        await store.close()


async def _save(credential: Credential) -> Registry:
    async with _stored() as registries:
        return await registries.save(credential)


async def _list() -> tuple[Registry, ...]:
    async with _stored() as registries:
        return await registries.list()


async def _remove(host: str) -> None:
    async with _stored() as registries:
        await registries.remove(host)
