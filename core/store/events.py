"""Events, cursors and once-only keys in the store: what happened, and who has heard of it."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import select

from core.model import Draft, Event
from core.store.rows import Topic, event_of, write_event
from core.store.tables import cursors, events, installation, once
from core.store.whole import whole

ONCE = timedelta(days=1)
"""How long a once-only key is remembered."""


class Events(Topic):
    """The events' part of the store."""

    @whole
    async def record(self, pod_id: str, workspace: str, run: int, draft: Draft, now: datetime) -> Event:
        """An event that changes no row (an orphan that was halted, a stop that failed)."""
        async with self._db.write() as conn:
            return await write_event(conn, draft, at=now, pod_id=pod_id, workspace=workspace, run=run, status=None)

    @whole
    async def events(self, after: int, limit: int = 500, *, pod_id: str | None = None) -> tuple[Event, ...]:
        """Events numbered above `after`, oldest first.

        A number that is seen is never followed by a lower one that was not there yet. Numbers have no gaps: without
        `pod_id`, a first one above `after + 1` (or none at all while `last_event()` is above `after`) means that
        some were forgotten.
        """
        query = select(events).where(events.c.seq > after).order_by(events.c.seq).limit(limit)
        if pod_id is not None:
            query = query.where(events.c.pod_id == pod_id)
        async with self._db.read() as conn:
            return tuple(event_of(row) for row in (await conn.execute(query)).mappings())

    @whole
    async def last_event(self) -> int:
        """The number of the newest event, forgotten or not; 0 when there was none."""
        async with self._db.read() as conn:
            return (await conn.execute(select(installation.c.last_event))).scalar_one()

    @whole
    async def forget_events(self, before: datetime) -> None:
        """Drop what happened before then; numbers are never given again."""
        async with self._db.write() as conn:
            await conn.execute(events.delete().where(events.c.at < before))

    @whole
    async def cursor(self, name: str) -> int | None:
        """How far this reader has come; None when it never said."""
        async with self._db.read() as conn:
            return (await conn.execute(select(cursors.c.seq).where(cursors.c.name == name))).scalar_one_or_none()

    @whole
    async def save_cursor(self, name: str, seq: int) -> None:
        """Remember how far this reader has come."""
        put = self._db.insert(cursors).values(name=name, seq=seq)
        async with self._db.write() as conn:
            await conn.execute(put.on_conflict_do_update(index_elements=[cursors.c.name], set_={"seq": seq}))

    @whole
    async def first_time(self, key: str, now: datetime) -> bool:
        """True for the first caller with this key, in whatever process, within a day."""
        put = self._db.insert(once).values(digest=_digest(key), at=now).on_conflict_do_nothing()
        async with self._db.write() as conn:
            await conn.execute(once.delete().where(once.c.at < now - ONCE))
            return (await conn.execute(put.returning(once.c.digest))).one_or_none() is not None

    @whole
    async def forget_once(self, key: str) -> None:
        """As if nobody had come with this key."""
        async with self._db.write() as conn:
            await conn.execute(once.delete().where(once.c.digest == _digest(key)))


def _digest(key: str) -> str:
    """Keys come from outside and may be of any length."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
