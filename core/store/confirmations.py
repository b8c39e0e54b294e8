"""Confirmations in the store: questions that wait for a person, and their answers until they are used."""

from datetime import datetime

from sqlalchemy import select

from core.model import Confirmation, Draft
from core.store.rows import Topic, write_event
from core.store.tables import confirmations as table
from core.store.whole import whole


class Confirmations(Topic):
    """The confirmations' part of the store. One that has expired is as if it were not there."""

    @whole
    async def ask(self, question: Confirmation, draft: Draft) -> Confirmation:
        """The question as it waits: this one, with its event, or the same one that was asked before."""
        same = (
            table.c.person == question.person,
            table.c.action == question.action,
            table.c.subject == question.subject,
        )
        async with self._db.write() as conn:
            await conn.execute(table.delete().where(table.c.expires_at <= question.asked_at))
            found = (await conn.execute(select(table).where(*same))).mappings().one_or_none()
            if found is not None:
                return Confirmation.model_validate(dict(found))
            await conn.execute(table.insert().values(**question.model_dump()))
            await write_event(
                conn, draft, at=question.asked_at, pod_id=question.subject, workspace=question.workspace, run=1,
                status=None,
            )  # fmt: skip
        return question

    @whole
    async def confirmations(self, person: str, now: datetime) -> tuple[Confirmation, ...]:
        """Somebody's, the oldest first, answered ones too."""
        query = select(table).where(table.c.person == person, table.c.expires_at > now)
        async with self._db.read() as conn:
            found = await conn.execute(query.order_by(table.c.asked_at, table.c.code))
            return tuple(Confirmation.model_validate(dict(row)) for row in found.mappings())

    @whole
    async def answer(self, person: str, code: str, *, yes: bool, now: datetime, until: datetime) -> Confirmation | None:
        """Write the answer, good until then; None when nothing of this code waits for this person."""
        waiting = (table.c.person == person, table.c.code == code, table.c.expires_at > now, table.c.answer.is_(None))
        said = table.update().where(*waiting).values(answer=yes, expires_at=until).returning(table)
        async with self._db.write() as conn:
            found = (await conn.execute(said)).mappings().one_or_none()
        return None if found is None else Confirmation.model_validate(dict(found))

    @whole
    async def use(self, person: str, action: str, subject: str, now: datetime) -> bool:
        """Take a yes away, since what it allows is done now; False when there is none."""
        mine = (table.c.person == person, table.c.action == action, table.c.subject == subject)
        taken = table.delete().where(*mine, table.c.expires_at > now, table.c.answer.is_(True)).returning(table.c.code)
        async with self._db.write() as conn:
            return (await conn.execute(taken)).one_or_none() is not None
