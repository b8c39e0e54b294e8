"""`podkeeper confirm` and `podkeeper link`: what only a person says, at the service's own counter for them."""

import asyncio
from typing import Annotated, Any

import typer

from cli.client import door
from cli.output import Failed, complain, print_json, say, when
from cli.pods import Json


def confirm(
    code: Annotated[str | None, typer.Argument(help="Of what waits; without one, all that waits.")] = None,
    no: Annotated[bool, typer.Option("--no", help="Say no to it.")] = False,
    as_json: Json = False,
) -> None:
    """Show what your assistants wait for, or say yes to one of them by its code."""
    if code is None:
        _list(as_json)
        return
    said = asyncio.run(_at_desk("POST", "confirmations", {"code": code, "yes": not no}))
    if as_json:
        print_json({**said, "yes": not no})
    elif no:
        say(f"You said no: {said['text']}")
    else:
        say(f"You said yes: {said['text']}")
        complain(f"Tell your assistant ({said['asked_by']}) to go on; it must do so within 10 minutes.")


def _list(as_json: bool) -> None:
    found = asyncio.run(_at_desk("GET", "confirmations", None))
    if as_json:
        print_json(found)
        return
    for one in found["waiting"]:
        say(f"{one['code']}  {one['text']}")
        complain(
            f"           asked by {one['asked_by']} {when(one['asked_at'])}, waits until {one['expires_at'][11:16]} UTC"
        )
    if found["waiting"]:
        complain("Say yes with `podkeeper confirm CODE`, no with `podkeeper confirm CODE --no`.")
    else:
        say("Nothing waits for your yes.")


def link(
    code: Annotated[str, typer.Argument(help="From /pod link in Slack.", metavar="CODE")], as_json: Json = False
) -> None:
    """Let your company login, in PODKEEPER_TOKEN, act as you in Slack; what it had is yours from then on."""
    said = asyncio.run(_at_desk("POST", "link", {"code": code}))
    if as_json:
        print_json(said)
    else:
        say(said["text"])


async def _at_desk(method: str, what: str, body: dict[str, Any] | None) -> dict[str, Any]:
    import httpx

    from core.settings import Settings

    url, token = door(Settings.load())
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.request(method, f"{url}/{what}", json=body, headers=headers)
            said: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError):
        raise Failed(
            f"No Podkeeper answers at {url}. Start it with `make up` or `podkeeper up`, or set PODKEEPER_URL to where "
            "it runs."
        ) from None
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise Failed(f"The Podkeeper at {url} refuses the token. Set PODKEEPER_TOKEN to one of yours.")
    if answer.is_error:
        raise Failed(str(said.get("error", f"HTTP {answer.status_code}")))
    return said
