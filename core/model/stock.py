"""What pods are made from and with: templates, volumes, registry credentials."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator

from core.model.base import Frozen
from core.model.spec import PodSpec


class Volume(Frozen):
    """A network volume: it outlives the pods that mount it."""

    id: str
    workspace: str
    name: str
    owner: str
    owner_name: str
    size: int | None
    """Bytes wished for; None: not said."""
    attached_to: Mapping[str, str] = Field(default_factory=dict[str, str])
    """Id -> name of the pods, in any status but TERMINATED, whose spec names it."""
    created_at: datetime


class Registry(Frozen):
    """A stored credential for a private registry; the secret itself never leaves the store's `credential`."""

    host: str
    """As in image names: `ghcr.io`, `127.0.0.1:5000`, `docker.io`."""
    username: str
    created_at: datetime


class Credential(Frozen):
    """Username and secret for one registry."""

    host: str
    username: str
    secret: str = Field(repr=False)


class SavedTemplate(Frozen):
    """A template that somebody of a workspace has saved: what a template file says, kept in the database."""

    id: str
    """10 lowercase letters and digits; it stays when the name is changed."""
    workspace: str
    name: str
    owner: str
    """Person id."""
    owner_name: str
    said: Mapping[str, Any] = Field(repr=False)
    """The keys of a template file."""
    labels: Mapping[str, str] = Field(default_factory=dict[str, str])
    """What a face has written on it for itself."""
    created_at: datetime


class Template(Frozen):
    """A recipe for pods: a YAML file, or one that was saved."""

    name: str
    description: str
    source: str
    """`built-in`, the file it came from, or `saved`."""
    spec: PodSpec
    saved: SavedTemplate | None = None
    """None: it is a file."""

    @property
    def id(self) -> str:
        """How programs call it; a file goes by its name."""
        return self.saved.id if self.saved is not None else self.name

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.spec.template != self.name:
            raise ValueError("a template's spec carries the template's name")
        return self
