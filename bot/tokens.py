"""Tokens: what lets an AI assistant act as somebody; shown once, listed, revoked, and never in a channel.

And the code by which a company login does the same.
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from bot.blocks import Message, actions, button, context, section
from bot.words import clock, code, escape, fence, moment
from core.model import Token

NEW = "pod_token_new"
REVOKE = "pod_token_revoke"
NAME = "assistant"
"""What one is called that was made by a button."""


def made(token: Token, secret: str, service: str) -> Message:
    """The only time that its secret is told. `service`: where this Podkeeper answers."""
    head = f"Your token {code(token.name)}, good until {moment(token.expires_at)}. It is shown only now:"
    line = f'claude mcp add --transport http podkeeper {service}/mcp --header "Authorization: Bearer {secret}"'
    how = "Whoever has it acts as you. For example, on the machine of your assistant (docs/mcp.md has others):"
    blocks = [section(head), section(fence(secret)), section(how), section(fence(line))]
    here = urlsplit(service).hostname in ("127.0.0.1", "localhost", "::1")
    only = (
        "That address is good on the machine of Podkeeper only; for others an admin sets PODKEEPER_URL." if here else ""
    )
    blocks += map(context, filter(None, [only]))
    said = "\n".join(filter(None, [head, secret, how, escape(line), only]))
    return Message(said, [*blocks, *actions(_revoke(token))])


def listed(tokens: Sequence[Token]) -> Message:
    """Somebody's tokens, each with the way to end it."""
    head = "*Your tokens*" if tokens else "*You have no tokens.*"
    what = f"With one, an AI assistant does over MCP what you may do. {code('/pod token NAME')} makes one."
    blocks = [section(f"{head}\n{what}")]
    lines: list[str] = []
    for token in tokens:
        used = f"last used {moment(token.used_at)}" if token.used_at is not None else "never used"
        lines.append(f"{code(token.name)} · good until {moment(token.expires_at)} · {used}")
        blocks.append({**section(lines[-1]), "accessory": _revoke(token)})
    text = "\n".join([head.replace("*", ""), what, *lines])
    return Message(text, [*blocks, *actions(button("New token", NEW, "-", said="Make a new token"))])


def revoked(token: Token) -> Message:
    """It opens nothing any more."""
    text = f"The token {code(token.name)} is revoked: it opens nothing any more."
    return Message(text, [section(text), context(f"{code('/pod token')} shows the others.")])


def link(secret: str, until: datetime) -> Message:
    """A code that links a company login, and what comes of it."""
    head = f"Your code is {code(secret)}, good once, until {clock(until)}. On your machine run"
    line = f"podkeeper link {secret}"
    after = (
        "where PODKEEPER_TOKEN holds your company login. From then on that login acts as you, and the pods, network "
        "volumes and tokens that it had until then are yours."
    )
    alone = "Give the code to nobody: a login that uses it acts as you."
    text = "\n".join([head, code(line), after, alone])
    return Message(text, [section(head), section(fence(line)), section(after), context(alone)])


def _revoke(token: Token) -> dict[str, object]:
    return button("Revoke", REVOKE, token.id, said=f"Revoke {token.name}", style="danger")
