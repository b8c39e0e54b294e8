"""Company logins: a JWT of the company's identity provider becomes a Caller, and a code from Slack links the two."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from jwt import PyJWTError, decode, get_unverified_header

from core.errors import Conflict, Forbidden, InvalidInput, PodError, QuotaExceeded
from core.model import Caller, Draft, Frozen, Role
from core.policy import admit, may_change, role_of
from core.service.codes import clean_code, new_code
from core.service.jwks import ALGORITHMS, KeySet
from core.service.people import WORKSPACE
from core.settings import Settings
from core.store import Store
from core.store.whole import whole

log = logging.getLogger("podkeeper.logins")

CODE_LIFE = timedelta(minutes=10)
TRIES = 10
"""Wrong codes of one login within `TRIES_IN`."""
TRIES_IN = timedelta(hours=1)
LEEWAY = 30
"""Seconds that the provider's clock may be ahead of ours."""
MOST = 16 * 1024
"""Characters of a JWT; with the groups of a large company in it, it has some thousands."""
_LONGEST = 255
"""Characters of a subject: OpenID Connect Core 1.0, 2."""
_LONGEST_NAME = 60
_LATEST = 1 << 40
"""Seconds since 1970 that a time in a JWT may say; all that Python takes for a number is not one."""


class Linked(Frozen):
    """Whom a login stands for from now on, and what of it they have now."""

    name: str
    pods: int
    """Those that are not terminated."""
    volumes: int
    templates: int
    tokens: int

    @property
    def said(self) -> str:
        """For who linked it."""
        counts = {"pod": self.pods, "network volume": self.volumes, "template": self.templates, "token": self.tokens}
        moved = ", ".join(f"{count} {what}{'s' if count != 1 else ''}" for what, count in counts.items() if count)
        given = f" Handed over to them: {moved}." if moved else ""
        return f"This company login acts as {self.name} from now on.{given}"


