"""Answers for the one who asked: lists, one pod in full, logs, templates, help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.blocks import Block, Message, actions, button, context, section
from bot.form import mounted
from bot.grammar import VERBS
from bot.home import LIST, form_button, help_button, list_button
from bot.views import Shown, card, idle_rule, like_button
from bot.words import clock, code, escape, fence
from core.model import Pod, Template, Volume, Wake
from core.units import format_bytes, format_duration

MOST = 20
"""Lines of a list; more do not help anybody in a chat."""
ROOM = 9000
"""Characters of a list: Slack refuses messages whose blocks hold more than about 13,000."""


@dataclass(frozen=True)
class Page:
    """Which part of which list."""

    everyone: bool = False
    ended: bool = False
    first: int = 0

    def value(self, first: int) -> str:
        """Of a button that leads to another page."""
        return f"{first} {'everyone' if self.everyone else ''} {'ended' if self.ended else ''}"

    @classmethod
    def of(cls, value: str) -> "Page":
        """From a button; the first page of one's own pods where it says nothing else."""
        first, _, rest = value.partition(" ")
        return cls("everyone" in rest, "ended" in rest, int(first) if first.isascii() and first.isdigit() else 0)


_VISIT = {Wake.AUTO: "starts it", Wake.BUTTON: "offers to start it", Wake.OFF: "does not start it"}


def pods(shown: Sequence[Shown], page: Page, now: datetime) -> Message:
    """The caller's pods, one line each, a page at a time."""
    if not shown:
        text = "There are no pods." if page.everyone else f"You have no pods. Start one: {code('/pod start hello')}"
        return Message(text, [section(text)])
    first = page.first if page.first < len(shown) else 0
    last = min(len(shown), first + MOST)
    lines = [_line(one, page.everyone, now) for one in shown[first:last]]
    head = f"*{len(shown)} pod{'' if len(shown) == 1 else 's'}*"
    if last - first < len(shown):
        head += f", {first + 1} to {last}, newest first"
    turns = [button("Newer", f"{LIST}_newer", page.value(max(0, first - MOST)))] if first else []
    turns += [button("Older", f"{LIST}_older", page.value(last))] if last < len(shown) else []
    return Message("\n".join([head.replace("*", ""), *lines]), [section(head), *_paragraphs(lines), *actions(*turns)])


def _line(one: Shown, everyone: bool, now: datetime) -> str:
    pod = one.pod
    parts = [f"{code(pod.name)} {pod.status}", escape(pod.spec.template)]
    if everyone:
        parts.append(escape(pod.owner_name))
    since = format_duration(now - pod.changed_at)
    parts.append(f"for {since}")
    if one.addresses and pod.status == "RUNNING":
        parts.append(escape(one.addresses[0][1]))
    return " · ".join(parts)


def details(one: Shown, stops_at: datetime | None, tokens: Mapping[str, str]) -> Message:
    """One pod in full, for the one who asked; of its environment only what lets its owner in is shown, to its owner."""
    pod = one.pod
    base = card(one)
    facts = [
        f"id {code(pod.id)}",
        f"image {code(pod.spec.image)}",
        f"{pod.spec.cpu:g} vCPU",
        f"{format_bytes(pod.spec.memory)} memory",
        *([f"GPU {escape(str(pod.spec.gpu))}"] if pod.spec.gpu else []),
        *([f"volume disk {format_bytes(pod.spec.volume)} at {code(pod.spec.volume_path)}"] if pod.spec.volume else []),
        *([f"network volume {code(pod.spec.network_volume)}"] if pod.spec.network_volume else []),
        *([f"ports {', '.join(str(port) for port in pod.spec.ports)}"] if pod.spec.ports else []),
        f"owner {escape(pod.owner_name)}",
    ]
    lines = [" · ".join(facts), " · ".join(_rules(pod, stops_at)), *_ignored(pod)]
    lines += [f"{code(name)}: {code(value)} (only its owner sees this)" for name, value in tokens.items()]
    at = next((n for n, block in enumerate(base.blocks) if block["type"] == "actions"), len(base.blocks))
    buttons = [element for block in base.blocks[at:] for element in block["elements"]]
    blocks: list[Block] = [*base.blocks[:at], *map(context, lines), *actions(*buttons, like_button(pod))]
    return Message("\n".join([base.text, *lines]), blocks)


