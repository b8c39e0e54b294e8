"""Letters: what the owner of a pod is told without having asked, and the answer to "why?"."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bot.blocks import Block, Message, actions, button, context, section
from bot.views import (
    START_AGAIN,
    TERMINATE,
    Shown,
    down_buttons,
    stop_button,
    terminate_button,
    what_is_kept,
    what_terminating_deletes,
)
from bot.words import capital, clock, code, escape, fence, moment
from core.model import Action, Cause, IdleAction, Pod
from core.service import Why
from core.units import format_bytes, format_money, rough

KEEP = "pod_keep"
"""Beginning of the action ids of buttons that keep a pod; the duration follows."""
UNTIL = "until_"
"""After `KEEP` and `_`: seconds since 1970 follow, not a duration."""
WHY = "pod_why"
FORGET_NOT = "pod_forget_not"

Morning = tuple[str, datetime]
"""How it is called, and when it is."""
_MARK = "\ue000"
"""Stands around a time until the rest is escaped: a character that nobody types."""
_NEAR = timedelta(hours=12)
"""Of a time that is nearer nobody asks on which day."""
_MARKED = re.compile(f"{_MARK}([0-9]{{1,12}}){_MARK}")


def warning(
    shown: Shown, reason: str, deadline: datetime, action: str, morning: Morning | None, *, final: bool
) -> Message:
    """Of an end that is near, with what can still be done about it; a `final` one cannot be moved.

    `morning`: until when it may be kept overnight; None where nobody knows when that is for its owner.
    """
    pod = shown.pod
    terminates = action == IdleAction.TERMINATE
    word = "terminated" if terminates else "stopped"
    head = f"{code(pod.name)} will be {word} at {clock(deadline)}"
    kept = what_terminating_deletes(pod) if terminates else _what_stopping_keeps(pod)
    lines = [f"{escape(capital(reason))}.", kept, _so_far(shown)]
    keeps = [] if final else [_keep(pod, "1h", "Keep 1 h"), _overnight(pod, morning)]
    if final:
        lines.append("Neither use nor keeping it moves this end.")
    return _letter(head, lines, [*keeps, *_end_now(pod), _why(pod)])


def idle_notice(shown: Shown, reason: str, morning: Morning | None) -> Message:
    """Of a pod that nobody uses and that its rule lets run on."""
    pod = shown.pod
    cost = f" It costs {format_money(pod.spec.price_per_hour)} per hour." if pod.spec.price_per_hour else ""
    lines = [f"{escape(capital(reason))}. Its rule says only to tell you, so it runs on.{cost}", _so_far(shown)]
    return _letter(f"{code(pod.name)} is idle", lines, [*_end_now(pod), _overnight(pod, morning), _why(pod)])


def withdrawn(pod: Pod, *, used: bool) -> Message:
    """The warning is void."""
    why = "is in use again" if used else "is not to be stopped for now"
    return _letter(f"{code(pod.name)} {why}", ["The warning is withdrawn; it runs on."], [])


def kept(pod: Pod, by: str) -> Message:
    """A promise was given or taken back; `by`: escaped."""
    if pod.keep_until is None:
        return _letter(f"{code(pod.name)} is not kept any more", [f"Taken back by {by}."], [])
    lines = [f"By {by}."]
    if pod.spec.max_lifetime:
        lines.append("That does not move the end of its lifetime.")
    return _letter(f"{code(pod.name)} is kept until {moment(pod.keep_until)}", lines, [])


def woken(pod: Pod) -> Message:
    """A visitor has started it."""
    text = f"{code(pod.name)} was started by a visitor of its address."
    return Message(text, [section(text), *actions(*_end_now(pod))])


def moved(shown: Shown, reason: str) -> Message:
    """The engine has put it elsewhere; a TCP address may be another one now."""
    tcp = [escape(url) for _, url in shown.addresses if not url.startswith("http")]
    return _letter(f"{code(shown.pod.name)} was moved", [escape(reason), f"Now at {', '.join(tcp)}" if tcp else ""], [])


def orphan(pod_id: str, reason: str) -> Message:
    """For the admins: something of ours that no pod claims was halted."""
    return _letter(
        "Something ran that nobody asked for", [escape(reason), f"It carries the pod id {code(pod_id)}."], []
    )


def balance(reason: str) -> Message:
    """For the admins: nothing starts until somebody adds credit."""
    first = reason.partition("\n")[0]
    lines = [escape(first), "Starts fail until then. You are told once, and again only after a start has succeeded."]
    return _letter("No pod can be started", lines, [])


def forget(pod: Pod, since: datetime, volume: int | None) -> Message:
    """The proposal to delete a pod that has been stopped for long; it is carried out only after a yes."""
    what = f"its volume disk ({format_bytes(volume)} at {code(pod.spec.volume_path)})" if volume else "nothing else"
    frees = f"frees {format_bytes(volume)}" if volume else "frees its name and its address"
    lines = [f"Delete it with {what}? That {frees}. Nothing is deleted unless you say so."]
    buttons = [
        button("Delete…", TERMINATE, pod.id, said=f"Delete {pod.name}, asks first"),
        button("Keep it", FORGET_NOT, pod.id, said=f"Keep {pod.name}"),
        button("Start again", START_AGAIN, pod.id, said=f"Start {pod.name} again"),
    ]
    return _letter(f"{code(pod.name)} has been stopped since {moment(since)}", lines, buttons)


def not_forgotten(pod: Pod, by: str) -> Message:
    """The answer to the proposal was no."""
    return _letter(f"{code(pod.name)} stays as it is", [f"Nothing was deleted. {by} wants to keep it."], [])


def notice(shown: Shown, reason: str, what: str) -> Message:
    """Of an end that nobody asked for; `what`: `was stopped`, `has ended`, `has failed`."""
    pod = shown.pod
    first, _, last_lines = reason.partition("\n")
    last_lines = last_lines.removeprefix("Last lines:\n")
    stays = what_is_kept(pod)
    head = f"{code(pod.name)} {what}: {escape(first)}"
    blocks = [section(f"*{code(pod.name)} {what}*: {escape(first)}" + (f"\n{stays}" if stays else ""))]
    ran = _ran(pod)
    blocks += map(context, filter(None, [ran]))
    if last_lines:
        blocks.append(section(fence(last_lines)))
    return Message(" ".join(filter(None, [head, stays, ran])), [*blocks, *actions(*down_buttons(pod))])


def why(found: Why) -> Message:
    """The sentence, with its times in the reader's zone."""

    def time(mark: re.Match[str]) -> str:
        at = datetime.fromtimestamp(int(mark[1]), UTC)
        return (clock if abs(at - found.at) < _NEAR else moment)(at)

    sentence = _MARKED.sub(time, escape(found.told(lambda at: f"{_MARK}{int(at.timestamp())}{_MARK}")))
    text = f"{code(found.pod.name)}: {sentence}"
    return Message(text, [section(text)])