class Logins:
    """Whoever is not linked owns only what they made by that login; who is, is that person. Only PodErrors come out."""

    def __init__(self, store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._keys = KeySet(settings.login_jwks, now) if settings.login_jwks is not None else None
        self._tries: dict[str, list[datetime]] = {}
        """By person."""

    async def caller(self, jwt: str, via: str) -> Caller | None:
        """Whom this JWT stands for, by their rights of now; None: it opens nothing (any more).

        Checked as RFC 8725 wants it: its signature by the provider's key of that id and for that algorithm, issuer,
        audience, and its times by the clock of the house. May wait for the provider's keys (`KeySet.key`).
        """
        claims = await self._verified(jwt)
        subject = claims.get(self._settings.login_claim) if claims is not None else None
        if claims is None or not isinstance(subject, str) or not _plain(subject):
            return None
        external, name = f"{self._settings.login_issuer}|{subject}", _name(claims)
        met = await self._store.login(WORKSPACE, external)
        role = self._role(subject, met[1] if met is not None else None)
        if role is None:
            return None
        if met is None or (met[1] is None and name not in (None, met[0].name)):
            met = await self._store.meet_login(WORKSPACE, external, name or subject[:_LONGEST_NAME], self._now())
            role = self._role(subject, met[1])  # it may have been linked a moment ago
        person = met[0]
        if role is None:
            return None
        return Caller(person=person.id, name=person.name, role=role, workspace=person.workspace, via=via)

    @whole
    async def code(self, caller: Caller) -> tuple[str, datetime]:
        """A code that links a company login to this person, and until when it is good: once, for `CODE_LIFE`.

        It takes the place of the one that they had. InvalidInput where there are no company logins, or where the
        caller is not known in Slack.
        """
        may_change(caller)
        if self._keys is None:
            raise InvalidInput(
                "No company login is known here, so there is nothing to link. An admin can set PODKEEPER_LOGIN_ISSUER, "
                "PODKEEPER_LOGIN_AUDIENCE and PODKEEPER_LOGIN_JWKS; until then /pod token lets a program act as you."
            )
        if await self._store.identity(caller.person, "slack") is None:
            raise InvalidInput("A company login is linked to somebody in Slack. Type /pod link there.")
        code, now = new_code(), self._now()
        await self._store.put_link_code(caller.person, self._digest(code), now, now + CODE_LIFE)
        return code, now + CODE_LIFE

    @whole
    async def link(self, caller: Caller, code: str) -> Linked:
        """From now on the login that the caller came with stands for whoever was shown this code.

        What the login's own person owned is handed over in the same transaction. InvalidInput (no such code, or no
        longer; the caller came with no login), Conflict (it is linked already, and to whom), QuotaExceeded (`TRIES`
        wrong codes), ScopeMissing.
        """
        may_change(caller)
        if await self._store.identity(caller.person, "login") is None:
            raise InvalidInput("Only a company login can be linked: set PODKEEPER_TOKEN to it, and run this again.")
        if await self._store.identity(caller.person, "slack") is not None:
            raise Conflict(f"This company login is linked to {caller.name} already. Nothing was changed.")
        now, clean = self._now(), clean_code(code)
        tries = self._try(caller.person, now)
        try:
            draft = Draft(kind="pod.handed_over", actor=caller.person, via=caller.via, data=caller.signature)
            found = await self._store.link_login(caller.person, self._digest(clean), draft, now) if clean else None
        except PodError:
            tries.remove(now)  # nothing was tried
            raise
        if found is None:
            raise InvalidInput(
                "That code is not good: it was mistyped, has been used, or is older than "
                f"{CODE_LIFE // timedelta(minutes=1)} minutes. /pod link in Slack gives a new one."
            )
        person, moved = found
        self._tries.pop(caller.person, None)
        return Linked(name=person.name, **moved)

    async def _verified(self, jwt: str) -> dict[str, Any] | None:
        """The claims, if they are the provider's, and good now."""
        if self._keys is None or len(jwt) > MOST or jwt.count(".") != 2:
            return None
        try:
            header = get_unverified_header(jwt)
            kid, algorithm = header.get("kid"), header.get("alg")
            if not isinstance(kid, str) or not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
                return _refused("its algorithm or its key is not one that counts")
            key = await self._keys.key(kid, algorithm)
            if key is None:
                return _refused("the provider has no such key")
            claims = decode(
                jwt,
                key,
                [algorithm],
                # Its times are left to us: PyJWT would look at the wall clock, and here the house's own one decides.
                {
                    "require": ["iss", "aud", "exp"],
                    "enforce_minimum_key_length": True,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
                audience=self._settings.login_audience,
                issuer=self._settings.login_issuer,
            )
        except (PyJWTError, ValueError, TypeError) as error:
            return _refused(type(error).__name__)
        return claims if _timely(claims, self._now().timestamp()) else _refused("it is not good now")

    def _role(self, subject: str, slack: str | None) -> Role | None:
        """None: they may not use pods here."""
        if slack is None:
            allowed = self._settings.allowed_users
            return Role.MEMBER if not allowed or subject in allowed else None
        user = slack.partition(":")[2]
        try:
            admit(user, self._settings)
        except Forbidden:
            return None
        return role_of(user, self._settings)

    def _try(self, person: str, now: datetime) -> list[datetime]:
        """Count it before it is looked at, so that a hundred at once are a hundred tries."""
        for known, times in list(self._tries.items()):
            times[:] = [at for at in times if now - at < TRIES_IN]
            if not times:
                del self._tries[known]
        tries = self._tries.setdefault(person, [])
        if len(tries) >= TRIES:
            raise QuotaExceeded(
                f"{TRIES} codes of this login were wrong within an hour, so no more are looked at for now. Try again "
                "in an hour, with a new code of /pod link."
            )
        tries.append(now)
        return tries

    def _digest(self, code: str) -> str:
        """It is looked up by this, so how long that takes says nothing about a code; without the key file none fits."""
        return self._store.sign("link code", code)


def _refused(reason: str) -> None:
    """Nothing of the JWT itself is told."""
    log.debug("a company login was refused: %s", reason)


def _timely(claims: dict[str, Any], now: float) -> bool:
    begins = (claims[name] for name in ("nbf", "iat") if claims.get(name) is not None)
    return _is_time(claims["exp"]) and claims["exp"] > now and all(_is_time(at) and at <= now + LEEWAY for at in begins)


def _is_time(value: object) -> bool:
    """Not a NaN, say, which is neither earlier nor later than anything."""
    return isinstance(value, int | float) and 0 <= value < _LATEST


def _plain(subject: str) -> bool:
    return 0 < len(subject) <= _LONGEST and subject.isprintable() and subject == subject.strip()


def _name(claims: dict[str, Any]) -> str | None:
    """What people call them; None when the JWT does not say."""
    for claim in ("name", "email"):
        said = claims.get(claim)
        if isinstance(said, str):
            name = " ".join("".join(c if c.isprintable() else " " for c in said[: 4 * _LONGEST_NAME]).split())
            if name:
                return name[:_LONGEST_NAME].strip()
    return None
