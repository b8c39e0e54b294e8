"""What can go wrong, in words a person may see.

    PodError
    ├── InvalidInput            what was typed is not allowed; nothing was done
    ├── NotFound                no such pod, template, volume or registry (or not yours to see)
    │   └── Ambiguous           several pods answer to that reference
    ├── Forbidden               it exists, and this caller may not do this to it
    │   ├── ScopeMissing        their token is not good for this
    │   └── Unconfirmed         their person has not said yes to it
    ├── Conflict                not in this status, or a name that is taken
    ├── QuotaExceeded           a limit of this installation
    │   └── BalanceUsedUp       the account that pays for the engine has no credit left
    ├── NoCapacity              the engine has not got what was asked for
    ├── PodFailed               the pod itself: its image, its command, its memory, its readiness
    ├── Unavailable             the engine, the gateway or the database does not answer; try again later
    └── AlreadyRunning          another Podkeeper leads on this data

`str(error)` of a PodError may be shown to anyone: it says what happened, whether anything was charged or lost,
and what to do next. Anything that is not a PodError is our own bug: it is logged with a reference, and the
person sees only the reference.
"""


class PodError(Exception):
    """The root: its text is meant for people."""

    code = "error"


class InvalidInput(PodError):
    """What was asked for is not allowed as written."""

    code = "invalid_input"


class NotFound(PodError):
    """Nothing of that name, or nothing this caller may see."""

    code = "not_found"


class Ambiguous(NotFound):
    """Several things answer to that reference; the text lists them."""

    code = "ambiguous"


class Forbidden(PodError):
    """The caller may not do this."""

    code = "forbidden"


class ScopeMissing(Forbidden):
    """The caller's person may, the token that they came with may not."""

    code = "scope_missing"


class Unconfirmed(Forbidden):
    """It needs a yes of the caller's person, who has not said it (yet)."""

    code = "unconfirmed"


class Conflict(PodError):
    """Not possible in the present status, or the name is taken."""

    code = "conflict"


class QuotaExceeded(PodError):
    """A limit of this installation would be passed."""

    code = "quota_exceeded"


class BalanceUsedUp(QuotaExceeded):
    """Nothing more starts on the engine until somebody adds credit there."""

    code = "balance_used_up"


class NoCapacity(PodError):
    """The engine has not got what was asked for; the text names what it has."""

    code = "no_capacity"


class PodFailed(PodError):
    """The pod did not come up, for a reason of its own; nothing of it is left running."""

    code = "pod_failed"


class Unavailable(PodError):
    """A part of the house does not answer; nothing is known to be lost."""

    code = "unavailable"


class AlreadyRunning(PodError):
    """Another process leads on this data."""

    code = "already_running"
