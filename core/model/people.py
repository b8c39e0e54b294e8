"""Who acts."""

from datetime import datetime
from enum import StrEnum

from core.model.base import Frozen


class Role(StrEnum):
    """A member touches what is theirs; an admin everything in the workspace."""

    MEMBER = "member"
    ADMIN = "admin"


class Token(Frozen):
    """A personal token, without its secret, which nobody knows but whoever was shown it."""

    id: str
    """8 lowercase hex digits."""
    person: str
    name: str
    """What it is for, in its person's words."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    """When it was last used, to the minute or so."""


class Caller(Frozen):
    """Somebody acting through a face; made by `People.caller`, never by a face itself."""

    person: str
    name: str
    role: Role = Role.MEMBER
    workspace: str = "default"
    via: str
