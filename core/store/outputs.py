"""Outputs in the store: what each pod wrote last, for when its container is gone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from core.model import Line
from core.store.rows import Topic
from core.store.tables import outputs as table
from core.store.whole import whole

_BEGINNING = datetime.fromtimestamp(0, UTC)
_UNIT = timedelta(microseconds=1)


class Outputs(Topic):
    """The outputs' part of the store; `move` forgets that of a terminated pod."""

    @whole
    async def keep_output(self, pod_id: str, run: int, lines: Sequence[Line]) -> None:
        """In place of what was kept of the run before."""
        text = "\n".join(line.text.replace("\n", " ") for line in lines)
        times = [(line.at - _BEGINNING) // _UNIT for line in lines]
        put = self._db.insert(table).values(pod_id=pod_id, run=run, text=text, times=times)
        async with self._db.write() as conn:
            told = {name: put.excluded[name] for name in ("run", "text", "times")}
            await conn.execute(put.on_conflict_do_update(index_elements=[table.c.pod_id], set_=told))

    @whole
    async def output(self, pod_id: str, run: int) -> tuple[Line, ...]:
        """What was kept of this run; nothing when nothing was."""
        query = select(table.c.text, table.c.times).where(table.c.pod_id == pod_id, table.c.run == run)
        async with self._db.read() as conn:
            row = (await conn.execute(query)).one_or_none()
        if row is None:
            return ()
        texts = row.text.split("\n") if row.times is not None else row.text.splitlines()
        times = row.times if row.times is not None else [0] * len(texts)
        return tuple(Line(_BEGINNING + at * _UNIT, text) for at, text in zip(times, texts, strict=True))
