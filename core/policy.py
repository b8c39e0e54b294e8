"""Who may do what, and what a pod may be called."""

import re

from core.errors import Conflict, Forbidden, InvalidInput, ScopeMissing
from core.model import Action, Caller, Ignore, Pod, Role, Scope, Status
from core.settings import Settings
from core.units import shorten

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

_PATH = re.compile(r"/[!-\"$->@-~]{0,199}")
_AGENT = re.compile(r"[ -~]{1,200}")
_METHOD = re.compile(r"[A-Z]{1,20}")
MOST_RULES = 50
MOST_PORTS = 20
"""Of one pod."""

_STATE = {
    Status.PROVISIONING: "is still being started",
    Status.STARTING: "is still being started",
    Status.RUNNING: "is running",
    Status.STOPPING: "is already being stopped",
    Status.EXITED: "is already stopped",
    Status.TERMINATING: "is already being terminated",
    Status.TERMINATED: "is already terminated",
    Status.ERROR: "has failed",
}
_DONE = {
    Action.STOP: "be stopped",
    Action.RESUME: "be resumed",
    Action.RESTART: "be restarted",
    Action.TERMINATE: "be terminated",
    Action.KEEP: "be kept",
    Action.EXPOSE: "have its ports changed",
}


def role_of(external: str, settings: Settings) -> Role:
    """Admin when `PODKEEPER_ADMINS` names this Slack user id, member otherwise."""
    return Role.ADMIN if external in settings.admins else Role.MEMBER


def admit(external: str, settings: Settings) -> None:
    """Forbidden for a Slack user id that `PODKEEPER_ALLOWED_USERS` leaves out (admins are never left out)."""
    allowed = settings.allowed_users
    if allowed and external not in allowed and external not in settings.admins:
        raise Forbidden("You may not use pods here. Ask an admin to add your user id to PODKEEPER_ALLOWED_USERS.")


def may_change(caller: Caller) -> None:
    """ScopeMissing for a token that is for looking only."""
    if not caller.scope.allows(Scope.OPERATE):
        raise ScopeMissing(
            f"This token may only look (its scope is {caller.scope}); this needs one of scope {Scope.OPERATE}. "
            "Its owner makes one with /pod token in Slack, or with `podkeeper token create` where the service runs."
        )


def may_administer(caller: Caller, what: str) -> None:
    """Forbidden for a member, and for an admin's token that is good for less; `what` is what only admins may."""
    if caller.role is not Role.ADMIN:
        raise Forbidden(
            f"Only an admin may {what} here, and a program only with an admin's token of scope {Scope.ADMIN}. Ask one."
        )


def may_touch(caller: Caller, pod: Pod) -> None:
    """Forbidden unless the pod is the caller's own, or the caller is an admin."""
    if caller.role is not Role.ADMIN and pod.owner != caller.person:
        raise Forbidden(f"{pod.name} belongs to {pod.owner_name}. Ask them, or an admin.")


def may_do(pod: Pod, action: Action) -> None:
    """Conflict, with what may be done instead, when the action is not open in the pod's status."""
    if action in pod.actions:
        return
    if action is Action.STOP and not pod.stoppable and pod.status is Status.RUNNING:
        raise Conflict(
            f"{pod.name} has a network volume, and such a pod cannot be stopped, only terminated. "
            f"Terminating keeps the data on the network volume; only the container disk is lost."
        )
    *most, last = [a for a in pod.actions if a not in (Action.KEEP, Action.EXPOSE)] or ("",)
    instead = f" You can {', '.join(most)}{' or ' if most else ''}{last} it." if pod.actions else ""
    raise Conflict(f"{pod.name} {_STATE[pod.status]} ({pod.status}), so it cannot {_DONE[action]} now.{instead}")


def moved_on(pod: Pod) -> Conflict:
    """What is told to whoever was a moment too late."""
    return Conflict(f"{pod.name} was changed by somebody else just now. Look at it again and repeat if needed.")


def check_name(name: str, what: str = "name") -> str:
    """A name that is safe in host names, labels and messages; InvalidInput says what is allowed."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{what}: {shorten(name)!r} is not allowed. Use 1 to 63 lowercase letters, digits and hyphens, "
            f"with a letter or digit first and last."
        )
    return name


def check_env(env: dict[str, str]) -> dict[str, str]:
    """Names as in a shell, values without NUL and 32 kB at most in all; the text never repeats a value."""
    for name, value in env.items():
        if not _ENV.fullmatch(name):
            raise InvalidInput(
                f"env: {shorten(name)!r} is not a variable name. Write NAME=value with letters, digits, _."
            )
        if name.startswith(("PODKEEPER_", "RUNPOD_")):
            raise InvalidInput(f"env: {name} is set by Podkeeper itself. Choose another name.")
        if "\0" in value:
            raise InvalidInput(f"env: the value of {name} holds a NUL character.")
    if sum(len(n) + len(v) for n, v in env.items()) > 32_768:
        raise InvalidInput("env: more than 32 kB in all. Put large data on a volume instead.")
    return env


def check_ignore(ignore: Ignore) -> Ignore:
    """Rules that the gateway can follow: 50 of each kind at most; InvalidInput names the rule at fault."""
    for kind, rules, allowed, hint in (
        ("paths", ignore.paths, _PATH, "a path such as /health, without ?, # and spaces"),
        ("agents", ignore.agents, _AGENT, "a part of a User-Agent such as UptimeRobot"),
        ("methods", ignore.methods, _METHOD, "a method such as HEAD"),
    ):
        if len(rules) > MOST_RULES:
            raise InvalidInput(f"ignore.{kind}: {len(rules)} rules are too many; at most {MOST_RULES}.")
        for rule in rules:
            if not allowed.fullmatch(rule):
                raise InvalidInput(f"ignore.{kind}: {shorten(rule)!r} is not allowed; expected {hint}.")
    return ignore