def _rules(pod: Pod, stops_at: datetime | None) -> list[str]:
    """By which rules it ends, and comes back."""
    rule = pod.spec.idle
    found = [idle_rule(pod)]
    if rule.timeout and rule.warning:
        found.append(f"its owner is warned {format_duration(rule.warning)} before")
    shares = {"cpu": rule.busy_above.cpu, "memory": rule.busy_above.memory, "gpu": rule.busy_above.gpu}
    found += [f"{what} from {share:.0%} counts as use" for what, share in shares.items() if share is not None]
    if pod.spec.wake is not None:
        found.append(f"while it is stopped, a visit {_VISIT[pod.spec.wake]}")
    if stops_at is not None:
        found.append(f"if nobody comes, at {clock(stops_at)}")
    return found


def _ignored(pod: Pod) -> list[str]:
    """Requests that are no use, by its rules."""
    ignore = pod.spec.idle.ignore
    if not ignore:
        return []
    rules = [*map(code, ignore.paths), *(f"agent {code(agent)}" for agent in ignore.agents), *map(code, ignore.methods)]
    said = f"served, but no use: {', '.join(rules)}"
    return [f"{said}. These rules match every request, so none counts." if ignore.everything else said]


def logs(pod: Pod, text: str, tail: int) -> Message:
    """The last lines of a pod."""
    if not text.strip():
        said = f"{code(pod.name)} has written nothing, or nothing is left of its last run."
        return Message(said, [section(said)])
    head = f"Last lines of {code(pod.name)} (up to {tail})"
    return Message(f"{head}\n{fence(text)}", [section(head), section(fence(text))])


def volumes(found: Sequence[Volume]) -> Message:
    """The network volumes of the workspace."""
    if not found:
        text = f"There are no network volumes. An admin makes one with {code('podkeeper volume create NAME')}."
        return Message(text, [section(text)])
    lines = _fitting([_volume(one) for one in found[:MOST]])
    head = f"*Network volumes* · mount one with {code('/pod start TEMPLATE --network-volume NAME')}"
    left = [f"and {len(found) - len(lines)} more"] if len(found) > len(lines) else []
    return Message("\n".join([head, *lines, *left]), [section(head), *_paragraphs(lines), *map(context, left)])


def _volume(one: Volume) -> str:
    size = [format_bytes(one.size)] if one.size is not None else []
    return " · ".join([code(one.name), *size, mounted(one), f"of {escape(one.owner_name)}"])


def templates(found: Sequence[Template]) -> Message:
    """What can be started."""
    lines = [
        f"{code(one.name)} {escape(one.description)} · {one.spec.cpu:g} vCPU, {format_bytes(one.spec.memory)}"
        + (f", GPU {escape(str(one.spec.gpu))}" if one.spec.gpu else "")
        + (f" · {one.spec.price_per_hour:g} per hour" if one.spec.price_per_hour else "")
        for one in found
    ]
    lines = _fitting(lines)
    head = f"*Templates* · start one with {code('/pod start NAME')}"
    left = [f"and {len(found) - len(lines)} more"] if len(found) > len(lines) else []
    return Message("\n".join([head, *lines, *left]), [section(head), *_paragraphs(lines), *map(context, left)])


def greeting() -> Message:
    """For somebody who typed `/pod` and nothing more."""
    text = "*Pods from Slack.* They stop by themselves when nobody uses them."
    foot = f"{code('/pod start hello')} starts one, {code('/pod help')} lists all words."
    buttons = actions(form_button(primary=True), list_button(), help_button())
    return Message(f"{text} {foot}", [section(text), context(foot), *buttons])


def help_on(verb: str) -> Message:
    """All words, or one of them with its options and an example."""
    if verb.lower() in VERBS:
        return _help_one(verb.lower())
    lines = [f"{code(known.usage(name))} {known.summary}" for name, known in VERBS.items()]
    head = "*Pods from Slack.* They stop by themselves when nobody uses them."
    foot = f"A pod is called by its name, its id, or the beginning of one. {code('/pod help start')} shows the options."
    return Message("\n".join([head, *lines, foot]), [section(head), *_paragraphs(lines), context(foot)])


def _help_one(name: str) -> Message:
    verb = VERBS[name]
    lines = [f"*{code(verb.usage(name))}* {verb.summary}"]
    for flag, option in verb.options.items():
        lines.append(f"{code(f'--{flag}' + (f' {option.example}' if option.example else ''))} {option.meaning}")
    more = " --name demo --idle 1h" if name == "start" else ""
    lines.append(f"For example {code(verb.example(name) + more)}")
    return Message("\n".join(lines), [section("\n".join(lines))])


def _fitting(lines: Sequence[str]) -> list[str]:
    room = ROOM
    found: list[str] = []
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        found.append(line)
    return found


def _paragraphs(lines: Sequence[str]) -> list[Block]:
    """Sections of 4 lines: few enough to stay below Slack's 3,000 characters, and below its 50 blocks."""
    return [section("\n".join(lines[at : at + 4])) for at in range(0, len(lines), 4)]
