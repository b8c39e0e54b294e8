"""The store: every row of the house, and the rules by which rows change."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from core.model import (
    Credential,
    Draft,
    Event,
    Frozen,
    Pod,
    PortTraffic,
    Registry,
    Role,
    Status,
    Traffic,
    Volume,
)


class Person(Frozen):
    """Somebody, however they are known outside."""

    id: str
    workspace: str
    name: str
    role: Role


class Store:
    """Rows in, frozen models out. One instance a process; safe for many tasks at once.

    Every change of status is written with its event in one transaction; event numbers follow commit order.
    Fails with Unavailable when the database does not answer. Nothing here waits for anything but the database.
    """

    installation: str
    """A random id of this database (12 lowercase hex digits), made with its first table; on everything we create outside."""

    @classmethod
    async def open(cls, url: str, key_file: Path) -> "Store":
        """Connect, bring the schema up to date (Alembic), read or make the installation id and the key file (0600)."""

    async def close(self) -> None: ...

    async def lead(self) -> bool:
        """Become the one that leads on this database; False when another process does. Held until `close` (PostgreSQL: session advisory lock on its own connection; SQLite: fcntl.flock on `<database file>.lock`)."""

    # people
    async def person(self, workspace: str, kind: str, external: str, name: str, role: Role, now: datetime) -> Person:
        """The person behind an identity (`slack`, `T1:U2`; `token`, `local`), made at first sight; name and role are kept up to date."""

    # pods
    async def add_pod(self, pod: Pod, draft: Draft, *, stem: str | None, limit: int) -> tuple[Pod, Event]:
        """Insert a new pod with its event, if the owner has fewer than `limit` pods that hold compute.

        `stem`: pick the first free `{stem}-{n}` as its name in place of `pod.name`.
        QuotaExceeded (names limit and owner), Conflict (name taken among the workspace's pods that are not TERMINATED; says which pod and how to choose another),
        NotFound (its network volume does not exist in this workspace).
        """

    async def move(
        self,
        pod_id: str,
        run: int,
        expect: Collection[Status],
        to: Status,
        now: datetime,
        draft: Draft,
        *,
        limit: int | None = None,
        **changes: Any,
    ) -> Pod | None:
        """Compare-and-set: when the row is in one of `expect` and at `run`, write `to`, `changes` (Pod field names), changed_at=now and the event in one transaction; None when it was not.

        `limit`: as in `add_pod`, checked in the same transaction (for resume). Releases the pod's claims (`claim`) when `to` is EXITED, ERROR or TERMINATED.
        """

    async def amend(self, pod_id: str, run: int, expect: Collection[Status], **changes: Any) -> Pod | None:
        """As `move` without a change of status and without an event: ref, upstreams, lease, last_active_at. last_active_at never goes back (max)."""

    async def pod(self, pod_id: str) -> Pod | None: ...

    async def pods(
        self, *, workspace: str | None = None, status: Collection[Status] | None = None, owner: str | None = None
    ) -> tuple[Pod, ...]:
        """Newest first."""

    async def record(self, pod_id: str, workspace: str, run: int, draft: Draft, now: datetime) -> Event:
        """An event that changes no row (an orphan that was halted, a stop that failed)."""

    # exclusive things: addresses, GPUs
    async def claim(self, pod_id: str, kind: str, candidates: Iterable[str], count: int) -> tuple[str, ...] | None:
        """The first `count` free candidates of `kind` (`address`, `gpu`), now held by the pod; all it already holds of that kind are given back first. None when there are too few."""

    async def claimed(self, kind: str) -> Mapping[str, str]:
        """Value -> pod id."""

    # leases
    async def renew(self, worker: str, until: datetime) -> None:
        """Extend the lease of every row under way that this worker holds."""

    # events
    async def events(self, after: int, limit: int = 500, *, pod_id: str | None = None) -> tuple[Event, ...]: ...
    async def last_event(self) -> int: ...
    async def forget_events(self, before: datetime) -> None: ...
    async def cursor(self, name: str) -> int | None: ...
    async def save_cursor(self, name: str, seq: int) -> None: ...

    # what was counted at the last look
    async def save_traffic(self, run_of: Mapping[str, int], traffic: Traffic) -> None: ...
    async def seen_traffic(self) -> Mapping[str, tuple[str, PortTraffic]]: ...

    # once-only keys
    async def first_time(self, key: str, now: datetime) -> bool:
        """True for the first caller with this key, in whatever process, within a day."""

    # network volumes
    async def add_volume(self, volume: Volume) -> Volume: ...
    async def volumes(self, workspace: str) -> tuple[Volume, ...]: ...
    async def remove_volume(self, workspace: str, volume_id: str) -> Volume: ...

    # registries
    async def save_registry(self, credential: Credential, now: datetime) -> Registry: ...
    async def registries(self) -> tuple[Registry, ...]: ...
    async def remove_registry(self, host: str) -> bool: ...
    async def credential(self, host: str) -> Credential | None: ...
