"""Pods in the store: the rules by which a row appears and changes."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import Conflict, NotFound, QuotaExceeded
from core.model import HOLDS_COMPUTE, UNDER_WAY, Draft, Event, Pod, Status
from core.store.holdings import Counters
from core.store.rows import POD, changed, pod_of, pod_row, write_event
from core.store.runs import note_run
from core.store.tables import LIVE, UtcDateTime, claims, outputs, people, pods, traffic, volumes
from core.store.whole import whole
from core.units import shorten

_AT_ONCE = 1000
"""Ids in one statement; both databases take some thirty thousand."""


class Sums(NamedTuple):
    """Of all pods of a list."""

    total: int
    running: int
    """How many use compute."""
    cost_per_hour: float | None
    """US dollars, of those that use compute and have a price; None: none of them has one."""


class Pods(Counters):
    """The pods' part of the store."""

    @whole
    async def add_pod(self, pod: Pod, draft: Draft, *, stem: str | None, limit: int) -> tuple[Pod, Event]:
        """Insert a new pod with its event, if the owner has fewer than `limit` pods that hold compute.

        `stem`: pick the first free `{stem}-{n}` as its name in place of `pod.name`.
        QuotaExceeded (names limit and owner), Conflict (name taken among the workspace's pods that are not TERMINATED;
        says whose, which pod when it is the owner's own, and how to choose another), NotFound (its network volume does
        not exist in this workspace).
        """
        async with self._db.write() as conn:
            if (await conn.execute(select(people.c.id).where(people.c.id == pod.owner))).one_or_none() is None:
                raise NotFound(f"There is no person {shorten(pod.owner)!r}; nothing was started.")
            if pod.spec.network_volume is not None:
                await _volume_exists(conn, pod.workspace, pod.spec.network_volume)
            await _within_limit(conn, pod, limit)
            name = pod.name if stem is None else await _free_name(conn, pod.workspace, stem)
            row = pod_row(pod.model_copy(update={"name": name}).__dict__)
            made = (
                self._db.insert(pods)
                .values(row)
                .on_conflict_do_nothing(index_elements=[pods.c.workspace, pods.c.name], index_where=LIVE)
            )
            if (await conn.execute(made.returning(pods.c.id))).one_or_none() is None:
                raise await _name_taken(conn, pod, name)
            added = await _read(conn, pod.id)
            await note_run(self._db, conn, added, added.changed_at)
            return added, await _happened(conn, added, draft, added.changed_at)

    @whole
    async def move(
        self,
        pod_id: str,
        run: int,
        expect: Collection[Status],
        to: Status,
        now: datetime,
        draft: Draft,
        /,
        *,
        limit: int | None = None,
        same: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Pod | None:
        """Compare-and-set: when the row is in one of `expect` and at `run`, change it; None when it was not.

        `same`: Pod fields that must still have these values as well.

        Writes `to`, `changes` (Pod field names; `run` for a new one), changed_at=now and the event in one
        transaction. The event carries the status and the run as they are afterwards.
        `limit`: as in `add_pod`, checked in the same transaction (for resume). Releases the pod's claims (`claim`)
        when `to` is EXITED, ERROR or TERMINATED; those of TCP ports, and what it wrote last, only with the last.
        """
        values = changed(changes) | {"status": to, "changed_at": now}
        async with self._db.write() as conn:
            moved = await _set(conn, pod_id, run, expect, values, same)
            if moved is None:
                return None
            if limit is not None:
                await _within_limit(conn, moved, limit)
            if not to.holds_compute:
                # The gateway's ports are part of a pod's addresses, which outlive a stop.
                kept = () if to is Status.TERMINATED else (claims.c.kind != "tcp",)
                await conn.execute(claims.delete().where(claims.c.pod_id == pod_id, *kept))
            if to is Status.TERMINATED:
                await conn.execute(outputs.delete().where(outputs.c.pod_id == pod_id))
            await note_run(self._db, conn, moved, now)
            await _happened(conn, moved, draft, now)
            return moved

    @whole
    async def amend(
        self,
        pod_id: str,
        run: int,
        expect: Collection[Status],
        /,
        *,
        told: tuple[Draft, datetime] | None = None,
        same: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Pod | None:
        """As `move` without a change of status: ref, upstreams, lease, promises; with an event only if `told`.

        last_active_at never goes back: the later one stays.
        """
        values = changed(changes, but=frozenset({"run"}))
        seen = values.pop("last_active_at", None)
        if seen is not None:
            known, new = pods.c.last_active_at, literal(seen, UtcDateTime)
            values["last_active_at"] = case((or_(known.is_(None), known < new), new), else_=known)
        async with self._db.write() as conn:
            # Compared again even when there is nothing to write: the answer says whether the row is still that one.
            amended = await _set(conn, pod_id, run, expect, values or {"run": run}, same)
            if amended is not None and told is not None:
                await _happened(conn, amended, *told)
            return amended

    @whole
    async def saw_use(self, runs: Mapping[str, int], now: datetime) -> None:
        """Use was seen now of these RUNNING pods, each in that run; what is in another run or status stays."""
        if not runs:
            return
        in_run: defaultdict[int, list[str]] = defaultdict(list)
        for pod_id, run in runs.items():
            in_run[run].append(pod_id)
        seen = pods.update().where(pods.c.status == Status.RUNNING).values(last_active_at=now)
        seen = seen.where(or_(pods.c.last_active_at.is_(None), pods.c.last_active_at < literal(now, UtcDateTime)))
        async with self._db.write() as conn:
            for run, ids in in_run.items():
                for first in range(0, len(ids), _AT_ONCE):
                    some = ids[first : first + _AT_ONCE]
                    await conn.execute(seen.where(pods.c.run == run, pods.c.id.in_(some)))

    @whole
    async def beat(self, pod_id: str, now: datetime) -> bool:
        """The pod itself says that it is in use; False when no such pod runs."""
        said = pods.update().where(pods.c.id == pod_id, pods.c.status == Status.RUNNING).values(heartbeat_at=now)
        async with self._db.write() as conn:
            return (await conn.execute(said.returning(pods.c.id))).one_or_none() is not None

    @whole
    async def shift(
        self, gap: timedelta, fresh: Mapping[str, datetime] | None = None, noticed: Collection[str] = ()
    ) -> None:
        """The clock jumped by `gap`, or the machine slept for so long: that was neither use nor silence.

        Moves what the silence of running pods is measured from; times that were promised stay. `fresh`: pods whose
        last use was stamped near the jump, by nobody knows which clock, and when it was instead. `noticed`: pods
        whose `warned_at` warned of no end, so that it stays.
        """
        known = fresh or {}
        moved = ("last_active_at", "heartbeat_at", "warned_at")
        query = select(pods.c.id, *(pods.c[name] for name in moved)).where(pods.c.status == Status.RUNNING)
        async with self._db.write() as conn:
            for row in (await conn.execute(query)).mappings().all():
                values = {name: row[name] + gap for name in moved if row[name] is not None}
                if row["id"] in noticed:
                    values.pop("warned_at", None)
                if row["id"] in known:
                    used = {"last_active_at": known[row["id"]], "heartbeat_at": known[row["id"]]}
                    values |= {name: at for name, at in used.items() if name in values}
                if values:
                    await conn.execute(pods.update().where(pods.c.id == row["id"]).values(values))
            for row in (await conn.execute(select(traffic))).all():
                reading = row.reading.later(gap)
                await conn.execute(traffic.update().where(traffic.c.key == row.key).values(reading=reading))
        self._known = None

    @whole
    async def pod(self, pod_id: str) -> Pod | None:
        """The pod of exactly this id, in any status."""
        async with self._db.read() as conn:
            found = (await conn.execute(select(*POD).where(pods.c.id == pod_id))).one_or_none()
        return None if found is None else pod_of(found)

    @whole
    async def pods(
        self, *, workspace: str | None = None, status: Collection[Status] | None = None, owner: str | None = None
    ) -> tuple[Pod, ...]:
        """Newest first."""
        query = select(*POD).order_by(pods.c.created_at.desc(), pods.c.id)
        if workspace is not None:
            query = query.where(pods.c.workspace == workspace)
        if status is not None:
            query = query.where(pods.c.status.in_(status))
        if owner is not None:
            query = query.where(pods.c.owner == owner)
        async with self._db.read() as conn:
            return tuple(pod_of(row) for row in await conn.execute(query))

    @whole
    async def called(self, workspace: str, wanted: str) -> Pod | None:
        """The pod of exactly this id, in any status, or else the one of this name that is not TERMINATED."""
        named = or_(pods.c.id == wanted, and_(pods.c.name == wanted, LIVE))
        query = (
            select(*POD).where(pods.c.workspace == workspace, named).order_by(case((pods.c.id == wanted, 0), else_=1))
        )
        async with self._db.read() as conn:
            found = (await conn.execute(query.limit(1))).one_or_none()
        return None if found is None else pod_of(found)

    @whole
    async def page(
        self,
        workspace: str,
        owner: str | None,
        status: Collection[Status] | None,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> tuple[tuple[Pod, ...], Sums]:
        """The newest `limit` pods made before that time and id, and the sums of all pages."""
        wanted = [pods.c.workspace == workspace]
        if owner is not None:
            wanted.append(pods.c.owner == owner)
        if status is not None:
            wanted.append(pods.c.status.in_(status))
        holds = pods.c.status.in_(HOLDS_COMPUTE)
        figures = (func.count(), func.count(case((holds, 1))), func.sum(case((holds, pods.c.price_per_hour))))
        sums = select(*(figure.label(name) for name, figure in zip(Sums._fields, figures, strict=True))).where(*wanted)
        all_pages = sums.subquery()
        query = (
            select(*all_pages.c, *POD)
            .join_from(pods, all_pages, true())
            .where(*wanted)
            .order_by(pods.c.created_at.desc(), pods.c.id.desc())
            .limit(limit)
        )
        if before is not None:
            at, pod_id = literal(before[0], UtcDateTime), before[1]
            query = query.where(or_(pods.c.created_at < at, and_(pods.c.created_at == at, pods.c.id < pod_id)))
        async with self._db.read() as conn:
            rows = (await conn.execute(query)).all()
            # Behind the last page there is no row to tell them.
            told = rows[0] if rows else (await conn.execute(sums)).one()
        many = len(Sums._fields)
        return tuple(pod_of(row[many:]) for row in rows), Sums(*told[:many])

    @whole
    async def renew(self, worker: str, until: datetime) -> None:
        """Extend the lease of every row under way that this worker holds."""
        held = pods.update().where(pods.c.worker == worker, pods.c.status.in_(UNDER_WAY))
        async with self._db.write() as conn:
            await conn.execute(held.values(lease_until=until))


async def _set(
    conn: AsyncConnection,
    pod_id: str,
    run: int,
    expect: Collection[Status],
    values: dict[str, Any],
    same: Mapping[str, Any] | None = None,
) -> Pod | None:
    if same:
        # Not in SQL: a row of an older version says the same in other words. Nobody writes between this and the next.
        found = (await conn.execute(select(*POD).where(pods.c.id == pod_id))).mappings().one_or_none()
        if found is None or any(found[name] != value for name, value in same.items()):
            return None
    row = pods.update().where(pods.c.id == pod_id, pods.c.run == run, pods.c.status.in_(expect))
    if (await conn.execute(row.values(values).returning(pods.c.id))).one_or_none() is None:
        return None
    return await _read(conn, pod_id)


async def _read(conn: AsyncConnection, pod_id: str) -> Pod:
    return pod_of((await conn.execute(select(*POD).where(pods.c.id == pod_id))).one())


async def _happened(conn: AsyncConnection, pod: Pod, draft: Draft, at: datetime) -> Event:
    return await write_event(conn, draft, at=at, pod_id=pod.id, workspace=pod.workspace, run=pod.run, status=pod.status)


async def _within_limit(conn: AsyncConnection, pod: Pod, limit: int) -> None:
    """Writers come one at a time, so nobody adds a pod between this count and the commit."""
    others = select(func.count()).where(
        pods.c.owner == pod.owner, pods.c.status.in_(HOLDS_COMPUTE), pods.c.id != pod.id
    )
    count = (await conn.execute(others)).scalar_one()
    if count >= limit:
        owner = (await conn.execute(select(people.c.name).where(people.c.id == pod.owner))).scalar_one()
        raise QuotaExceeded(
            f"{owner} has {count} pod{'s' if count != 1 else ''} running or on the way, and the limit is {limit} for "
            "each person. Nothing was started: stop one, or ask an admin to raise PODKEEPER_MAX_PODS_PER_USER."
        )


async def _free_name(conn: AsyncConnection, workspace: str, stem: str) -> str:
    like = pods.c.name.startswith(f"{stem}-", autoescape=True)
    taken = set((await conn.execute(select(pods.c.name).where(pods.c.workspace == workspace, like, LIVE))).scalars())
    return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)


async def _name_taken(conn: AsyncConnection, pod: Pod, name: str) -> Conflict:
    query = select(*POD).where(pods.c.workspace == pod.workspace, pods.c.name == name, LIVE)
    holder = pod_of((await conn.execute(query)).one())
    own = holder.owner == pod.owner
    # The id of somebody else's pod is not told: whoever knows it can open its address.
    which = f"{f'pod {holder.id}' if own else 'a pod'} of {holder.owner_name}"
    return Conflict(
        f"The name {shorten(name)!r} is taken by {which} ({holder.status}). Nothing was started: choose another name, "
        f"or give none to get one made{', or terminate that pod first' if own else ''}."
    )


async def _volume_exists(conn: AsyncConnection, workspace: str, volume_id: str) -> None:
    query = select(volumes.c.id, volumes.c.name).where(volumes.c.workspace == workspace).order_by(volumes.c.name)
    there = {row.id: row.name for row in await conn.execute(query)}
    if volume_id not in there:
        raise no_volume(volume_id, there.values(), "Nothing was started")


def no_volume(reference: str, names: Collection[str], outcome: str) -> NotFound:
    """The refusal that lists the network volumes there are."""
    there = f"There are: {', '.join(names)}." if names else "There are none yet; create one first."
    return NotFound(f"There is no network volume {shorten(reference)!r} here. {outcome}. {there}")
