"""A real PostgreSQL for tests: one server a session, a fresh database a test. A pytest plugin.

It runs as an ordinary user (PostgreSQL refuses root), on a free loopback port, with a password, and forgets all.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

PASSWORD = "not-a-secret-s3cr3t"
DEADLINE = 60.0


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int

    def url(self, database: str, password: str = PASSWORD) -> str:
        """As `PODKEEPER_DATABASE_URL` wants it."""
        return f"postgresql+asyncpg://podkeeper:{password}@127.0.0.1:{self.port}/{database}"

    async def run(self, statement: str, *, database: str = "postgres") -> list[asyncpg.Record]:
        """One statement, outside any transaction, on a connection of its own."""
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="podkeeper", password=PASSWORD, database=database
        )
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _binary(name: str) -> str:
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, homes)]))
    assert found, f"these tests need PostgreSQL ({name}): apt-get install postgresql"
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's server."""
    user = "nobody" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="podkeeper-pg-", dir="/tmp"))
    secret = home / "password"
    secret.write_text(PASSWORD)
    data, port = home / "data", free_port()
    if user is not None:
        account = pwd.getpwnam(user)
        for path in (home, secret):
            os.chown(path, account.pw_uid, account.pw_gid)
    group = pwd.getpwnam(user).pw_gid if user is not None else None
    as_user = {"user": user, "group": group, "extra_groups": [] if user else None, "cwd": home}
    try:
        initdb = [_binary("initdb"), "-D", str(data), "-U", "podkeeper", "-A", "scram-sha-256", f"--pwfile={secret}"]
        made = subprocess.run(
            [*initdb, "-E", "UTF8", "--locale=C", "--no-sync"], capture_output=True, text=True, **as_user
        )
        assert made.returncode == 0, made.stderr
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": home,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "shared_buffers": "32MB",
            "max_connections": "60",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (home / "log").open("w+")
        server = subprocess.Popen(
            [_binary("postgres"), "-D", str(data), *options], stdout=log, stderr=log, start_new_session=True, **as_user
        )
        try:
            _await(server, port, home / "log")
            yield Postgres(port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait(DEADLINE)
            log.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ready = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    deadline = time.monotonic() + DEADLINE
    while subprocess.run(ready, check=False).returncode != 0:
        assert server.poll() is None, f"PostgreSQL did not start:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"PostgreSQL did not answer within {DEADLINE:.0f} s:\n{log.read_text()}"
        time.sleep(0.05)


@pytest.fixture
async def postgres_url(postgres: Postgres) -> AsyncIterator[str]:
    """The URL of a fresh, empty database; gone after the test, with whatever is still connected to it."""
    name = f"t_{uuid.uuid4().hex}"
    await postgres.run(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    await postgres.run(f"DROP DATABASE {name} WITH (FORCE)")
