"""The store's way to its database: connections, transactions, and what goes wrong with them."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite
from sqlalchemy import URL, Connection, Table, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from core.errors import InvalidInput, Unavailable
from core.store.whole import whole

BUSY_SECONDS = 30
"""How long a writer waits for its turn before the database counts as unavailable."""
_T = TypeVar("_T")
_WRITES = "podkeeper_writes"
_WRITE_LOCK = 0x706F646B0001
"""Advisory lock of PostgreSQL that lets one writer in at a time, as SQLite does by itself."""
_AWAY_STATES = ("08", "28", "3D", "3F", "40", "53", "55", "57", "58", "25006", "42501")
"""SQLSTATEs, or their classes, that speak of the server and not of our statement: gone, full, busy, read-only, or
without the rights that we need."""


class Database:
    """One database, SQLite or PostgreSQL; the only class that knows which.

    Writes are one at a time, across processes: `BEGIN IMMEDIATE` on SQLite, a transaction-scoped advisory lock on
    PostgreSQL. That is what makes event numbers follow commit order, and what lets a transaction look first and
    write afterwards. Fails with Unavailable when the database does not answer, InvalidInput for text that it
    cannot hold.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.file = Path(self.url.database or "").absolute() if self.url.drivername.startswith("sqlite") else None
        self._engine = self.connector()
        # Within the process tasks queue here and not at the pool, so that waiting writers leave connections to readers.
        self._turn = asyncio.Lock()

    def connector(self, **options: Any) -> AsyncEngine:
        """A new SQLAlchemy engine for this database; the caller disposes of it."""
        arguments: dict[str, Any] = {"timeout": BUSY_SECONDS}
        if self.file is None:
            # Not our busy time: a server that does not answer the connection is reported sooner.
            limits = {"lock_timeout": f"{BUSY_SECONDS}s", "idle_in_transaction_session_timeout": "60s"}
            arguments = {
                "timeout": 10,
                "command_timeout": 60,
                "server_settings": {"application_name": "podkeeper"} | limits,
            }
        engine = create_async_engine(
            self.url, connect_args=arguments, hide_parameters=True, pool_pre_ping=self.file is None, **options
        )
        if self.file is not None:
            # At DEBUG it logs every statement with its values: people's environment variables among them.
            logging.getLogger("aiosqlite").setLevel(logging.WARNING)
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine

    @property
    def where(self) -> str:
        """The database in words, without user or password."""
        if self.file is not None:
            return f"the SQLite database {self.file}"
        socket = self.url.query.get("host")
        address = socket if isinstance(socket, str) else f"{self.url.host or 'localhost'}:{self.url.port or 5432}"
        return f"the PostgreSQL database {self.url.database or ''} at {address}"

    @whole
    async def create(self, prepare: Callable[[Connection], _T]) -> _T:
        """Make the file if there is none yet, and run `prepare` in a write transaction."""
        if self.file is not None:
            with self.seam():
                await asyncio.to_thread(_create_file, self.file)
        async with self.write() as conn:
            return await conn.run_sync(prepare)

    @whole
    async def close(self) -> None:
        """Let go of every connection. May be called twice."""
        await self._engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for looking; nothing that is written through it stays."""
        with self.seam():
            async with self._engine.connect() as conn:
                yield conn

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that no other writer can come between; committed at the end, rolled back on any exception."""
        with self.seam():
            async with self._turn, self._engine.connect() as conn:
                await conn.execution_options(**{_WRITES: True})
                async with conn.begin():
                    if self.file is None:
                        await conn.execute(select(func.pg_advisory_xact_lock(_WRITE_LOCK)))
                    yield conn

    def insert(self, table: Table) -> postgresql.Insert:
        """An INSERT with the `on_conflict_…` clauses, which both dialects have and spell alike."""
        return cast(postgresql.Insert, sqlite.insert(table)) if self.file is not None else postgresql.insert(table)

    def unavailable(self, detail: BaseException) -> Unavailable:
        """The sentence for a database that does not answer."""
        # A DBAPIError's own text holds the statement; the driver's error inside it has the reason alone.
        inner = detail.orig if isinstance(detail, DBAPIError) and detail.orig is not None else detail
        reason = str(inner.__cause__ or inner).strip().partition("\n")[0] or type(inner).__name__
        for secret in (self.url.password, self.url.query.get("password")):
            if isinstance(secret, str) and secret:
                reason = reason.replace(secret, "***")
        return Unavailable(
            f"Podkeeper cannot use {self.where}: {reason.rstrip('.')}. Nothing that was reported as done is lost; "
            "check that it runs and that PODKEEPER_DATABASE_URL is right, then try again."
        )

    @contextmanager
    def seam(self) -> Generator[None]:
        """Foreign exceptions stop here: what speaks of the database becomes Unavailable; our own bugs stay bugs."""
        try:
            yield
        except UnicodeEncodeError as error:
            raise _unstorable() from error
        except (OSError, PoolTimeoutError, sqlite3.Error) as error:
            raise self.unavailable(error) from error
        except DBAPIError as error:
            if _sqlstate(error) == "22021" or any(isinstance(cause, UnicodeError) for cause in _causes(error)):
                raise _unstorable() from error
            if _away(error):
                raise self.unavailable(error) from error
            raise


def _unstorable() -> InvalidInput:
    return InvalidInput(
        "That text holds characters that cannot be stored (a NUL or half of a surrogate pair). Nothing was changed; "
        "write it without them."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _away(error: DBAPIError) -> bool:
    state = _sqlstate(error)
    if state:
        return state.startswith(_AWAY_STATES)
    if isinstance(error, IntegrityError | ProgrammingError):
        return False
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # its word for a wrong statement
    # The driver's own word: SQLite's busy, full, read-only and malformed; asyncpg's lost connections.
    return error.connection_invalidated or type(error) in (OperationalError, InterfaceError, DatabaseError, DBAPIError)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is not None and parsed.drivername == "postgresql+asyncpg" and parsed.database:
        return parsed
    if parsed is not None and parsed.drivername == "sqlite+aiosqlite":
        name = parsed.database or ":memory:"
        # Every connection of an in-memory database is one of its own, and nothing would be left after a restart.
        if name != ":memory:" and not name.startswith("file:") and not parsed.query:
            return parsed
    raise Unavailable(
        "PODKEEPER_DATABASE_URL is not a database Podkeeper can use (it is not shown here: it may hold a password). "
        "Write postgresql+asyncpg://user:password@host:5432/name or sqlite+aiosqlite:////absolute/path/podkeeper.db."
    )


def _create_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # People's environment variables are in it; SQLite gives its -wal and -shm files the same mode.
    path.touch(mode=0o600)
    # Once and for good: the file remembers it. SQLite does not wait here by itself when another process opens too.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        with closing(sqlite3.connect(path)) as connection:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
        time.sleep(0.05)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # None: the driver starts no transactions of its own, so that `_begin_sqlite` says which kind it is.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and then wants to write fails at once when another one wrote in between,
    # whatever the busy timeout; one that says at the start that it will write waits for its turn.
    writes = connection.get_execution_options().get(_WRITES, False)

    async def begin(driver: aiosqlite.Connection) -> None:
        await driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    # By the driver itself: each step of a cursor is a way to its thread and back, on every read that there is.
    connection.connection.run_async(begin)
