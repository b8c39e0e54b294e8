"""Personal tokens: what lets a program, such as an AI assistant, act as the person who made it."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from core.errors import Forbidden, InvalidInput, NotFound, ScopeMissing
from core.model import Caller, Role, Scope, Token
from core.policy import admit, role_of
from core.settings import Settings
from core.store import Store
from core.store.whole import whole
from core.units import format_duration, shorten

MOST = 20
"""Of one person."""
LIFE = timedelta(days=90)
LONGEST = timedelta(days=365)
_PREFIX = "pkp_"
_LONGEST_NAME = 60
_NOTED = timedelta(minutes=1)
"""Uses closer together are noted once."""


class Tokens:
    """Shown once, kept as a hash. A token has its person's rights, asked anew at each call."""

    def __init__(self, store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
        self._store = store
        self._settings = settings
        self._now = now

    @whole
    async def make(
        self, caller: Caller, name: str, scope: Scope = Scope.OPERATE, life: timedelta = LIFE
    ) -> tuple[Token, str]:
        """A new one and its secret, which is told this once; good for `life`, at most `LONGEST`.

        InvalidInput (name, life; scope `admin` for who is none), ScopeMissing (nobody makes a token that may more than
        the one they came with), QuotaExceeded.
        """
        if not caller.scope.allows(Scope.OPERATE) or not caller.scope.allows(scope):
            raise ScopeMissing(f"A token of scope {caller.scope} cannot make one of scope {scope}.")
        if scope is Scope.ADMIN and caller.role is not Role.ADMIN:
            raise InvalidInput(f"scope: {caller.name} is no admin, so a token of scope admin would be one of operate.")
        if not timedelta() < life <= LONGEST:
            raise InvalidInput(f"expires: a token is good for 1s to {format_duration(LONGEST)}, for example 90d.")
        clean = " ".join(name.split())
        if not clean or len(clean) > _LONGEST_NAME or not clean.isprintable():
            raise InvalidInput(f"name: {shorten(name)!r} is not allowed. Write 1 to {_LONGEST_NAME} characters.")
        secret, now = f"{_PREFIX}{secrets.token_urlsafe(32)}", self._now()
        token = Token(
            id=secrets.token_hex(4),
            person=caller.person,
            name=clean,
            created_at=now,
            expires_at=now + life,
            scope=scope,
        )
        await self._store.add_token(token, _digest(secret), MOST)
        return token, secret

    async def list(self, caller: Caller) -> tuple[Token, ...]:
        """The caller's, the newest first, without those that have expired."""
        now = self._now()
        return tuple(token for token in await self._store.tokens(caller.person) if token.expires_at > now)

    async def everyones(self, caller: Caller) -> tuple[tuple[Token, str], ...]:
        """Everybody's, each with its person's name, expired ones too. Forbidden for who is no admin."""
        if caller.role is not Role.ADMIN:
            raise Forbidden("Only an admin may see everybody's tokens.")
        names = await self._store.names()
        return tuple((token, names[token.person]) for token in await self._store.tokens())

    @whole
    async def revoke(self, caller: Caller, token_id: str) -> Token:
        """From now on it opens nothing. NotFound when the caller (for an admin: anybody) has no such token."""
        removed = await self._store.remove_token(None if caller.role is Role.ADMIN else caller.person, token_id)
        if removed is None:
            whose = "There is" if caller.role is Role.ADMIN else "You have"
            raise NotFound(f"{whose} no token {shorten(token_id, 20)!r}. It may be revoked already.")
        return removed

    async def revoke_all(self, kind: str, external: str) -> None:
        """Whoever is known so outside has left."""
        await self._store.remove_tokens(kind, external)

    async def caller(self, secret: str, via: str) -> tuple[Token, Caller] | None:
        """Whom this secret stands for, by their rights of now and its scope; None: it opens nothing (any more).

        Found by its hash: how long that takes says nothing about another token.
        """
        if not secret.startswith(_PREFIX):
            return None
        found, now = await self._store.token(_digest(secret)), self._now()
        if found is None or found[0].expires_at <= now:
            return None
        token, person, slack = found
        role = person.role
        if slack is not None:
            user = slack.partition(":")[2]
            try:
                admit(user, self._settings)
            except Forbidden:
                return None
            role = role_of(user, self._settings)
        if token.used_at is None or now - token.used_at >= _NOTED:
            await self._store.used_token(token.id, now)
        if token.scope is not Scope.ADMIN:
            role = Role.MEMBER
        known = Caller(
            person=person.id, name=person.name, role=role, workspace=person.workspace, via=via, scope=token.scope
        )
        return token, known


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
