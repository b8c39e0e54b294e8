"""Outputs in the store: what each pod wrote last, for when its container is gone."""

from sqlalchemy import select

from core.store.rows import Topic
from core.store.tables import outputs as table
from core.store.whole import whole


class Outputs(Topic):
    """The outputs' part of the store; `move` forgets that of a terminated pod."""

    @whole
    async def keep_output(self, pod_id: str, run: int, text: str) -> None:
        """In place of what was kept of the run before."""
        put = self._db.insert(table).values(pod_id=pod_id, run=run, text=text)
        async with self._db.write() as conn:
            told = {"run": put.excluded.run, "text": put.excluded.text}
            await conn.execute(put.on_conflict_do_update(index_elements=[table.c.pod_id], set_=told))

    @whole
    async def output(self, pod_id: str, run: int) -> str:
        """What was kept of this run; empty when nothing was."""
        query = select(table.c.text).where(table.c.pod_id == pod_id, table.c.run == run)
        async with self._db.read() as conn:
            return (await conn.execute(query)).scalar_one_or_none() or ""
