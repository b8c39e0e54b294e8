"""`podkeeper token …`: the local token, and personal ones of people, made and revoked on the database itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.direct import on_store
from cli.output import complain, out, print_json, say
from cli.pods import Json
from core.errors import InvalidInput
from core.units import shorten

if TYPE_CHECKING:
    from core.model import Token
    from core.service import People, Tokens

app = typer.Typer(help="The local token; with create, list or revoke: personal ones.", invoke_without_command=True)

T = TypeVar("T")


@app.callback()
def token(context: typer.Context) -> None:
    """Print the local token, which the terminal and local assistants use. Whoever has it is an admin."""
    if context.invoked_subcommand is not None:
        return
    from core.parts import local_token
    from core.settings import Settings

    typer.echo(local_token(Settings.load()))


@app.command()
def create(
    user: Annotated[
        str, typer.Option("--user", help="Whose: a Slack user id that was seen here, or a name you give them: ana.")
    ],
    name: Annotated[str, typer.Option("--name", help="What it is for.")] = "assistant",
    scope: Annotated[str, typer.Option("--scope", help="read: look; operate: their own pods; admin.")] = "operate",
    expires: Annotated[str, typer.Option("--expires", help="Good for so long: 90d, at most 365d.")] = "90d",
    as_json: Json = False,
) -> None:
    """Make a personal token. It is shown this once; whoever has it acts as that person."""
    from core.model import Scope
    from core.units import format_duration, parse_duration

    try:
        wanted = Scope(scope.strip().lower())
    except ValueError:
        raise InvalidInput(f"scope: {shorten(scope)!r} is not allowed. Write {', '.join(Scope)}.") from None
    life = parse_duration(expires, "expires")

    async def act(people: "People", tokens: "Tokens") -> "tuple[Token, str]":
        return await tokens.make(await people.named(user.strip(), "terminal"), name, wanted, life)

    made, secret = asyncio.run(_with(act))
    if as_json:
        print_json({**_shown(made, user), "token": secret})
        return
    say(secret)
    complain(
        f"This is {user}'s token {made.name!r} ({made.scope}), good for {format_duration(life)}. It is shown only now: "
        "PODKEEPER_TOKEN is where the terminal and `podkeeper mcp` look for it."
    )


@app.command("list")
def list_tokens(as_json: Json = False) -> None:
    """List everybody's personal tokens, without their secrets."""

    async def act(people: "People", tokens: "Tokens") -> "tuple[tuple[Token, str], ...]":
        return await tokens.everyones(await people.local("terminal"))

    found = asyncio.run(_with(act))
    if as_json:
        print_json({"tokens": [_shown(one, owner) for one, owner in found]})
    elif found:
        from cli import tables

        out().print(tables.tokens(_shown(one, owner) for one, owner in found))
    else:
        say("There are no personal tokens. Make one with `podkeeper token create --user NAME`.")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="Its id, from `podkeeper token list`.", metavar="ID")],
    as_json: Json = False,
) -> None:
    """Revoke a personal token: from now on it opens nothing."""

    async def act(people: "People", tokens: "Tokens") -> "Token":
        return await tokens.revoke(await people.local("terminal"), token_id.strip())

    gone = asyncio.run(_with(act))
    if as_json:
        print_json({"revoked": gone.id})
    else:
        say(f"The token {gone.name} ({gone.id}) is revoked: it opens nothing any more.")


async def _with(act: "Callable[[People, Tokens], Awaitable[T]]") -> T:
    from core.app import utcnow
    from core.service import People, Tokens

    return await on_store(lambda store, settings: act(People(store, settings, utcnow), Tokens(store, settings, utcnow)))


def _shown(one: "Token", owner: str) -> dict[str, Any]:
    shown = one.model_dump(mode="json", exclude={"person"})
    return {"id": shown.pop("id"), "user": owner, **shown}
