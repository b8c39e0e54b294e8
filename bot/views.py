"""What a pod looks like in Slack: cards from frozen models, nothing asked and nothing awaited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.blocks import Block, Message, actions, button, context, section
from bot.words import code, escape, fence, moment
from core.model import Action, Cause, IdleAction, Pod, Progress, Stage, Status
from core.service import PortUrl
from core.units import format_bytes, format_duration, format_money, rough

STOP = "pod_stop"
START_AGAIN = "pod_start_again"
TERMINATE = "pod_terminate"
TERMINATE_CONFIRM = "pod_terminate_confirm"
TERMINATE_CANCEL = "pod_terminate_cancel"
CARD_KEEP = "pod_card_keep"
"""On a pod's own card, which stays what it is; `letters.KEEP` turns a letter into its answer."""
LIKE = "pod_like"
OPEN = "pod_open"
"""Beginning of the action ids of buttons that only open an address."""

_STEPS = {
    Stage.PULL: "get the image",
    Stage.CREATE: "create the container",
    Stage.START: "start it",
    Stage.READY: "wait until it answers",
}
_IS = {
    Status.PROVISIONING: "is starting",
    Status.STARTING: "is starting",
    Status.RUNNING: "is running",
    Status.STOPPING: "is being stopped",
    Status.EXITED: "is stopped",
    Status.TERMINATING: "is being terminated",
    Status.TERMINATED: "is terminated",
    Status.ERROR: "has failed",
}


@dataclass(frozen=True)
class Shown:
    """A pod with what the service says about it."""

    pod: Pod
    urls: Sequence[PortUrl]
    local: bool = False
    """Its addresses open only on the machine where Podkeeper runs."""
    now: datetime | None = None
    remark: str | None = None
    """What its engine's limits mean for whoever uses its addresses."""

    @property
    def kept(self) -> str:
        """That somebody wants it kept, and until when; empty when nobody does."""
        until, now = self.pod.keep_until, self.now
        if until is None or now is None or until <= now:
            return ""
        return f"kept until {moment(until)} by {escape(self.pod.kept_by or 'somebody')}"

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """Declared port and address, of the ports that have one."""
        return [(found.port, found.url) for found in self.urls if found.url is not None]

    @property
    def pages(self) -> list[tuple[str, str]]:
        """Those that a browser opens."""
        return [(port, url) for port, url in self.addresses if url.startswith("http")]


def starting(
    shown: Shown, progress: Progress | None, now: datetime, by: str, expected: timedelta | None = None
) -> Message:
    """A start under way: its steps done, current and next. `expected`: how long it takes as a rule."""
    pod = shown.pod
    since = format_duration(now - (pod.started_at or pod.created_at))
    rule = f", as a rule {rough(expected)}" if expected is not None and expected >= timedelta(seconds=1) else ""
    current = progress.stage if progress is not None else Stage.PULL
    lines: list[str] = []
    said = _STEPS[current]
    order = list(_STEPS)
    for stage, name in _STEPS.items():
        if order.index(stage) < order.index(current):
            lines.append(f"✓ {name}")
        elif stage is current:
            lines.append(f"▸ *{name}*{_how_far(progress)}")
        else:
            lines.append(f"○ {name}")
    cost = _cost(pod)
    head = f"*{code(pod.name)} is starting* · {escape(pod.spec.template)} · {since}{rule}{cost}"
    stop = [stop_button(pod, "Cancel")] if Action.STOP in pod.actions else []
    return Message(
        f"{code(pod.name)} is starting ({said}), {since} so far{rule}{cost}.",
        [section("\n".join([head, *lines])), _by(by), *actions(*stop)],
    )


def _cost(pod: Pod) -> str:
    return f" · costs {format_money(pod.spec.price_per_hour)} per hour" if pod.spec.price_per_hour else ""


