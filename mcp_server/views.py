"""What the tools give back: pydantic models, sizes as `8g`, durations as `30m`, times in UTC. No environment values."""

import re
from datetime import datetime, timedelta
from typing import Self, TypeVar

from pydantic import BaseModel, Field

from core.model import Pod, Status, Template, Volume
from core.service import PodService
from core.units import format_bytes, format_duration

At = TypeVar("At", datetime, datetime | None)

MAX_LOG_BYTES = 32_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


class View(BaseModel):
    """A structured result; `text` is the copy for clients that read text only."""

    def text(self) -> str:
        """The same in few characters: JSON without what is null."""
        return self.model_dump_json(exclude_none=True)


class PortView(BaseModel):
    """A declared port; only web ports have an address."""

    port: str
    url: str | None


class PodView(View):
    """A pod, as every tool shows it."""

    id: str
    name: str
    status: Status
    template: str
    image: str
    owner: str
    via: str
    ports: list[PortView]
    url: str | None = Field(description="First web address")
    actions: list[str] = Field(description="Allowed now")
    reason: str | None
    cpu: float
    memory: str
    gpu: str | None
    volume: str | None
    volume_path: str | None
    network_volume: str | None
    idle_timeout: str
    price_per_hour: float | None
    created_at: datetime
    started_at: datetime | None
    ready_at: datetime | None
    last_active_at: datetime | None
    stops_at: datetime | None = Field(description="When it stops unless used")
    hint: str | None = Field(description="What to call next")

    @classmethod
    def of(cls, pods: PodService, pod: Pod) -> Self:
        """This pod as it is now."""
        spec = pod.spec
        ports = [PortView(port=found.port, url=found.url) for found in pods.urls(pod)]
        mounted = spec.volume is not None or spec.network_volume is not None
        return cls(
            id=pod.id,
            name=pod.name,
            status=pod.status,
            template=spec.template,
            image=spec.image,
            owner=pod.owner_name,
            via=pod.via,
            ports=ports,
            url=next((port.url for port in ports if port.url is not None), None),
            actions=[str(action) for action in pod.actions],
            reason=pod.reason,
            cpu=spec.cpu,
            memory=format_bytes(spec.memory),
            gpu=str(spec.gpu) if spec.gpu else None,
            volume=_size(spec.volume),
            volume_path=spec.volume_path if mounted else None,
            network_volume=spec.network_volume,
            idle_timeout=_never_or(spec.idle.timeout),
            price_per_hour=spec.price_per_hour,
            created_at=_second(pod.created_at),
            started_at=_second(pod.started_at),
            ready_at=_second(pod.ready_at),
            last_active_at=_second(pod.last_active_at),
            stops_at=_second(pods.stops_at(pod)),
            hint=hint(pod),
        )


ABRIDGED = {"PodView": (("id", "name", "status", "url", "reason", "hint"), "A pod, with all fields of pod_get")}
"""What schemas of other tools than pod_get say of a pod."""


class PodPage(View):
    """Some pods, and where the next ones begin."""

    pods: list[PodView]
    total: int
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

    def text(self) -> str:
        """The lines as they are."""
        return (
            "\n".join(["(older output was left out)", *self.lines] if self.truncated else self.lines) or "(no output)"
        )


class TemplateView(BaseModel):
    """A recipe for `pod_start`, with what it gives a pod."""

    name: str
    description: str
    image: str
    ports: list[str]
    cpu: float
    memory: str
    gpu: str | None
    volume: str | None
    idle_timeout: str
    price_per_hour: float | None

    @classmethod
    def of(cls, template: Template) -> Self:
        """This template."""
        spec = template.spec
        return cls(
            name=template.name,
            description=template.description,
            image=spec.image,
            ports=[str(port) for port in spec.ports],
            cpu=spec.cpu,
            memory=format_bytes(spec.memory),
            gpu=str(spec.gpu) if spec.gpu else None,
            volume=_size(spec.volume),
            idle_timeout=_never_or(spec.idle.timeout),
            price_per_hour=spec.price_per_hour,
        )


class TemplateList(View):
    """All templates."""

    templates: list[TemplateView]


class VolumeView(View):
    """A network volume."""

    id: str
    name: str
    owner: str
    size: str | None
    attached_to: list[str] = Field(description="Ids of the pods that have it")
    created_at: datetime

    @classmethod
    def of(cls, volume: Volume) -> Self:
        """This volume."""
        return cls(
            id=volume.id,
            name=volume.name,
            owner=volume.owner_name,
            size=_size(volume.size),
            attached_to=list(volume.attached_to),
            created_at=_second(volume.created_at),
        )


class VolumeList(View):
    """All network volumes."""

    volumes: list[VolumeView]


def hint(pod: Pod) -> str | None:
    """What an assistant should call next about a pod that is neither up nor at rest."""
    if pod.status in (Status.PROVISIONING, Status.STARTING):
        follow = "call pod_get with wait_seconds=45 to follow it, pod_logs to see why it takes long"
        return f"still {pod.status}: {follow}"
    if pod.status.under_way:
        return f"still {pod.status}, and it goes on by itself: call pod_get with wait_seconds=30 to follow it"
    if pod.status is Status.ERROR:
        return "call pod_logs to see what it wrote, pod_resume to try again, pod_terminate to remove it"
    return None


def _size(size: int | None) -> str | None:
    return format_bytes(size) if size is not None else None


def _never_or(timeout: timedelta) -> str:
    return format_duration(timeout) if timeout else "0"


def _second(at: At) -> At:
    return at.replace(microsecond=0) if at is not None else at


def _printable(line: str) -> str:
    return "".join(c for c in _ESCAPES.sub("", line) if c.isprintable() or c == "\t")
