"""Who is calling: an outside identity becomes a Caller here, once, for every face."""

from collections.abc import Callable
from datetime import datetime

from core.model import Caller, Role
from core.policy import admit, check_name, role_of
from core.settings import Settings
from core.store import Store

WORKSPACE = "default"
"""One workspace an installation, for now; the column is there from the first day."""


class People:
    """Identities of people."""

    workspace = WORKSPACE

    def __init__(self, store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._local: Caller | None = None
        """Known once it was asked for: they are always the same."""

    async def slack(self, team: str, user: str, name: str | None) -> Caller:
        """The person behind a Slack user; Forbidden when they may not use pods here. No name: it stays as it is."""
        admit(user, self._settings)
        return await self._known("slack", f"{team}:{user}", name, role_of(user, self._settings), "slack")

    async def local(self, via: str) -> Caller:
        """Whoever holds the local token: the person at the keyboard, an admin. `via`: terminal or mcp."""
        if self._local is None:
            self._local = await self._known("token", "local", "local admin", Role.ADMIN, via)
        return self._local.model_copy(update={"via": via})

    async def named(self, user: str, via: str) -> Caller:
        """A person by their Slack user id, when they were seen there, or by a name that is given to them here.

        InvalidInput (no name), Forbidden (they may not use pods here).
        """
        known = await self._store.slack_person(WORKSPACE, user)
        if known is not None:
            team, _, user = known.partition(":")
            return (await self.slack(team, user, None)).model_copy(update={"via": via})
        check_name(user, "user")
        admit(user, self._settings)
        return await self._known("user", f"local:{user}", user, role_of(user, self._settings), via)

    async def _known(self, kind: str, external: str, name: str | None, role: Role, via: str) -> Caller:
        person = await self._store.person(WORKSPACE, kind, external, name, role, self._now())
        return Caller(person=person.id, name=person.name, role=person.role, workspace=person.workspace, via=via)