def _how_far(progress: Progress | None) -> str:
    if progress is None:
        return ""
    out = ""
    if progress.fraction is not None:
        filled = round(max(0.0, min(1.0, progress.fraction)) * 10)
        out = f" {'▰' * filled}{'▱' * (10 - filled)} {filled * 10} %"
    return f"{out} {escape(progress.message[:200])}"


def card(shown: Shown, by: str = "") -> Message:
    """A pod as it is now: address and idle rule, or why it is down, and what can be done."""
    pod = shown.pod
    if pod.status is Status.RUNNING:
        return _running(shown, by)
    reason, last_lines = _reason(pod)
    head = f"*{code(pod.name)} {_IS[pod.status]}*" + (f": {escape(reason)}" if reason else "")
    kept = what_is_kept(pod)
    blocks: list[Block] = [section(head + (f"\n{kept}" if kept else ""))]
    if last_lines:
        blocks.append(section(fence(last_lines)))
    if by:
        blocks.append(_by(by))
    blocks += actions(*down_buttons(pod))
    said = f"{code(pod.name)} {_IS[pod.status]}" + (f": {escape(reason)}" if reason else ".")
    return Message(" ".join(filter(None, [said, kept, escape(last_lines)])), blocks)


def _running(shown: Shown, by: str) -> Message:
    pod = shown.pod
    rule = idle_rule(pod)
    cost = _cost(pod)
    where = "\n".join(escape(url) for _, url in shown.addresses) or "It has no address."
    blocks = [section(f"*{code(pod.name)} is running* · {escape(pod.spec.template)}\n{where}")]
    blocks.append(context(" · ".join(filter(None, [f"{rule}{cost}", shown.kept]))))
    if shown.local and shown.addresses:
        blocks.append(context("opens on the machine where Podkeeper runs"))
    if shown.remark:
        blocks.append(context(escape(shown.remark)))
    if by:
        blocks.append(_by(by))
    buttons = [
        button("Open" if n == 0 else f"Open {port}", f"{OPEN}_{n}", pod.id, said=f"Open {pod.name} {port}", url=url)
        for n, (port, url) in enumerate(shown.pages[:4])
    ]
    buttons.append(button("Keep 1 h", CARD_KEEP, pod.id, said=f"Keep {pod.name} for an hour"))
    buttons += [stop_button(pod, "Stop")] if Action.STOP in pod.actions else [terminate_button(pod)]
    addresses = ", ".join(escape(url) for _, url in shown.addresses)
    return Message(
        f"{code(pod.name)} is running{f' at {addresses}' if addresses else ''}. {rule}{cost}."
        + (f" It is {shown.kept}." if shown.kept else "")
        + (f" {escape(shown.remark)}" if shown.remark else ""),
        [*blocks, *actions(*buttons)],
    )


def idle_rule(pod: Pod) -> str:
    """When silence ends it, and when its lifetime does."""
    rule, longest = pod.spec.idle, pod.spec.max_lifetime
    latest = f"after {format_duration(longest)} in any case" if longest else ""
    if not rule.timeout or not (pod.watched or rule.busy_above):
        return f"Stops by itself {latest}" if latest else "Never stops by itself"
    verb = "Stops" if pod.stoppable else "Ends"
    silence = f"after {format_duration(rule.timeout)} without traffic"
    match rule.action:
        case IdleAction.NOTIFY:
            return f"Tells its owner {silence}" + (f", and stops {latest}" if latest else " and runs on")
        case IdleAction.TERMINATE:
            verb = "Is terminated"
        case IdleAction.STOP:
            pass
    return f"{verb} by itself {silence}" + (f", and {latest}" if latest else "")


def changed(shown: Shown, by: str) -> Message:
    """A stop, restart or terminate that is under way."""
    pod = shown.pod
    kept = what_is_kept(pod)
    text = f"{code(pod.name)} {_IS[pod.status]}…"
    return Message(f"{text} {kept}".strip(), [section(f"*{text}*" + (f"\n{kept}" if kept else "")), _by(by)])


