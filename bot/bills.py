"""Bills: what pods took and cost, as a chart, a table and in words."""

from calendar import month_name
from collections.abc import Sequence
from datetime import date

from bot.blocks import CHART_POINTS, Block, Message, bars, context, section, table
from bot.words import code, escape
from core.service import Bill, PodShare, Share
from core.units import format_money, rough

MOST = 20
"""Pods in the table."""


def month(bill: Bill, *, everyone: bool) -> Message:
    """The month so far, for the one who asked."""
    whose = "Everybody's pods" if everyone else "Your pods"
    head = f"*{whose} in {name_of(first_day(bill))}*: {total(bill.total)}"
    if not bill.pods:
        return Message(head.replace("*", ""), [section(head)])
    shown = bill.pods[:MOST]
    lines = [_line(one, everyone) for one in shown]
    left = [f"and {len(bill.pods) - MOST} more, which took less"] if len(bill.pods) > MOST else []
    foot = [*map(context, left), context(_HOW)]
    plain = [section(head), *(section("\n".join(lines[at : at + 10])) for at in range(0, len(lines), 10)), *foot]
    figures = ["Ran", *(["Cost", "Saved"] if bill.total.cost else [])]
    heads = ["Pod", "Template", *(["Owner"] if everyone else []), *figures]
    rows = [
        [one.name, one.template, *([one.owner_name] if everyone else []), *_figures(one.share)[: len(figures)]]
        for one in shown
    ]
    right = range(len(heads) - len(figures), len(heads))
    blocks = [section(head), chart(bill), *foot, table(heads, rows, right)]
    return Message("\n".join([head.replace("*", ""), *lines, *left, _HOW]), blocks, simple=plain)


def chart(bill: Bill) -> Block:
    """Each day's cost, or its hours where no price is known; days are put together where they are too many."""
    priced = bool(bill.total.cost)
    days = list(bill.days)
    step = -(-len(days) // CHART_POINTS)
    points: list[tuple[str, float]] = []
    for at in range(0, len(days), step):
        some = days[at : at + step]
        share = sum((bill.days[day] for day in some), Share())
        points.append((_label(some), (share.cost or 0.0) if priced else share.hours))
    unit = "US dollars" if priced else "hours"
    return bars(f"{unit[0].upper()}{unit[1:]} per {'day' if step == 1 else f'{step} days'}", unit, points)


def total(share: Share) -> str:
    """In words: `31h, $12.40. Stopping what nobody used spared 12h, about $9.30`."""
    if not share.time and not share.slept:
        return "nothing yet"
    cost = f", {format_money(share.cost)}" if share.cost else ""
    said = f"{rough(share.time)}{cost}"
    if not share.slept:
        return said
    saved = f", about {format_money(share.saved)}" if share.saved else ""
    return f"{said}. Stopping what nobody used spared {rough(share.slept)}{saved}"


def name_of(day: date) -> str:
    """The month of a day."""
    return month_name[day.month]


def first_day(bill: Bill) -> date:
    """The first of its days."""
    return next(iter(bill.days))


_HOW = (
    "From the request for a start to its end, at the price of the template. Saved: what would have gone on after a "
    "stop for silence, until the next start, for a day at most."
)


def _line(one: PodShare, everyone: bool) -> str:
    ran, cost, saved = _figures(one.share)
    owner = [escape(one.owner_name)] if everyone else []
    figures = [f"ran {ran}", *([cost] if cost else []), *([f"saved {saved}"] if saved else [])]
    return " · ".join([code(one.name), escape(one.template), *owner, *figures])


def _figures(share: Share) -> Sequence[str]:
    cost, saved = (format_money(sum_) if sum_ else "" for sum_ in (share.cost, share.saved))
    return rough(share.time), cost, saved


def _label(days: Sequence[date]) -> str:
    first, last = days[0], days[-1]
    return f"{first.day}" if first == last else f"{first.day}–{last.day}"
