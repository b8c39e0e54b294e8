"""The home tab: somebody's pods with what can be done with each, and the way to a new one."""

from collections.abc import Sequence
from datetime import datetime

from bot.blocks import Block, actions, button, context, section
from bot.letters import KEEP
from bot.views import OPEN, Shown, down_buttons, stop_button, terminate_button
from bot.words import code, escape, moment
from core.model import Action, Pod, Status
from core.units import format_duration

FORM = "pod_form"
LIST = "pod_list"
HELP = "pod_help"
MOST = 20
"""Pods on the page: four blocks each, of Slack's 100."""

_SIGNS = {Status.RUNNING: "🟢", Status.EXITED: "⚪", Status.ERROR: "🔴"}


def home(shown: Sequence[Shown], ends: Sequence[datetime | None], now: datetime) -> Block:
    """The view. `ends`: when silence from now on would stop each, or None."""
    live = [(one, end) for one, end in zip(shown, ends, strict=True) if one.pod.status is not Status.TERMINATED]
    blocks = [section("*Your pods*" if live else "*You have no pods.* They stop by themselves when nobody uses them.")]
    for one, end in live[:MOST]:
        blocks += [*_pod(one, end, now), {"type": "divider"}]
    if len(live) > MOST:
        blocks.append(context(f"and {len(live) - MOST} more, the older ones; `/pod list` shows them"))
    blocks += actions(form_button(primary=not live), help_button())
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


def _pod(one: Shown, end: datetime | None, now: datetime) -> list[Block]:
    pod = one.pod
    head = f"{_SIGNS.get(pod.status, '🟡')} *{code(pod.name)}* {pod.status} · {escape(pod.spec.template)}"
    lines = [f"{head} · for {format_duration(now - pod.changed_at)}"]
    if pod.status is Status.RUNNING:
        lines += [escape(url) for _, url in one.addresses[:4]]
    elif pod.reason:
        lines.append(escape(pod.reason.partition("\n")[0][:300]))
    small = [f"stops {moment(end)} if nobody uses it until then"] if end is not None else []
    if one.kept:
        small = [one.kept]
    return [section("\n".join(lines)), *map(context, small), *actions(*_buttons(one, pod))]


def _buttons(one: Shown, pod: Pod) -> list[Block]:
    if pod.status is not Status.RUNNING:
        return [stop_button(pod, "Cancel")] if Action.STOP in pod.actions else down_buttons(pod)
    found = [
        button("Open" if n == 0 else f"Open {port}", f"{OPEN}_{n}", pod.id, said=f"Open {pod.name} {port}", url=url)
        for n, (port, url) in enumerate(one.pages[:2])
    ]
    found.append(button("Keep 1 h", f"{KEEP}_1h", pod.id, said=f"Keep 1 h: {pod.name}"))
    return [*found, stop_button(pod, "Stop") if Action.STOP in pod.actions else terminate_button(pod)]
