"""Answers for the one who asked: lists, one pod in full, logs, templates, help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.blocks import Block, Cell, Message, actions, button, context, section, table
from bot.form import mounted
from bot.home import LIST, form_button, help_button, list_button
from bot.places import Where
from bot.verbs import VERBS
from bot.views import Shown, card, idle_rule, like_button
from bot.words import FENCE, clock, code, escape, fence
from core.model import Pod, Status, Template, Volume, Wake
from core.units import format_bytes, format_duration, format_money, rough

MOST = 20
"""Lines of a list; more do not help anybody in a chat."""
SHORT_LOG = 800
"""Characters of a log that is sent as a file, too."""
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
    heads = ["Pod", "Status", "Template", *(["Owner"] if page.everyone else []), "For", "Address"]
    rows = table(heads, [_row(one, page.everyone, now) for one in shown[first:last]])
    return Message(
        "\n".join([head.replace("*", ""), *lines]),
        [section(head), *actions(*turns), rows],
        simple=[section(head), *_paragraphs(lines), *actions(*turns)],
    )


def _row(one: Shown, everyone: bool, now: datetime) -> list[Cell]:
    pod = one.pod
    owner = [pod.owner_name] if everyone else []
    url = one.addresses[0][1] if one.addresses and pod.status is Status.RUNNING else ""
    address: Cell = (url.partition("//")[2], url) if url.startswith("http") else url
    return [pod.name, pod.status, pod.spec.template, *owner, rough(now - pod.changed_at), address]


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
        *_took(one),
    ]
    lines = [" · ".join(facts), " · ".join(_rules(pod, stops_at)), *_ignored(pod)]
    lines += [f"{code(name)}: {code(value)} (only its owner sees this)" for name, value in tokens.items()]
    at = next((n for n, block in enumerate(base.blocks) if block["type"] == "actions"), len(base.blocks))
    buttons = [element for block in base.blocks[at:] for element in block["elements"]]
    blocks: list[Block] = [*base.blocks[:at], *map(context, lines), *actions(*buttons, like_button(pod))]
    return Message("\n".join([base.text, *lines]), blocks)


def _took(one: Shown) -> list[str]:
    """What its present run took so far."""
    pod, now = one.pod, one.now
    if pod.status is not Status.RUNNING or now is None:
        return []
    cost = pod.cost(now)
    return [f"runs for {rough(now - (pod.started_at or pod.created_at))}", *([format_money(cost)] if cost else [])]


def _rules(pod: Pod, stops_at: datetime | None) -> list[str]:
    """By which rules it ends, and comes back."""
    rule = pod.spec.idle
    found = [] if pod.status is Status.RUNNING else [idle_rule(pod)]  # its card says it
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


def logs(pod: Pod, text: str, tail: int, sent: bool | None = None) -> Message:
    """The last lines of a pod. `sent`: all of them went to the asker as a file, or could not; None: nobody tried."""
    if not text.strip():
        said = f"{code(pod.name)} has written nothing, or nothing is left of its last run."
        return Message(said, [section(said)])
    head = f"Last lines of {code(pod.name)} (up to {tail})"
    if sent is not None:
        rest = "I sent you all of it as a file." if sent else "Slack took no file with all of it; see docs/slack.md."
        head = f"The end of the log of {code(pod.name)}. {rest}"
    shown = fence(text, SHORT_LOG if sent else FENCE)
    return Message(f"{head}\n{shown}", [section(head), section(shown)])


def volumes(found: Sequence[Volume]) -> Message:
    """The network volumes of the workspace."""
    if not found:
        text = f"There are no network volumes. An admin makes one with {code('podkeeper volume create NAME')}."
        return Message(text, [section(text)])
    lines = _fitting([_volume(one) for one in found[:MOST]])
    head = f"*Network volumes* · mount one with {code('/pod start TEMPLATE --network-volume NAME')}"
    left = [f"and {len(found) - len(lines)} more"] if len(found) > len(lines) else []
    foot = list(map(context, left))
    rows = [
        [one.name, format_bytes(one.size) if one.size is not None else "", str(len(one.attached_to)), one.owner_name]
        for one in found[: len(lines)]
    ]
    return Message(
        "\n".join([head.replace("*", ""), *lines, *left]),
        [section(head), *foot, table(["Name", "Size", "Pods", "Owner"], rows, right=[1, 2])],
        simple=[section(head), *_paragraphs(lines), *foot],
    )


def _volume(one: Volume) -> str:
    size = [format_bytes(one.size)] if one.size is not None else []
    return " · ".join([code(one.name), *size, mounted(one), f"of {escape(one.owner_name)}"])


def templates(found: Sequence[Template]) -> Message:
    """What can be started."""
    lines = [
        f"{code(one.name)} {escape(one.description)} · {one.spec.cpu:g} vCPU, {format_bytes(one.spec.memory)}"
        + (f", GPU {escape(str(one.spec.gpu))}" if one.spec.gpu else "")
        + (f" · {format_money(one.spec.price_per_hour)} per hour" if one.spec.price_per_hour else "")
        for one in found
    ]
    lines = _fitting(lines)
    head = f"*Templates* · start one with {code('/pod start NAME')}"
    left = [f"and {len(found) - len(lines)} more"] if len(found) > len(lines) else []
    return Message("\n".join([head, *lines, *left]), [section(head), *_paragraphs(lines), *map(context, left)])


SETTINGS = "pod_settings"
"""Beginning of the action ids of what changes one's own settings."""


def settings(where: Where) -> Message:
    """Where somebody is told of their pods, and the way to change that."""
    said = {
        "direct": "by direct message",
        "thread": "in the thread of the message that told of its start, where that is in a channel, and directly else",
    }
    text = f"What happens to a pod of yours without your asking (warnings, stops, failures) is told *{said[where]}*."
    other = (
        button("Tell me in the thread", f"{SETTINGS}_thread", "-")
        if where == "direct"
        else button("Tell me directly", f"{SETTINGS}_direct", "-")
    )
    return Message(text.replace("*", ""), [section(text), *actions(other)])


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
