"""Registry credentials in the store: encrypted at rest, decrypted only for the engine that pulls."""

import re
from datetime import datetime

from sqlalchemy import select

from core.errors import InvalidInput
from core.model import Credential, Registry
from core.store.rows import Topic
from core.store.tables import registries
from core.store.vault import Vault
from core.store.whole import whole
from core.units import shorten

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_DOCKER_HUB = {"", "docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com", "registry.hub.docker.com"}


def registry_host(text: str) -> str:
    """The host of a registry as image names spell it: lower case, without scheme and path; Docker Hub is `docker.io`.

    InvalidInput when it is not a host.
    """
    host = text.strip().lower().removeprefix("https://").removeprefix("http://").partition("/")[0]
    if host in _DOCKER_HUB:
        return "docker.io"
    if _HOST.fullmatch(host) is None:
        raise InvalidInput(
            f"registry: {shorten(text)!r} is not the host of a registry. Write it as in image names, for example "
            "ghcr.io, registry.example.com:5000 or docker.io."
        )
    return host


class Registries(Topic):
    """The registries' part of the store."""

    _vault: Vault

    @whole
    async def save_registry(self, credential: Credential, now: datetime) -> Registry:
        """Store a credential, encrypted, in place of an older one for the same host; InvalidInput for a wrong host."""
        host = registry_host(credential.host)
        async with self._db.write() as conn:
            row = {"username": credential.username, "secret": self._vault.seal(credential.secret), "created_at": now}
            put = self._db.insert(registries).values(host=host, **row)
            await conn.execute(put.on_conflict_do_update(index_elements=[registries.c.host], set_=row))
        return Registry(host=host, username=credential.username, created_at=now)

    @whole
    async def registries(self) -> tuple[Registry, ...]:
        """By host, without the secrets."""
        query = select(registries.c.host, registries.c.username, registries.c.created_at).order_by(registries.c.host)
        async with self._db.read() as conn:
            rows = (await conn.execute(query)).mappings()
            return tuple(Registry.model_validate(dict(row)) for row in rows)

    @whole
    async def remove_registry(self, host: str) -> bool:
        """Forget the credential for this host; False when there was none."""
        gone = registries.delete().where(registries.c.host == registry_host(host)).returning(registries.c.host)
        async with self._db.write() as conn:
            return (await conn.execute(gone)).one_or_none() is not None

    @whole
    async def credential(self, host: str) -> Credential | None:
        """The credential for this host with its secret; None when there is none.

        InvalidInput when it was encrypted with another key file.
        """
        query = select(registries.c.username, registries.c.secret).where(registries.c.host == registry_host(host))
        async with self._db.read() as conn:
            row = (await conn.execute(query)).one_or_none()
        if row is None:
            return None
        secret = self._vault.unseal(row.secret)
        if secret is None:
            raise InvalidInput(
                f"The stored password for the registry {registry_host(host)} cannot be decrypted: it was encrypted "
                f"with another key file. Add it again with `podkeeper registry add {registry_host(host)}`."
            )
        return Credential(host=registry_host(host), username=row.username, secret=secret)
