"""`podkeeper registry …`: credentials for private registries. They go into the data directory, and through no face."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.direct import on_store
from cli.output import out, print_json, say
from cli.pods import Json
from core.errors import InvalidInput
from core.units import shorten

if TYPE_CHECKING:
    from core.service import Registries

app = typer.Typer(help="Credentials for private registries: add, list, remove.")

T = TypeVar("T")

MAX_SECRET = 64_000
"""Bytes; the longest known are the JSON keys of cloud registries, a few kilobytes."""

Host = Annotated[
    str, typer.Argument(help="As in image names: ghcr.io, registry.example.org:5000, docker.io.", metavar="HOST")
]


@app.command()
def add(
    host: Host,
    username: Annotated[str, typer.Option("--username", "-u", help="The user, or what the registry calls it.")],
    as_json: Json = False,
) -> None:
    """Store a credential; the secret is read from standard input (or asked for), never from an argument."""
    from core.model import Credential

    credential = Credential(host=host, username=_username(username), secret=_secret())
    saved = asyncio.run(_stored(lambda registries: registries.save(credential)))
    if as_json:
        print_json(saved.model_dump(mode="json"))
    else:
        say(f"Images from {saved.host} are pulled as {saved.username} from now on.")


@app.command("list")
def list_registries(as_json: Json = False) -> None:
    """List the stored credentials, without their secrets."""
    found = asyncio.run(_stored(lambda registries: registries.list()))
    if as_json:
        print_json({"registries": [registry.model_dump(mode="json") for registry in found]})
    elif found:
        from cli import tables

        out().print(tables.registries(registry.model_dump(mode="json") for registry in found))
    else:
        say("No credentials are stored. Add one with `podkeeper registry add HOST -u USER < FILE`.")


@app.command()
def remove(host: Host, as_json: Json = False) -> None:
    """Forget a credential."""
    asyncio.run(_stored(lambda registries: registries.remove(host)))
    if as_json:
        print_json({"removed": host})
    else:
        say(f"The credential for {host} is forgotten.")


def _username(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > 256:
        raise InvalidInput(f"username: {shorten(text)!r} is not one. Use 1 to 256 characters that can be seen.")
    return text


def _secret() -> str:
    if sys.stdin.isatty():
        secret: str = typer.prompt("Secret", hide_input=True, err=True)
    else:
        # As bytes, so that what is no text gets a sentence of ours.
        raw = sys.stdin.buffer.read(MAX_SECRET + 1)
        if len(raw) > MAX_SECRET:
            raise InvalidInput("secret: more than 64 kB came on standard input; that is no password and no token.")
        try:
            secret = raw.decode()
        except UnicodeDecodeError:
            raise InvalidInput("secret: what came on standard input is not text.") from None
    if not secret.strip():
        raise InvalidInput(
            "secret: nothing came on standard input. Write `podkeeper registry add HOST -u USER < FILE`, or run it in "
            "a terminal to be asked."
        )
    return secret.strip()


async def _stored(act: "Callable[[Registries], Awaitable[T]]") -> T:
    from core.app import utcnow
    from core.service import Registries

    return await on_store(lambda store, _: act(Registries(store, utcnow)))
