"""Who acts."""

from datetime import datetime
from enum import StrEnum

from core.model.base import Frozen


class Role(StrEnum):
    """A member touches what is theirs; an admin everything in the workspace."""

    MEMBER = "member"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token may be used for, whatever its person may do. Each allows what those before it allow."""

    READ = "read"
    """Look; change nothing and spend nothing."""
    OPERATE = "operate"
    """Start, stop and delete what is its person's own."""
    ADMIN = "admin"
    """All that its person may; only an admin's differs from `operate`."""

    def allows(self, needed: "Scope") -> bool:
        """Whether whoever has this may do what needs that."""
        known = list(Scope)
        return known.index(self) >= known.index(needed)


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
    scope: Scope = Scope.OPERATE


class Confirmation(Frozen):
    """A question that only a person may answer: whether what their assistant wants shall be done."""

    code: str
    """How its person refers to it: `K7QM-3XTP`. Their assistant is never told."""
    person: str
    workspace: str
    action: str
    """`terminate`, `start`, `resume`, `delete volume`."""
    subject: str
    """What it is about: an id, or for a start a digest of all that was asked for."""
    text: str
    """The question, with what will be lost or what it costs."""
    asked_by: str
    """The program that wants it, as it calls itself."""
    asked_at: datetime
    expires_at: datetime
    answer: bool | None = None
    """None: not yet."""


class Caller(Frozen):
    """Somebody acting through a face; made by `People.caller`, never by a face itself."""

    person: str
    name: str
    role: Role = Role.MEMBER
    workspace: str = "default"
    via: str
    client: str | None = None
    """The program they act by, as it calls itself; None where the face is all there is to say."""
    scope: Scope = Scope.ADMIN
    """What they may be used for; a token may be good for less than its person is."""

    @property
    def signature(self) -> dict[str, str]:
        """Who did it, for an event's data."""
        return {"by": self.name} | ({"client": self.client} if self.client is not None else {})
