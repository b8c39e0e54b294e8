"""People in the store: a row each, found by the identities they are known by outside."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.model import Role
from core.store.rows import Person, Topic
from core.store.tables import identities, people
from core.store.whole import whole


class People(Topic):
    """The people's part of the store."""

    @whole
    async def person(
        self, workspace: str, kind: str, external: str, name: str | None, role: Role, now: datetime
    ) -> Person:
        """The person behind an identity (`slack`, `T1:U2`; `token`, `local`), made at first sight.

        Name and role are kept up to date; without a name it stays, and at first sight the end of `external` is it.
        """
        who = (workspace, kind, external)
        async with self._db.read() as conn:
            known = await _known(conn, who)
        if known is not None and known.role == role and name in (None, known.name):
            return known
        async with self._db.write() as conn:
            known = await _known(conn, who)
            name = name or (known.name if known is not None else external.rpartition(":")[2])
            person = Person(id=known.id if known else secrets.token_hex(6), workspace=workspace, name=name, role=role)
            if known is not None:
                await conn.execute(people.update().where(people.c.id == known.id).values(name=name, role=role))
            else:
                await conn.execute(people.insert().values(**person.model_dump(), created_at=now))
                made = identities.insert().values(workspace=workspace, kind=kind, external=external, person=person.id)
                await conn.execute(made)
        return person

    @whole
    async def slack_person(self, workspace: str, user: str) -> str | None:
        """The team and user (`T1:U2`) of a Slack user id that has been seen; None when it has not."""
        ours = (identities.c.workspace == workspace, identities.c.kind == "slack")
        query = select(identities.c.external).where(*ours, identities.c.external.endswith(f":{user}", autoescape=True))
        async with self._db.read() as conn:
            return (await conn.execute(query.order_by(identities.c.external).limit(1))).scalar_one_or_none()

    @whole
    async def names(self) -> Mapping[str, str]:
        """Person id -> name, of everybody."""
        async with self._db.read() as conn:
            return {row.id: row.name for row in await conn.execute(select(people.c.id, people.c.name))}

    @whole
    async def identity(self, person: str, kind: str) -> str | None:
        """How this person is known outside, by one kind of identity; None when they are not."""
        query = select(identities.c.external).where(identities.c.person == person, identities.c.kind == kind)
        async with self._db.read() as conn:
            return (await conn.execute(query.order_by(identities.c.external).limit(1))).scalar_one_or_none()


async def _known(conn: AsyncConnection, who: tuple[str, str, str]) -> Person | None:
    workspace, kind, external = who
    query = (
        select(people.c.id, people.c.workspace, people.c.name, people.c.role)
        .join(identities, identities.c.person == people.c.id)
        .where(identities.c.workspace == workspace, identities.c.kind == kind, identities.c.external == external)
    )
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else Person.model_validate(dict(row))
