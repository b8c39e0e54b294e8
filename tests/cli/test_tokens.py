"""Personal tokens made at the terminal, what they open, and the yes of their person at the terminal."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_server.client import ToolFailed, connect
from tests.cli.conftest import Command
from tests.cli.desk import Place, Said


def called(here: Place, token: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A call of an assistant that cannot ask its person."""

    async def call() -> dict[str, Any]:
        async with connect(f"http://127.0.0.1:{here.port}", token, name="An Assistant") as client:
            return await client.call(tool, arguments)

    return asyncio.run(call())


def test_a_token_is_made_listed_used_and_revoked(served: Place, command: Command) -> None:
    made = command("token", "create", "--user", "ana", "--name", "laptop", "--expires", "7d")
    secret = made.out.strip()
    assert made.code == 0
    assert secret.startswith("pkp_")
    assert "shown only now" in made.err
    assert called(served, secret, "pod_list", {})["total"] == 0
    listed = command("token", "list", "--json").document["tokens"]
    [mine] = [token for token in listed if token["user"] == "ana"]
    assert (mine["name"], mine["scope"]) == ("laptop", "operate")
    assert mine["used_at"] is not None
    assert secret not in str(listed)
    assert "laptop" in command("token", "list").out
    assert command("token", "revoke", mine["id"]).code == 0
    with pytest.raises(Exception, match="refuses the token"):
        called(served, secret, "pod_list", {})
    command("token", "revoke", mine["id"]).complains("no token")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--user", "Ana B"], "'Ana B' is not allowed"),
        (["--user", "x" * 10_000], "is not allowed"),
        (["--user", "ana", "--scope", "all"], "Write read, operate, admin"),
        (["--user", "ana", "--scope", "admin"], "ana is no admin"),
        (["--user", "ana", "--expires", "2y"], "expires"),
        (["--user", "ana", "--expires", "0"], "a token is good for"),
        (["--user", "ana", "--expires", "366d"], "a token is good for"),
        (["--user", "ana", "--name", "\t"], "name"),
        ([], "Missing option '--user'"),
    ],
    ids=str,
)
def test_what_makes_no_token(command: Command, words: list[str], told: str) -> None:
    command("token", "create", *words).complains(told, code=2)


def test_the_local_token_is_printed_as_ever(command: Command) -> None:
    assert command("token").out.startswith("pk_")
    assert command("token", "list").out == (
        "There are no personal tokens. Make one with `podkeeper token create --user NAME`.\n"
    )


def test_a_named_admin_may_have_an_admins_token(command: Command) -> None:
    said = command("token", "create", "--user", "ana", "--scope", "admin", "--json", PODKEEPER_ADMINS="ana")
    assert said.document["scope"] == "admin"


def test_what_an_assistant_wants_is_confirmed_at_the_terminal(served: Place, command: Command) -> None:
    token = command("token").out.strip()
    assert command("confirm").out == "Nothing waits for your yes.\n"
    assert command("pod", "start", "hello", "--name", "wanted").code == 0
    with pytest.raises(ToolFailed, match="podkeeper confirm"):
        called(served, token, "pod_terminate", {"pod": "wanted"})
    shown = command("confirm")
    code = shown.out.split()[0]
    assert "Terminate wanted" in shown.out
    assert "asked by An Assistant" in shown.err
    command("confirm", "2222-2222").complains("podkeeper confirm")
    command("confirm", "nonsense").complains("no code such as")
    assert command("confirm", code).out.startswith("You said yes: Terminate wanted")
    assert called(served, token, "pod_terminate", {"pod": "wanted"})["status"] in ("TERMINATING", "TERMINATED")
    command("confirm", code).complains("waits for your answer")


def test_a_start_that_costs_much_is_asked_about(served: Place, command: Command) -> None:
    command("pod", "start", "dear", "--name", "dear").complains("$2.50 an hour", "--yes", code=2)
    assert command("pod", "start", "dear", "--name", "dear", "--yes").code == 0
    assert command("pod", "terminate", "dear", "--yes").code == 0


def test_a_link_needs_a_company_login(served: Place, command: Command) -> None:
    command("link", "K7QM-3XTP").complains("company login")
    said: Said = command("link")
    said.complains("Missing argument 'CODE'", code=2)


def test_nobody_serves(command: Command) -> None:
    command("token")
    for words in (["confirm"], ["confirm", "K7QM-3XTP"], ["link", "K7QM-3XTP"]):
        command(*words, PODKEEPER_URL="http://127.0.0.1:9").complains("podkeeper up")