def ask_terminate(shown: Shown) -> Message:
    """Asks before the irreversible, naming what is lost; when there is nothing left to ask, the pod as it is."""
    pod = shown.pod
    if Action.TERMINATE not in pod.actions:
        return card(shown)
    text = f"Terminate {code(pod.name)}? {what_terminating_deletes(pod)}"
    return Message(
        text,
        [
            section(text),
            context(f"{code(pod.name)} {_IS[pod.status]} · owner {escape(pod.owner_name)} · id {code(pod.id)}"),
            *actions(
                button("Terminate", TERMINATE_CONFIRM, pod.id, said=f"Terminate {pod.name}", style="danger"),
                button("Cancel", TERMINATE_CANCEL, pod.id, said=f"Do not terminate {pod.name}"),
            ),
        ],
    )


def problem(text: str) -> Message:
    """An error, for the one who asked."""
    first, _, last_lines = text.partition("\n")
    last_lines = last_lines.removeprefix("Last lines:\n")
    blocks = [section(escape(first))] + ([section(fence(last_lines))] if last_lines else [])
    return Message(escape(text), blocks)


def plain(text: str) -> Message:
    """A sentence whose names are already escaped."""
    return Message(text, [section(text)])


def _reason(pod: Pod) -> tuple[str, str]:
    first, _, rest = (pod.reason or "").partition("\n")
    return first, rest.removeprefix("Last lines:\n")


def what_terminating_deletes(pod: Pod) -> str:
    """What is lost for good, and what stays."""
    lost = ["its container disk"]
    if pod.spec.volume is not None:
        lost.append(f"its volume disk ({format_bytes(pod.spec.volume)} at {code(pod.spec.volume_path)})")
    volume = pod.spec.network_volume
    stays = f" The network volume {code(volume)} stays, and its data is safe." if volume else ""
    return f"This deletes {' and '.join(lost)} for good.{stays}"


def what_is_kept(pod: Pod) -> str:
    """What is lost and what is kept of a pod that is down, or on its way there."""
    if pod.spec.network_volume is not None:
        data = f"The data on network volume {code(pod.spec.network_volume)} is safe."
        return data if pod.status not in (Status.PROVISIONING, Status.STARTING) else ""
    volume = f"volume disk ({format_bytes(pod.spec.volume)} at {code(pod.spec.volume_path)})" if pod.spec.volume else ""
    match pod.status:
        case Status.STOPPING | Status.EXITED | Status.ERROR if volume:
            return f"Its container disk is lost; its {volume} is kept."
        case Status.STOPPING | Status.EXITED | Status.ERROR:
            return "Its container disk is lost; it has no volume disk."
        case Status.TERMINATING | Status.TERMINATED:
            return f"Its container disk{f' and its {volume}' if volume else ''}: gone for good."
        case _:
            return ""


def down_buttons(pod: Pod) -> list[Block]:
    """What can be done with a pod that is down."""
    found: list[Block] = []
    # One that was terminated for its silence is made anew; who terminates one on purpose wants no such offer.
    gone_idle = pod.status is Status.TERMINATED and pod.cause is Cause.IDLE
    if Action.RESUME in pod.actions or gone_idle:
        found.append(button("Start again", START_AGAIN, pod.id, said=f"Start {pod.name} again", style="primary"))
    if Action.TERMINATE in pod.actions and not pod.status.under_way:
        found.append(terminate_button(pod))
    return found


def stop_button(pod: Pod, label: str) -> Block:
    """Stops it at once."""
    return button(label, STOP, pod.id, said=f"{label} {pod.name}")


def like_button(pod: Pod) -> Block:
    """Opens the form with what this pod has."""
    return button("Start another…", LIKE, pod.id, said=f"Start another pod like {pod.name}, opens a form")


def terminate_button(pod: Pod) -> Block:
    """Asks whether it is to be terminated."""
    return button("Terminate…", TERMINATE, pod.id, said=f"Terminate {pod.name}, asks first")


def _by(by: str) -> Block:
    return context(by)
