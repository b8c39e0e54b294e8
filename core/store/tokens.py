"""Personal tokens in the store: their hashes, and whose they are."""

from datetime import datetime

from sqlalchemy import func, select

from core.errors import QuotaExceeded
from core.model import Token
from core.store.rows import Person, Topic
from core.store.tables import identities, people
from core.store.tables import tokens as table
from core.store.whole import whole

_SHOWN = tuple(column for column in table.c if column.name != "digest")


class Tokens(Topic):
    """The tokens' part of the store."""

    @whole
    async def add_token(self, token: Token, digest: str, limit: int) -> None:
        """Keep it. QuotaExceeded when its person has `limit` of them that are still good."""
        held = select(func.count()).where(table.c.person == token.person, table.c.expires_at > token.created_at)
        async with self._db.write() as conn:
            if (await conn.execute(held)).scalar_one() >= limit:
                raise QuotaExceeded(f"You have {limit} tokens, and nobody may have more. Revoke one first.")
            await conn.execute(table.insert().values(**token.model_dump(), digest=digest))

    @whole
    async def tokens(self, person: str | None = None) -> tuple[Token, ...]:
        """Somebody's (everybody's), the newest first; those that have expired too."""
        query = select(*_SHOWN).order_by(table.c.created_at.desc(), table.c.id)
        if person is not None:
            query = query.where(table.c.person == person)
        async with self._db.read() as conn:
            return tuple(Token.model_validate(dict(row)) for row in (await conn.execute(query)).mappings())

    @whole
    async def remove_token(self, person: str | None, token_id: str) -> Token | None:
        """Forget it; None when this person (nobody) has no such token."""
        gone = table.delete().where(table.c.id == token_id).returning(*_SHOWN)
        if person is not None:
            gone = gone.where(table.c.person == person)
        async with self._db.write() as conn:
            found = (await conn.execute(gone)).mappings().one_or_none()
        return None if found is None else Token.model_validate(dict(found))

    @whole
    async def remove_tokens(self, kind: str, external: str) -> None:
        """Forget all tokens of the people who are known so outside."""
        whose = select(identities.c.person).where(identities.c.kind == kind, identities.c.external == external)
        async with self._db.write() as conn:
            await conn.execute(table.delete().where(table.c.person.in_(whose)))

    @whole
    async def token(self, digest: str) -> tuple[Token, Person, str | None] | None:
        """The one of this hash, its person, and how they are known (`TEAM:USER`, `local:NAME`); None: there is none."""
        slack = select(identities.c.external).where(
            identities.c.person == people.c.id, identities.c.kind.in_(("slack", "user"))
        )
        query = (
            select(*_SHOWN, people.c.workspace, people.c.role, people.c.name.label("person_name"))
            .add_columns(slack.order_by(identities.c.external).limit(1).scalar_subquery().label("slack"))
            .join(people, people.c.id == table.c.person)
            .where(table.c.digest == digest)
        )
        async with self._db.read() as conn:
            found = (await conn.execute(query)).mappings().one_or_none()
        if found is None:
            return None
        token = Token.model_validate({column.name: found[column.name] for column in _SHOWN})
        person = Person(id=token.person, workspace=found["workspace"], name=found["person_name"], role=found["role"])
        return token, person, found["slack"]

    @whole
    async def used_token(self, token_id: str, now: datetime) -> None:
        """It was used."""
        async with self._db.write() as conn:
            await conn.execute(table.update().where(table.c.id == token_id).values(used_at=now))
