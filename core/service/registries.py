"""Credentials for private registries: an admin's business, and never through Slack or MCP."""

from collections.abc import Callable
from datetime import datetime

from core.errors import NotFound
from core.model import Credential, Registry
from core.store import Store
from core.units import shorten


class Registries:
    """Stored credentials; only the terminal, which reads the data directory itself, has this door."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def save(self, credential: Credential) -> Registry:
        """Add it, or replace the one for the same host."""
        return await self._store.save_registry(credential, self._now())

    async def list(self) -> tuple[Registry, ...]:
        """All of them, without their secrets."""
        return await self._store.registries()

    async def remove(self, host: str) -> None:
        """Forget it; NotFound lists what there is."""
        if not await self._store.remove_registry(host):
            known = ", ".join(r.host for r in await self._store.registries()) or "none is stored"
            raise NotFound(f"No credential for registry {shorten(host)!r} (stored: {known}).")
