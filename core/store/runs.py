"""Runs in the store: what each run of each pod took, written with the move that made it so."""

from datetime import datetime, timedelta

from sqlalchemy import case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.model import Cause, Pod, Run, Status
from core.store.database import Database
from core.store.rows import Topic
from core.store.tables import UtcDateTime, people, pods
from core.store.tables import runs as table
from core.store.whole import whole


class Runs(Topic):
    """The runs' part of the store."""

    @whole
    async def runs(
        self, workspace: str, ended_after: datetime, started_before: datetime, owner: str | None = None
    ) -> tuple[Run, ...]:
        """Those that had not ended by the one time, and had begun by the other; by pod, oldest first."""
        query = (
            select(*table.c, pods.c.name, pods.c.owner, pods.c.spec, pods.c.status, pods.c.changed_at)
            .add_columns(people.c.name.label("owner_name"))
            .join(pods, pods.c.id == table.c.pod_id)
            .join(people, people.c.id == pods.c.owner)
            .where(pods.c.workspace == workspace, table.c.started_at < literal(started_before, UtcDateTime))
            .where(or_(table.c.ended_at.is_(None), table.c.ended_at > literal(ended_after, UtcDateTime)))
            .order_by(table.c.pod_id, table.c.run)
        )
        if owner is not None:
            query = query.where(pods.c.owner == owner)
        async with self._db.read() as conn:
            return tuple(
                Run(
                    pod_id=row.pod_id,
                    run=row.run,
                    name=row.name,
                    owner=row.owner,
                    owner_name=row.owner_name,
                    template=row.template,
                    price_per_hour=row.spec.price_per_hour,
                    started_at=row.started_at,
                    ready_at=row.ready_at,
                    ended_at=row.ended_at,
                    cause=row.cause,
                    max_lifetime=row.spec.max_lifetime,
                    gone_at=row.changed_at if row.status == Status.TERMINATED else None,
                )
                for row in await conn.execute(query)
            )

    @whole
    async def took(self, workspace: str, template: str, last: int) -> tuple[timedelta, ...]:
        """How long the last so many starts of this template took that came to their end."""
        query = (
            select(table.c.started_at, table.c.ready_at)
            .join(pods, pods.c.id == table.c.pod_id)
            .where(pods.c.workspace == workspace, table.c.template == template, table.c.ready_at.is_not(None))
            .order_by(table.c.started_at.desc())
            .limit(last)
        )
        async with self._db.read() as conn:
            return tuple(row.ready_at - row.started_at for row in await conn.execute(query))


async def note_run(db: Database, conn: AsyncConnection, pod: Pod, now: datetime) -> None:
    """Write down where this run of the pod is, in the transaction that moves the pod."""
    over = not pod.status.holds_compute
    made = db.insert(table).values(
        pod_id=pod.id,
        run=pod.run,
        template=pod.spec.template,
        started_at=pod.started_at or now,
        ready_at=pod.ready_at,
        ended_at=(pod.ended_at or now) if over else None,
        cause=(pod.cause or Cause.ITSELF) if over else None,
    )
    new, ended = made.excluded, table.c.ended_at
    # Once it is over it stays so, whatever becomes of the pod.
    kept = {
        "ready_at": func.coalesce(table.c.ready_at, new.ready_at),
        "ended_at": func.coalesce(ended, new.ended_at),
        "cause": case((ended.is_(None), new.cause), else_=table.c.cause),
    }
    await conn.execute(made.on_conflict_do_update(index_elements=[table.c.pod_id, table.c.run], set_=kept))
    if pod.status in (Status.PROVISIONING, Status.STARTING):
        # A restart begins the next run before the former one has had an end of its own.
        former = table.update().where(table.c.pod_id == pod.id, table.c.run < pod.run, ended.is_(None))
        await conn.execute(former.values(ended_at=now, cause=Cause.PERSON))
