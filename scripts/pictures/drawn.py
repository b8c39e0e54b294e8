"""What local-slack does not draw: tables and bar charts, as HTML, much as Slack shows them."""

from html import escape
from typing import Any

Block = dict[str, Any]

_HIGH, _WIDE = 110, 600


def drawn(blocks: list[Block]) -> list[str]:
    """Those blocks in their order, for the places that local-slack leaves."""
    kinds = {"table": _table, "data_visualization": _chart}
    return [kinds[block["type"]](block) for block in blocks if block["type"] in kinds]


def _table(block: Block) -> str:
    heads, *rows = block["rows"]
    sides = [column.get("align", "left") for column in block["column_settings"]]

    def line(cells: list[Block], tag: str) -> str:
        return "".join(
            f'<{tag} style="text-align:{side}">{_cell(cell)}</{tag}>' for cell, side in zip(cells, sides, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f'<table class="drawn"><tr>{line(heads, "th")}</tr>{body}</table>'


def _cell(cell: Block) -> str:
    if cell["type"] == "raw_text":
        return escape(cell["text"])
    parts = [part for section in cell["elements"] for part in section["elements"]]
    return "".join(
        f"<a>{escape(part['text'])}</a>" if part["type"] == "link" else escape(part["text"]) for part in parts
    )


def _chart(block: Block) -> str:
    """One series of bars, each with its label; the largest figure is written at its bar."""
    [series] = block["chart"]["series"]
    points = series["data"]
    top = max(point["value"] for point in points) or 1
    step = _WIDE / len(points)
    bars = ""
    for n, point in enumerate(points):
        high = _HIGH * point["value"] / top
        x, middle = n * step + step * 0.2, n * step + step / 2
        bars += f'<rect x="{x:.1f}" y="{_HIGH - high + 18:.1f}" width="{step * 0.6:.1f}" height="{high:.1f}" rx="2"/>'
        bars += f'<text x="{middle:.1f}" y="{_HIGH + 34}">{escape(point["label"])}</text>'
        if point["value"] == top:
            bars += f'<text x="{middle:.1f}" y="{_HIGH - high + 12:.1f}">{point["value"]:g}</text>'
    drawing = f'<svg width="{_WIDE}" height="{_HIGH + 40}">{bars}</svg>'
    return f'<div class="drawn"><b>{escape(block["title"])}</b>{drawing}</div>'
