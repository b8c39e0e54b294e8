"""Company logins in the store: whom each stands for, and how one is linked to somebody who is known already."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import Conflict
from core.model import Draft, Role, Status
from core.store.rows import Person, Topic, write_event
from core.store.tables import confirmations, identities, link_codes, people, pods, templates, tokens, volumes
from core.store.whole import whole

LOGIN = "login"
"""The kind of identity that a company login is."""
Met = tuple[Person, str | None]
"""Whom a login stands for, and how Slack knows them (`TEAM:USER`); None: it is linked to nobody there."""


class Logins(Topic):
    """The logins' part of the store."""

    @whole
    async def login(self, workspace: str, external: str) -> Met | None:
        """Whom this login stands for; None when it has not been seen."""
        async with self._db.read() as conn:
            return await _met(conn, workspace, external)

    @whole
    async def meet_login(self, workspace: str, external: str, name: str, now: datetime) -> Met:
        """The same, made at first sight as a member of that name. One that is linked keeps the name it is linked to."""
        async with self._db.write() as conn:
            met = await _met(conn, workspace, external)
            if met is None:
                person = Person(id=secrets.token_hex(6), workspace=workspace, name=name, role=Role.MEMBER)
                await conn.execute(people.insert().values(**person.model_dump(), created_at=now))
                who = {"workspace": workspace, "kind": LOGIN, "external": external, "person": person.id}
                await conn.execute(identities.insert().values(who))
                return person, None
            person, slack = met
            if slack is None and person.name != name:
                await conn.execute(people.update().where(people.c.id == person.id).values(name=name))
                person = person.model_copy(update={"name": name})
            return person, slack

    @whole
    async def put_link_code(self, person: str, digest: str, now: datetime, until: datetime) -> None:
        """A code that stands for this person, in place of the one they had; what has expired is forgotten."""
        old = (link_codes.c.expires_at <= now) | (link_codes.c.person == person)
        async with self._db.write() as conn:
            await conn.execute(link_codes.delete().where(old))
            await conn.execute(link_codes.insert().values(digest=digest, person=person, expires_at=until))

    @whole
    async def link_login(
        self, person: str, digest: str, draft: Draft, now: datetime
    ) -> tuple[Person, Mapping[str, int]] | None:
        """Let the logins of this person stand for whom the code stands for, and use the code up; None: it is no good.

        What the person owned is theirs from now on, with an event (`draft`) for each pod that is not terminated; the
        answer says how many `pods` (of those), `volumes` and `tokens` that were. Who the person was is forgotten.
        Conflict when they are known otherwise than by a login, or not any more: somebody was faster.
        """
        good = (link_codes.c.digest == digest, link_codes.c.expires_at > now)
        async with self._db.write() as conn:
            target = (await conn.execute(link_codes.delete().where(*good).returning(link_codes.c.person))).scalar()
            if target is None:
                return None
            kinds = set((await conn.execute(select(identities.c.kind).where(identities.c.person == person))).scalars())
            if kinds != {LOGIN}:
                raise Conflict("This login has just been linked by somebody else; nothing was changed.")
            mine = (identities.c.person == person, identities.c.kind == LOGIN)
            await conn.execute(identities.update().where(*mine).values(person=target))
            moved = await _hand_over(conn, person, target, draft, now)
            # A start that this person asked for a moment ago finds nobody to own its pod, and fails.
            await conn.execute(people.delete().where(people.c.id == person))
            row = (await conn.execute(select(people).where(people.c.id == target))).mappings().one()
        return Person(id=row["id"], workspace=row["workspace"], name=row["name"], role=row["role"]), moved


async def _met(conn: AsyncConnection, workspace: str, external: str) -> Met | None:
    slack = select(identities.c.external).where(identities.c.person == people.c.id, identities.c.kind == "slack")
    mine = select(identities.c.person).where(
        identities.c.workspace == workspace, identities.c.kind == LOGIN, identities.c.external == external
    )
    query = (
        select(people.c.id, people.c.workspace, people.c.name, people.c.role)
        .add_columns(slack.order_by(identities.c.external).limit(1).scalar_subquery().label("slack"))
        .where(people.c.id.in_(mine))
    )
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    return Person(id=row.id, workspace=row.workspace, name=row.name, role=row.role), row.slack


async def _hand_over(conn: AsyncConnection, person: str, target: str, draft: Draft, now: datetime) -> Mapping[str, int]:
    live = select(pods.c.id, pods.c.workspace, pods.c.run, pods.c.status)
    live = live.where(pods.c.owner == person, pods.c.status != Status.TERMINATED).order_by(pods.c.created_at, pods.c.id)
    theirs = (await conn.execute(live)).all()
    counts: dict[str, int] = {}
    owners = (pods.c.owner, volumes.c.owner, templates.c.owner, tokens.c.person)
    for table, owner in zip((pods, volumes, templates, tokens), owners, strict=True):
        moved = await conn.execute(table.update().where(owner == person).values({owner: target}))
        counts[table.name] = moved.rowcount
    # A yes was the former person's, to what was theirs: it is asked for again.
    await conn.execute(confirmations.delete().where(confirmations.c.person == person))
    for pod in theirs:
        await write_event(
            conn, draft, at=now, pod_id=pod.id, workspace=pod.workspace, run=pod.run, status=Status(pod.status)
        )
    return counts | {"pods": len(theirs)}
