"""Who is calling: an outside identity becomes a Caller here, once, for every face."""

from collections.abc import Callable
from datetime import datetime

from core.model import Caller, Role
from core.policy import admit, role_of
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

    async def slack(self, team: str, user: str, name: str | None) -> Caller:
        """The person behind a Slack user; Forbidden when they may not use pods here. No name: it stays as it is."""
        admit(user, self._settings)
        return await self._known("slack", f"{team}:{user}", name, role_of(user, self._settings), "slack")

    async def local(self, via: str) -> Caller:
        """Whoever holds the local token: the person at the keyboard, an admin. `via`: terminal or mcp."""
        return await self._known("token", "local", "local admin", Role.ADMIN, via)

    async def _known(self, kind: str, external: str, name: str | None, role: Role, via: str) -> Caller:
        person = await self._store.person(WORKSPACE, kind, external, name, role, self._now())
        return Caller(person=person.id, name=person.name, role=person.role, workspace=person.workspace, via=via)
