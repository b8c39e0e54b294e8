"""Credentials for private registries: an admin's business, and never through Slack or MCP."""

from collections.abc import Callable
from datetime import datetime

from core.errors import NotFound
from core.model import Caller, Credential, Registry
from core.policy import may_administer
from core.store import Store
from core.units import shorten


class Registries:
    """Stored credentials. The terminal reads the data directory itself and needs no caller."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def save(self, credential: Credential, caller: Caller | None = None) -> Registry:
        """Add it, or replace the one for the same host; Forbidden for who is no admin."""
        if caller is not None:
            may_administer(caller, "store credentials")
        return await self._store.save_registry(credential, self._now())

    async def list(self) -> tuple[Registry, ...]:
        """All of them, without their secrets."""
        return await self._store.registries()

    async def hosts(self) -> frozenset[str]:
        """Those that there is a credential for."""
        return frozenset(known.host for known in await self._store.registries())

    async def remove(self, host: str, caller: Caller | None = None) -> None:
        """Forget it; NotFound lists what there is, Forbidden for who is no admin."""
        if caller is not None:
            may_administer(caller, "delete credentials")
        if not await self._store.remove_registry(host):
            known = ", ".join(r.host for r in await self._store.registries()) or "none is stored"
            raise NotFound(f"No credential for registry {shorten(host)!r} (stored: {known}).")
