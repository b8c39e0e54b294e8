"""Block Kit, as few pieces of it as we need: plain dicts, each within Slack's limits."""

from dataclasses import dataclass, field
from typing import Any, Literal

from bot.words import clip

Block = dict[str, Any]

SECTION_LIMIT = 3000
TEXT_LIMIT = 3900
"""Slack cuts a message's text at 4,000 characters."""


@dataclass(frozen=True)
class Message:
    """What is shown. `text` carries the whole message: for notifications, screen readers and clients without blocks."""

    text: str
    blocks: list[Block] = field(default_factory=list)

    def arguments(self) -> dict[str, Any]:
        """For posting, editing and response URLs; `blocks` always, since an edit keeps what it leaves out."""
        return {"text": clip(self.text, TEXT_LIMIT), "blocks": self.blocks}


def section(text: str) -> Block:
    """A paragraph of mrkdwn."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": clip(text, SECTION_LIMIT)}}


def context(text: str) -> Block:
    """Small print."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": clip(text, SECTION_LIMIT)}]}


def actions(*elements: Block) -> list[Block]:
    """A row of buttons; nothing when there is none."""
    return [{"type": "actions", "elements": list(elements)}] if elements else []


def button(
    label: str,
    action_id: str,
    value: str,
    *,
    said: str | None = None,
    style: Literal["primary", "danger"] | None = None,
    url: str | None = None,
) -> Block:
    """One button; `said` is what a screen reader says where several read alike."""
    made: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": clip(label, 75), "emoji": True},
        "action_id": action_id,
        "value": value,
    }
    if said is not None:
        made["accessibility_label"] = clip(said, 75)
    if style is not None:
        made["style"] = style
    if url is not None:
        made["url"] = url
    return made
