"""Notes of the faces in the store: what they must know again after a restart."""

from collections.abc import Mapping

from sqlalchemy import select

from core.store.rows import Topic
from core.store.tables import notes as table
from core.store.whole import whole


class Notes(Topic):
    """The notes' part of the store; a note is a short text of a face's own."""

    @whole
    async def notes(self, face: str, prefix: str = "") -> Mapping[str, str]:
        """Key -> text, of the keys that begin so."""
        query = select(table.c.key, table.c.text).where(table.c.face == face).order_by(table.c.key)
        if prefix:
            query = query.where(table.c.key.startswith(prefix, autoescape=True))
        async with self._db.read() as conn:
            return {row.key: row.text for row in await conn.execute(query)}

    @whole
    async def write_note(self, face: str, key: str, text: str | None) -> None:
        """Remember it in place of the former; None: nothing any more."""
        put = self._db.insert(table).values(face=face, key=key, text=text)
        async with self._db.write() as conn:
            if text is None:
                await conn.execute(table.delete().where(table.c.face == face, table.c.key == key))
            else:
                same = [table.c.face, table.c.key]
                await conn.execute(put.on_conflict_do_update(index_elements=same, set_={"text": text}))
