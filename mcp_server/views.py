"""What the tools give back: pydantic models, sizes as `8g`, durations as `30m`, times in UTC. No environment values."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, SerializeAsAny

from core.model import IdleAction, Ignore, Pod, Status
from core.service import PodService
from core.units import format_bytes, format_duration

Moment = Annotated[datetime, AfterValidator(lambda at: at.replace(microsecond=0))]
"""A time as it is shown, to the second."""

_UP = (Status.PROVISIONING, Status.STARTING, Status.RUNNING)
MAX_LOG_BYTES = 32_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


class View(BaseModel):
    """A structured result; `brief` is the copy for clients that read text only."""

    def brief(self) -> str:
        """The same in few characters: JSON without what is null."""
        return self.model_dump_json(exclude_none=True)


class PortView(BaseModel):
    """A declared port; one without an address has none now."""

    port: str
    url: str | None


class PodLine(View):
    """A pod, in a list."""

    id: str
    name: str
    status: Status
    template: str
    owner: str
    url: str | None = Field(description="First web address")
    gpu: str | None
    network_volume: str | None
    price_per_hour: float | None
    started_at: Moment | None
    last_active_at: Moment | None
    keep_until: Moment | None
    stops_at: Moment | None = Field(description="When it stops unless used")
    ended_at: Moment | None
    reason: str | None
    hint: str | None = Field(description="What to know or call next")

    @classmethod
    def of(cls, pods: PodService, pod: Pod) -> "PodLine":
        """This pod as it is now."""
        spec = pod.spec
        web = (found.url for found in pods.urls(pod) if found.url is not None and found.port.endswith("/http"))
        return PodLine(
            id=pod.id,
            name=pod.name,
            status=pod.status,
            template=spec.template,
            owner=pod.owner_name,
            url=next(web, None),
            gpu=str(spec.gpu) if spec.gpu else None,
            network_volume=spec.network_volume,
            price_per_hour=spec.price_per_hour,
            started_at=pod.started_at,
            last_active_at=pod.last_active_at,
            keep_until=pod.keep_until,
            stops_at=pods.stops_at(pod),
            ended_at=pod.ended_at,
            reason=pod.reason,
            hint=hint(pod),
        )


class PodView(PodLine):
    """A pod, as the tools about one show it."""

    image: str
    via: str
    ports: list[PortView]
    login: Mapping[str, str] | None = Field(
        default=None, repr=False, description="Generated tokens by variable, for the owner only; never in lists"
    )
    actions: list[str] = Field(description="Allowed now")
    cpu: float
    memory: str
    volume: str | None
    volume_path: str | None
    idle_timeout: str
    idle_warning: str
    idle_action: str
    ignore: list[str] | None = Field(description="Requests that are no use")
    max_lifetime: str | None
    wake: str | None = Field(description="null: as the engine does")
    created_at: Moment
    ready_at: Moment | None
    kept_by: str | None
    warned_at: Moment | None = Field(description="When its owner was told of the end that is near")
    remark: str | None = Field(description="Tell the user")
    """Not in `hint`, which names tools and is not for people."""
    now: Moment

    @classmethod
    def of(cls, pods: PodService, pod: Pod, login: Mapping[str, str] | None = None) -> "PodView":
        """This pod as it is now; with its tokens where the caller is its owner and asked for this one pod."""
        spec = pod.spec
        mounted = spec.volume is not None or spec.network_volume is not None
        return cls(
            **PodLine.of(pods, pod).__dict__,
            image=spec.image,
            via=pod.via,
            ports=[PortView(port=found.port, url=found.url) for found in pods.urls(pod)],
            login=login or None,
            actions=[str(action) for action in pod.actions],
            cpu=spec.cpu,
            memory=format_bytes(spec.memory),
            volume=size_or_none(spec.volume),
            volume_path=spec.volume_path if mounted else None,
            idle_timeout=never_or(spec.idle.timeout),
            idle_warning=never_or(spec.idle.warning),
            idle_action=_at_its_end(pod),
            ignore=_rules(spec.idle.ignore) or None,
            max_lifetime=format_duration(spec.max_lifetime) if spec.max_lifetime else None,
            wake=spec.wake,
            created_at=pod.created_at,
            ready_at=pod.ready_at,
            kept_by=pod.kept_by,
            warned_at=pod.warned_at,
            remark=pods.remark(pod) if pod.status in _UP else None,
            now=pods.now,
        )

    def line(self) -> PodLine:
        """The same in brief."""
        return PodLine(**{name: getattr(self, name) for name in PodLine.model_fields})


ABRIDGED = {
    "PodView": (("id", "status", "url"), "More: pod_get"),
    "PodLine": (("id", "name", "status", "url"), "And more; full: all fields of pod_get"),
    "WhyView": (
        ("text", "decision", "deadline", "in_use"),
        (
            "decision: keep, warn or stop, null when it does not run. deadline: when it ends unless used. And what was "
            "counted on each of `ports`, shares of `usage`, `missing` witnesses, promises, and since when"
        ),
    ),
    "TemplateLine": (
        ("name", "description"),
        "And gpu, price_per_hour; full: image, ports, cpu, memory, volume, idle_timeout",
    ),
    "VolumeView": (("id", "name"), "More: volume_list"),
}
"""Models that schemas tell in few fields and words; only tools that are `in_full` publish all of them."""


class PodPage(View):
    """Some pods, and where the next ones begin."""

    pods: list[SerializeAsAny[PodLine]]
    total: int
    running: int = Field(description="In all that use compute")
    cost_per_hour: float | None = Field(description="Of those with a price, US dollars")
    now: Moment
    next_cursor: str | None = Field(description="Pass as cursor for the next page; null: no more")


class PodLogs(View):
    """The end of what a pod wrote."""

    id: str
    name: str
    lines: list[str]
    truncated: bool = Field(description="Older output was left out")

    @classmethod
    def of(cls, pod: Pod, output: str, tail: int) -> Self:
        """The last `tail` lines, of these the last 32 kB; no escape sequences and no control characters."""
        lines = [_printable(line) for line in output.splitlines()]
        kept: list[str] = []
        room = MAX_LOG_BYTES
        for line in reversed(lines[-tail:]):
            size = len(line.encode()) + 1
            if size > room:
                if not kept:
                    kept.append("…" + line.encode()[-room:].decode(errors="ignore"))
                break
            kept.append(line)
            room -= size
        cut = len(kept) < len(lines) or (len(kept) == 1 and kept[0] != lines[-1])
        return cls(id=pod.id, name=pod.name, lines=kept[::-1], truncated=cut)

    def brief(self) -> str:
        """The lines as they are."""
        return (
            "\n".join(["(older output was left out)", *self.lines] if self.truncated else self.lines) or "(no output)"
        )


def hint(pod: Pod) -> str | None:
    """What an assistant should know of a pod, and call next, where its status alone does not say it."""
    if pod.status in (Status.PROVISIONING, Status.STARTING):
        follow = "call pod_get with wait_for=running to follow it, pod_logs to see why it takes long"
        return f"still {pod.status}: {follow}"
    if pod.status.under_way:
        return f"still {pod.status}, and it goes on by itself: call pod_get with wait_for=settled to follow it"
    if pod.status is Status.ERROR:
        return "call pod_logs to see what it wrote, pod_resume to try again, pod_terminate to remove it"
    if pod.status is Status.TERMINATED and pod.spec.network_volume is not None:
        return "its network volume stays; pod_resume with this id makes the pod anew, at another address"
    if pod.status is Status.RUNNING:
        return _about_its_end(pod)
    return None


def _about_its_end(pod: Pod) -> str | None:
    told: list[str] = []
    if not pod.stoppable:
        told.append("it cannot be stopped, only terminated: it has a network volume")
    if pod.spec.idle.ignore.everything:
        told.append("its ignore rules match every request, so no request counts as use")
    if pod.warned_at is not None:
        told.append("its end is near: call pod_why to see it, pod_keep when the user wants the pod kept")
    return "; ".join(told) or None


def _at_its_end(pod: Pod) -> IdleAction:
    action = pod.spec.idle.action
    return IdleAction.TERMINATE if action is IdleAction.STOP and not pod.stoppable else action


def _rules(ignore: Ignore) -> list[str]:
    """As pod_start takes them."""
    agents, methods = (f"agent:{agent}" for agent in ignore.agents), (f"method:{method}" for method in ignore.methods)
    return [*ignore.paths, *agents, *methods]


def size_or_none(size: int | None) -> str | None:
    """As `8g`."""
    return format_bytes(size) if size is not None else None


def never_or(timeout: timedelta) -> str:
    """As `30m`; `0` means never."""
    return format_duration(timeout) if timeout else "0"


def _printable(line: str) -> str:
    return "".join(c for c in _ESCAPES.sub("", line) if c.isprintable() or c == "\t")
