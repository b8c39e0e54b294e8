"""Who leads on a database: one process, for as long as it lives."""

import fcntl
import os
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from core.errors import Unavailable
from core.store.database import Database

_LEAD_LOCK = 0x706F646B0002


class Leadership(ABC):
    """The lock of the one that leads."""

    @staticmethod
    def of(database: Database) -> "Leadership":
        """The kind that this database has."""
        return ServerLock(database) if database.file is None else FileLock(database.file, database)

    @abstractmethod
    async def take(self) -> bool:
        """Try to get it, or see that it is still held; never waits for its holder. May be called again at any time."""

    @abstractmethod
    async def release(self) -> None:
        """Give it back. May be called twice."""


class FileLock(Leadership):
    """SQLite: `flock` on a file beside the database; the kernel gives it back when the process dies."""

    def __init__(self, file: Path, database: Database) -> None:
        self._path = file.resolve().with_name(file.name + ".lock")
        self._database = database
        self._fd: int | None = None

    async def take(self) -> bool:
        """See `Leadership.take`."""
        if self._fd is not None:
            return True
        with self._database.seam():
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
            except OSError:
                os.close(fd)
                raise
        self._fd = fd
        return True

    async def release(self) -> None:
        """See `Leadership.release`. The file stays: removing it would let two processes lock two files."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class ServerLock(Leadership):
    """PostgreSQL: a session advisory lock on a connection of its own; the server gives it back when that ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: AsyncConnection | None = None
        self._open = AsyncExitStack()

    async def take(self) -> bool:
        """See `Leadership.take`. When the server was restarted meanwhile, the lock is asked for anew."""
        if self._connection is not None:
            try:
                with self._database.seam():
                    await self._connection.execute(text("SELECT 1"))
                return True
            except Unavailable:
                await self.release()
        with self._database.seam():
            async with AsyncExitStack() as stack:
                engine = self._database.connector(poolclass=NullPool, isolation_level="AUTOCOMMIT")
                stack.push_async_callback(engine.dispose)
                connection = await stack.enter_async_context(engine.connect())
                if not (await connection.execute(select(func.pg_try_advisory_lock(_LEAD_LOCK)))).scalar_one():
                    return False
                self._connection, self._open = connection, stack.pop_all()
        return True

    async def release(self) -> None:
        """See `Leadership.release`."""
        self._connection = None
        with self._database.seam():
            await self._open.aclose()
