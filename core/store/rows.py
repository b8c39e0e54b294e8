"""Between rows and models: what is read together, and how an event gets its number."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.model import Draft, Event, Frozen, Pod, Role, Status
from core.store.database import Database
from core.store.tables import events, installation, people, pods


class Person(Frozen):
    """Somebody, however they are known outside."""

    id: str
    workspace: str
    name: str
    role: Role


class Topic:
    """What the store's parts share: the database they speak to."""

    _db: Database


_DERIVED = ("network_volume", "price_per_hour")
"""Columns that repeat what the spec says."""
POD = (
    *(column for column in pods.c if column.name not in _DERIVED),
    select(people.c.name).where(people.c.id == pods.c.owner).scalar_subquery().label("owner_name"),
)
"""Everything a Pod is made of; its owner goes by the name they have now."""

_NAMES = tuple(column.name for column in POD)
_FIXED = {"id", "workspace", "owner", "owner_name", "via", "created_at", "changed_at", "status"}
_CHANGEABLE = frozenset(Pod.model_fields) - _FIXED


def pod_of(row: Sequence[Any]) -> Pod:
    """The Pod of a row that holds `POD`."""
    return Pod.model_validate(dict(zip(_NAMES, row, strict=True)))


def pod_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Column values from Pod field names."""
    row = {name: value for name, value in values.items() if name != "owner_name"}
    if "spec" in row:
        row |= {name: getattr(row["spec"], name) for name in _DERIVED}
    return row


def changed(changes: Mapping[str, Any], *, but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Column values for what a caller wants changed; a field that may not be changed this way is a bug of ours."""
    wrong = changes.keys() - (_CHANGEABLE - but)
    if wrong:
        raise ValueError(f"not a field of a pod that may be changed here: {', '.join(sorted(wrong))}")
    return pod_row(changes)


def event_of(row: RowMapping) -> Event:
    """The Event of a row."""
    return Event.model_validate(dict(row))


async def write_event(
    conn: AsyncConnection, draft: Draft, *, at: datetime, pod_id: str, workspace: str, run: int, status: Status | None
) -> Event:
    """Number an event and write it, in the caller's write transaction: numbers follow commit order, without gaps."""
    counted = installation.update().values(last_event=installation.c.last_event + 1)
    seq = (await conn.execute(counted.returning(installation.c.last_event))).scalar_one()
    made = events.insert().values(
        seq=seq,
        at=at,
        pod_id=pod_id,
        workspace=workspace,
        run=run,
        status=status,
        kind=draft.kind,
        actor=draft.actor,
        via=draft.via,
        data=dict(draft.data),
    )
    # Read back, so that what the writer sees is what every tailer sees.
    return event_of((await conn.execute(made.returning(*events.c))).mappings().one())
