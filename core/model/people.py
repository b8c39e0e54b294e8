"""Who acts."""

from enum import StrEnum

from core.model.base import Frozen


class Role(StrEnum):
    """A member touches what is theirs; an admin everything in the workspace."""

    MEMBER = "member"
    ADMIN = "admin"


class Caller(Frozen):
    """Somebody acting through a face; made by `People.caller`, never by a face itself."""

    person: str
    name: str
    role: Role = Role.MEMBER
    workspace: str = "default"
    via: str
