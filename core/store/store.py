"""The store: every row of the house, and the rules by which rows change."""

import asyncio
import secrets
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, select

from core.store import migrations
from core.store.confirmations import Confirmations
from core.store.database import Database
from core.store.events import Events
from core.store.holdings import Claims
from core.store.lead import Leadership
from core.store.logins import Logins
from core.store.names import Names
from core.store.notes import Notes
from core.store.outputs import Outputs
from core.store.people import People
from core.store.pods import Pods
from core.store.registries import Registries
from core.store.rows import Person
from core.store.runs import Runs
from core.store.tables import installation
from core.store.templates import Templates
from core.store.tokens import Tokens
from core.store.vault import Vault
from core.store.volumes import Volumes
from core.store.whole import whole

__all__ = ["Person", "Store"]


class Store(
    People,
    Logins,
    Tokens,
    Confirmations,
    Pods,
    Names,
    Claims,
    Runs,
    Events,
    Notes,
    Outputs,
    Volumes,
    Registries,
    Templates,
):
    """Rows in, frozen models out. One instance a process; safe for many tasks at once.

    Every change of status is written with its event in one transaction; event numbers follow commit order.
    Fails with Unavailable when the database does not answer. Nothing here waits for anything but the database.
    The methods are in the base classes, a file for each topic.
    """

    installation: str
    """A random id of this database (12 lowercase hex digits), made with its first table; on everything we create
    outside."""

    def __init__(self, database: Database, vault: Vault, installation_id: str) -> None:
        self._db = database
        self._vault = vault
        self.installation = installation_id
        self._leadership = Leadership.of(database)

    @classmethod
    async def open(cls, url: str, key_file: Path) -> Self:
        """Connect, bring the schema up to date (Alembic), read or make the installation id and the key file (0600).

        Processes that open the same database at the same time take turns. Fails with Unavailable when the database
        cannot be used or was written by a newer Podkeeper, InvalidInput when others may read the key file or it
        holds no key.
        """
        database = Database(url)
        try:
            found = await database.create(_prepare)
            vault = await asyncio.to_thread(Vault.open, key_file)
        except BaseException:
            await database.close()
            raise
        return cls(database, vault, found)

    @whole
    async def close(self) -> None:
        """Give back leadership and every connection. May be called twice."""
        try:
            await self._leadership.release()
        finally:
            await self._db.close()

    def sign(self, purpose: str, text: str) -> str:
        """40 hex digits that nobody without the key file can make of a text, for this purpose."""
        return self._vault.sign(purpose, text)

    @whole
    async def lead(self) -> bool:
        """Become the one that leads on this database; False when another process does.

        Held until `close`. Call it again to see whether it is still held: on PostgreSQL it is lost with its
        connection (a restart of the server, a broken network), and asked for anew. (PostgreSQL: a session advisory
        lock on a connection of its own; SQLite: `flock` on `<database file>.lock`.)
        """
        leads = await self._leadership.take()
        if not leads:
            self._known = None
        return leads


def _prepare(connection: Connection) -> str:
    migrations.upgrade(connection)
    known = connection.execute(select(installation.c.id)).scalar_one_or_none()
    if known is not None:
        return known
    made = secrets.token_hex(6)
    connection.execute(installation.insert().values(id=made, last_event=0))
    return made
