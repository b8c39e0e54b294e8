"""The home tab: somebody's pods with what can be done with each, and the way to a new one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import bills
from bot.blocks import Block, actions, button, context, section
from bot.letters import KEEP
from bot.views import OPEN, Shown, down_buttons, stop_button, terminate_button
from bot.words import capital, code, escape, moment
from core.model import Action, Pod, Status
from core.service import Bill
from core.units import format_money, rough

FORM = "pod_form"
LIST = "pod_list"
HELP = "pod_help"
UNFOLD = "pod_others_show"
FOLD = "pod_others_hide"
MOST_OTHERS = 60
MOST = 20
"""Pods on the page: four blocks each, of Slack's 100."""

_SIGNS = {Status.RUNNING: "🟢", Status.EXITED: "⚪", Status.ERROR: "🔴"}


@dataclass(frozen=True)
class Others:
    """Everybody else's pods, for an admin."""

    shown: Sequence[Shown]
    unfolded: bool = False


def home(
    shown: Sequence[Shown],
    ends: Sequence[datetime | None],
    now: datetime,
    bill: Bill | None = None,
    others: Others | None = None,
    *,
    chart: bool = True,
) -> Block:
    """The view. `ends`: when silence from now on would stop each, or None. `chart`: Slack takes them."""
    live = [(one, end) for one, end in zip(shown, ends, strict=True) if one.pod.status is not Status.TERMINATED]
    blocks = [section("*Your pods*" if live else "*You have no pods.* They stop by themselves when nobody uses them.")]
    for one, end in live[:MOST]:
        blocks += [*_pod(one, end, now), {"type": "divider"}]
    if len(live) > MOST:
        blocks.append(context(f"and {len(live) - MOST} more, the older ones; `/pod list` shows them"))
    blocks += actions(form_button(primary=not live), help_button())
    if others is not None and others.shown:
        blocks += _others(others, now)
    if bill is not None and bill.pods:
        blocks.append({"type": "divider"})
        blocks.append(section(f"*Your pods in {bills.name_of(bills.first_day(bill))}*: {bills.total(bill.total)}"))
        blocks += [bills.chart(bill)] if chart else []
    blocks.append(context("`/pod help` lists all words. This page changes by itself when something happens to a pod."))
    return {"type": "home", "blocks": blocks}


def unwelcome(words: str) -> Block:
    """For somebody who may not use pods here."""
    return {"type": "home", "blocks": [section(escape(words))]}


def form_button(*, primary: bool = False) -> Block:
    """Opens the form for a start."""
    return button("Start a pod…", FORM, "-", said="Start a pod, opens a form", style="primary" if primary else None)


def list_button() -> Block:
    """Shows the clicker's pods."""
    return button("My pods", LIST, "-")


def help_button() -> Block:
    """Shows all words."""
    return button("Help", HELP, "-", said="All words of /pod")


def _others(others: Others, now: datetime) -> list[Block]:
    """Folded, with a button that unfolds it; a line each."""
    many = len(others.shown)
    running = sum(one.pod.status is Status.RUNNING for one in others.shown)
    said = f"*Everybody else's pods*: {many}, of which {running} {'runs' if running == 1 else 'run'}"
    if not others.unfolded:
        return [section(said), *actions(button("Show them", UNFOLD, "-", said="Show everybody's pods"))]
    lines = [
        f"{_SIGNS.get(one.pod.status, '🟡')} {code(one.pod.name)} {one.pod.status} · {escape(one.pod.spec.template)} · "
        f"{escape(one.pod.owner_name)} · for {rough(now - one.pod.changed_at)}"
        for one in others.shown[:MOST_OTHERS]
    ]
    blocks = [section(said), *(section("\n".join(lines[at : at + 10])) for at in range(0, len(lines), 10))]
    if many > MOST_OTHERS:
        blocks.append(context(f"and {many - MOST_OTHERS} more, the older ones; `/pod list --everyone` shows them"))
    return [*blocks, *actions(button("Hide them", FOLD, "-", said="Hide everybody's pods"))]


def _pod(one: Shown, end: datetime | None, now: datetime) -> list[Block]:
    pod = one.pod
    head = f"{_SIGNS.get(pod.status, '🟡')} *{code(pod.name)}* {pod.status} · {escape(pod.spec.template)}"
    lines = [f"{head} · for {rough(now - pod.changed_at)}"]
    if pod.status is Status.RUNNING:
        lines += [escape(url) for _, url in one.addresses[:4]]
    elif pod.reason:
        lines.append(escape(capital(pod.reason.partition("\n")[0][:300])))
    small = [f"stops {moment(end)} if nobody uses it until then"] if end is not None else []
    if one.kept:
        small = [one.kept]
    cost = pod.cost(now) if pod.status is Status.RUNNING else None
    small += [f"{format_money(cost)} so far"] if cost else []
    return [section("\n".join(lines)), *map(context, filter(None, [" · ".join(small)])), *actions(*_buttons(one, pod))]


def _buttons(one: Shown, pod: Pod) -> list[Block]:
    if pod.status is not Status.RUNNING:
        return [stop_button(pod, "Cancel")] if Action.STOP in pod.actions else down_buttons(pod)
    found = [
        button("Open" if n == 0 else f"Open {port}", f"{OPEN}_{n}", pod.id, said=f"Open {pod.name} {port}", url=url)
        for n, (port, url) in enumerate(one.pages[:2])
    ]
    found.append(button("Keep 1 h", f"{KEEP}_1h", pod.id, said=f"Keep 1 h: {pod.name}"))
    return [*found, stop_button(pod, "Stop") if Action.STOP in pod.actions else terminate_button(pod)]
