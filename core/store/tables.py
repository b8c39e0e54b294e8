"""The store's tables: the only schema; `migrations/` must lead to exactly this (a test compares them)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from core.model import PodSpec, Reading, Upstream


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on both databases; SQLite has no zones, so there the UTC wall clock is stored."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """A naive datetime is refused: nobody knows what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the store takes aware datetimes only")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text that may quote a pod's own output: what PostgreSQL cannot hold (NUL, half a surrogate pair) is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """A pod that prints rubbish must still come to its end."""
        if value is None:
            return None
        return value.encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


class _Json(TypeDecorator[Any]):
    """JSON text of whatever the adapter reads and writes."""

    impl = Text
    cache_ok = True
    adapter: ClassVar[TypeAdapter[Any]]

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self.adapter.dump_json(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self.adapter.validate_json(value)


class _KnownJson(_Json):
    """As `_Json`, but the same object for the same text: it is rarely new, read at every tick, and never changed."""

    cache_ok = True

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else _known(type(self), value)


@lru_cache(maxsize=32_768)
def _known(kind: type[_Json], text: str) -> Any:
    return kind.adapter.validate_json(text)


class SpecJson(_KnownJson):
    """A PodSpec."""

    cache_ok = True
    adapter = TypeAdapter(PodSpec)


class UpstreamsJson(_KnownJson):
    """Port number -> Upstream."""

    cache_ok = True
    adapter = TypeAdapter(Mapping[int, Upstream])


class PortsJson(_KnownJson):
    """Port number -> port number."""

    cache_ok = True
    adapter = TypeAdapter(Mapping[int, int])


class NamesJson(_KnownJson):
    """A tuple of strings."""

    cache_ok = True
    adapter = TypeAdapter(tuple[str, ...])


class TimesJson(_Json):
    """A list of numbers."""

    cache_ok = True
    adapter = TypeAdapter(list[int])


class DataJson(_Json):
    """The free part of an event."""

    cache_ok = True
    adapter = TypeAdapter(dict[str, Any])


class ReadingJson(_Json):
    """What is remembered of one pod port."""

    cache_ok = True
    adapter = TypeAdapter(Reading)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

installation = Table(
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    # A counter and not a sequence: a number that is rolled back is given again, so a tailer sees no gaps.
    Column("last_event", BigInteger, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("external", Text, nullable=False),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    PrimaryKeyConstraint("workspace", "kind", "external"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    # A hash: whoever reads the database cannot act as anybody.
    Column("digest", Text, nullable=False),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("scope", Text, nullable=False, server_default="admin"),
    UniqueConstraint("digest"),
)

confirmations = Table(
    "confirmations",
    metadata,
    Column("code", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("workspace", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("answer", Boolean),
    # One question about one thing: to ask it again asks no second time.
    UniqueConstraint("person", "action", "subject"),
)

link_codes = Table(
    "link_codes",
    metadata,
    # Keyed: whoever reads the database cannot find a code by trying them all.
    Column("digest", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    UniqueConstraint("person"),
)

volumes = Table(
    "volumes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Text, ForeignKey("people.id"), nullable=False),
    Column("size", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("workspace", "name"),
)

templates = Table(
    "templates",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Text, ForeignKey("people.id"), nullable=False),
    Column("said", DataJson, nullable=False),
    Column("labels", DataJson, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("workspace", "name"),
)

pods = Table(
    "pods",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Text, ForeignKey("people.id"), nullable=False),
    Column("via", Text, nullable=False),
    Column("spec", SpecJson, nullable=False),
    # What `spec` names, while that volume exists: a volume that a live pod names cannot be removed.
    Column("network_volume", Text, ForeignKey("volumes.id", ondelete="SET NULL")),
    # As in `spec`, for sums of many.
    Column("price_per_hour", Float),
    Column("stoppable", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("reason", Words),
    Column("cause", Text),
    Column("ref", Text),
    Column("upstreams", UpstreamsJson, nullable=False),
    Column("listens", PortsJson, nullable=False, server_default="{}"),
    Column("gpus", NamesJson, nullable=False),
    Column("worker", Text),
    Column("lease_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ready_at", UtcDateTime),
    Column("last_active_at", UtcDateTime),
    Column("heartbeat_at", UtcDateTime),
    Column("keep_until", UtcDateTime),
    Column("kept_by", Text),
    Column("warned_at", UtcDateTime),
    Column("proposed_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("changed_at", UtcDateTime, nullable=False),
)

LIVE = text("status <> 'TERMINATED'")
Index("pods_live_name", pods.c.workspace, pods.c.name, unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
Index("pods_status", pods.c.status)

runs = Table(
    "runs",
    metadata,
    # What each run of each pod took: the row of a pod tells only of its present one.
    Column("pod_id", Text, ForeignKey("pods.id"), nullable=False),
    Column("run", Integer, nullable=False),
    Column("template", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ready_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("cause", Text),
    PrimaryKeyConstraint("pod_id", "run"),
    Index("runs_template", "template", "started_at"),
    Index("runs_ended", "ended_at"),
)

outputs = Table(
    "outputs",
    metadata,
    Column("pod_id", Text, ForeignKey("pods.id"), primary_key=True),
    Column("run", Integer, nullable=False),
    Column("text", Words, nullable=False),
    # Of each line, in microseconds since 1970; missing where an older version has kept it.
    Column("times", TimesJson),
)

claims = Table(
    "claims",
    metadata,
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("pod_id", Text, ForeignKey("pods.id"), nullable=False),
    PrimaryKeyConstraint("kind", "value"),
    Index("claims_pod", "pod_id"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    # No foreign key: an orphan has no row.
    Column("pod_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text),
    Column("run", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("data", DataJson, nullable=False),
    Index("events_pod", "pod_id", "seq"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

traffic = Table(
    "traffic",
    metadata,
    Column("key", Text, primary_key=True),
    Column("reading", ReadingJson, nullable=False),
)

once = Table(
    "once",
    metadata,
    # A hash of the key: keys come from outside and may be of any length.
    Column("digest", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    # With each new key the old ones are forgotten: without it every connection would read, and cache, all of them.
    Index("once_at", "at"),
)

notes = Table(
    "notes",
    metadata,
    Column("face", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("face", "key"),
)

registries = Table(
    "registries",
    metadata,
    Column("host", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
