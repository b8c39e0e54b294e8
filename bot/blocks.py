"""Block Kit, as few pieces of it as we need: plain dicts, each within Slack's limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from bot.words import clip

Block = dict[str, Any]

SECTION_LIMIT = 3000
TABLE_ROWS = 100
CHART_POINTS = 20
TEXT_LIMIT = 3900
"""Slack cuts a message's text at 4,000 characters."""


@dataclass(frozen=True)
class Message:
    """What is shown. `text` carries the whole message: for notifications, screen readers and clients without blocks."""

    text: str
    blocks: list[Block] = field(default_factory=list)
    simple: list[Block] | None = None
    """The same without what not every Slack takes (tables, charts); None: there is nothing of that in it."""

    def simpler(self) -> "Message | None":
        """For a Slack that has refused the blocks; None when there is no other way to say it."""
        return None if self.simple is None else Message(self.text, self.simple)

    def to(self, mention: str) -> Self:
        """With somebody's name before it, so that it rings for them in a channel."""
        if not self.blocks or "text" not in self.blocks[0]:
            return replace(self, text=f"{mention} {self.text}")
        first = self.blocks[0]
        spoken = {**first, "text": {**first["text"], "text": clip(f"{mention} {first['text']['text']}", SECTION_LIMIT)}}
        return replace(self, text=f"{mention} {self.text}", blocks=[spoken, *self.blocks[1:]])

    def arguments(self) -> dict[str, Any]:
        """For posting, editing and response URLs; `blocks` always, since an edit keeps what it leaves out."""
        return {"text": clip(self.text, TEXT_LIMIT), "blocks": self.blocks}


def section(text: str) -> Block:
    """A paragraph of mrkdwn."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": clip(text, SECTION_LIMIT)}}


def context(text: str) -> Block:
    """Small print, one line or more."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": clip(text, SECTION_LIMIT)}]}


Cell = str | tuple[str, str]
"""Words, or words and the address they lead to."""


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[int] = ()) -> Block:
    """A table, of which a message may hold one; `right`: columns of figures."""
    settings = [{"align": "right" if n in right else "left", "is_wrapped": n == 0} for n in range(len(heads))]
    cells = [[_cell(cell) for cell in row] for row in [heads, *rows][:TABLE_ROWS]]
    return {"type": "table", "rows": cells, "column_settings": settings}


def _cell(cell: Cell) -> Block:
    if isinstance(cell, str):
        return {"type": "raw_text", "text": cell or "–"}
    words, url = cell
    link = {"type": "link", "url": url, "text": words}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}


def bars(title: str, unit: str, points: Sequence[tuple[str, float]]) -> Block:
    """A bar chart of up to `CHART_POINTS` labelled figures."""
    data = [{"label": clip(label, 20), "value": round(value, 2)} for label, value in points[:CHART_POINTS]]
    chart = {
        "type": "bar",
        "series": [{"name": clip(unit, 20), "data": data}],
        "axis_config": {"categories": [point["label"] for point in data], "y_label": clip(unit, 50)},
    }
    return {"type": "data_visualization", "title": clip(title, 50), "chart": chart}


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
