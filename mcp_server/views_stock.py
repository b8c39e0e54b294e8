"""What the tools give back of templates and network volumes."""

from typing import Self

from pydantic import BaseModel, Field, SerializeAsAny

from core.model import Caller, Template, Volume
from core.units import format_bytes
from mcp_server.views import Moment, View, never_or, size_or_none


class TemplateLine(BaseModel):
    """A recipe for `pod_start`, in a list."""

    name: str
    description: str
    gpu: str | None
    price_per_hour: float | None

    @classmethod
    def of(cls, template: Template) -> "TemplateLine":
        """This template."""
        gpu = template.spec.gpu
        return TemplateLine(
            name=template.name,
            description=template.description,
            gpu=str(gpu) if gpu else None,
            price_per_hour=template.spec.price_per_hour,
        )


class TemplateView(TemplateLine):
    """The same with what it gives a pod."""

    image: str
    ports: list[str]
    cpu: float
    memory: str
    volume: str | None
    idle_timeout: str

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
            volume=size_or_none(spec.volume),
            idle_timeout=never_or(spec.idle.timeout),
            price_per_hour=spec.price_per_hour,
        )


class TemplateList(View):
    """All templates."""

    templates: list[SerializeAsAny[TemplateLine]]


class VolumeView(View):
    """A network volume."""

    id: str
    name: str
    owner: str
    mine: bool
    size: str | None
    attached_to: list[str] = Field(description="Names of the pods that have it")
    created_at: Moment

    @classmethod
    def of(cls, who: Caller, volume: Volume) -> Self:
        """This volume."""
        return cls(
            id=volume.id,
            name=volume.name,
            owner=volume.owner_name,
            mine=volume.owner == who.person,
            size=size_or_none(volume.size),
            attached_to=list(volume.attached_to.values()),
            created_at=volume.created_at,
        )


class VolumeList(View):
    """All network volumes."""

    volumes: list[VolumeView]