def secrets(pod: Pod, tokens: Mapping[str, str]) -> Message:
    """What lets its owner in; for an answer or a direct message, never for a channel."""
    lines = [f"{code(name)}: {code(value)}" for name, value in tokens.items()]
    return _letter(f"{code(pod.name)} asks who you are", [*lines, "Only you see this. `/pod show` shows it again."], [])


def _letter(head: str, lines: list[str], buttons: list[Block]) -> Message:
    body = "\n".join(line for line in lines if line)
    return Message(f"{head}: {body}", [section(f"*{head}*\n{body}"), *actions(*buttons)])


def _what_stopping_keeps(pod: Pod) -> str:
    if pod.spec.volume is None:
        return "Its container disk will be lost; it has no volume disk."
    return f"Its container disk will be lost; its volume disk ({format_bytes(pod.spec.volume)}) is kept."


def _keep(pod: Pod, duration: str, label: str) -> Block:
    return button(label, f"{KEEP}_{duration}", pod.id, said=f"{label}: {pod.name}")


def _overnight(pod: Pod, morning: Morning | None) -> Block:
    if morning is None:
        return _keep(pod, "8h", "Keep 8 h")
    called, at = morning
    return _keep(pod, f"{UNTIL}{int(at.timestamp())}", f"Keep until {called}")


def _so_far(shown: Shown) -> str:
    """What its run took until now; empty where no price is known."""
    pod, now = shown.pod, shown.now
    cost = pod.cost(now) if now is not None else None
    if not cost or now is None:
        return ""
    return f"It has run for {rough(now - (pod.started_at or pod.created_at))} and cost {format_money(cost)} so far."


def _ran(pod: Pod) -> str:
    """When its run was over, and what it took and what its end spares, of one that is down."""
    if pod.ended_at is None or pod.ready_at is None:
        return ""
    parts = [moment(pod.ended_at), f"ran {rough(pod.ended_at - (pod.started_at or pod.created_at))}"]
    cost = pod.cost(pod.ended_at)
    if cost and pod.spec.price_per_hour:
        saved = pod.cause is Cause.IDLE
        parts.append(f"cost {format_money(cost)}")
        parts += [f"saves {format_money(pod.spec.price_per_hour)} per hour from now on"] if saved else []
    return " · ".join(parts)


def _why(pod: Pod) -> Block:
    return button("Why?", WHY, pod.id, said=f"Why is {pod.name} idle?")


def _end_now(pod: Pod) -> list[Block]:
    """The way to end it at once: a stop where it can be stopped, a terminate that asks first otherwise."""
    if Action.STOP in pod.actions:
        return [stop_button(pod, "Stop now")]
    return [terminate_button(pod)] if Action.TERMINATE in pod.actions else []
