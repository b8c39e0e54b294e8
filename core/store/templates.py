"""Saved templates in the store."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import Conflict, QuotaExceeded
from core.model import SavedTemplate
from core.store.rows import Topic
from core.store.tables import people, templates
from core.store.whole import whole
from core.units import shorten

MOST = 500
"""Of one workspace."""


class Templates(Topic):
    """The templates' part of the store."""

    @whole
    async def saved_templates(self, workspace: str) -> tuple[SavedTemplate, ...]:
        """By name."""
        query = (
            select(templates, people.c.name.label("owner_name"))
            .join(people, people.c.id == templates.c.owner)
            .where(templates.c.workspace == workspace)
            .order_by(templates.c.name)
        )
        async with self._db.read() as conn:
            return tuple(SavedTemplate.model_validate(dict(row)) for row in (await conn.execute(query)).mappings())

    @whole
    async def add_template(self, saved: SavedTemplate) -> None:
        """Conflict when the workspace has saved one of that name, QuotaExceeded when it has saved `MOST`."""
        mine = select(func.count()).where(templates.c.workspace == saved.workspace)
        async with self._db.write() as conn:
            if (await conn.execute(mine)).scalar_one() >= MOST:
                raise QuotaExceeded(f"{MOST} templates are saved here already. Nothing was saved: delete some first.")
            await _free(conn, saved)
            await conn.execute(templates.insert().values(saved.model_dump(exclude={"owner_name"})))

    @whole
    async def change_template(self, before: SavedTemplate, saved: SavedTemplate) -> bool:
        """Write its name, what it says and its labels; False: it is gone, or no more as it was `before`.

        Conflict when another has that name.
        """
        values = saved.model_dump(include={"name", "said", "labels"})
        mine = (templates.c.id == saved.id, templates.c.workspace == saved.workspace)
        async with self._db.write() as conn:
            columns = (templates.c[name] for name in values)
            now = (await conn.execute(select(*columns).where(*mine))).mappings().one_or_none()
            if now is None or dict(now) != before.model_dump(include=set(values)):
                return False
            await _free(conn, saved)
            await conn.execute(templates.update().where(*mine).values(values))
            return True

    @whole
    async def remove_template(self, workspace: str, template_id: str) -> bool:
        """Forget it; False: there is none of that id."""
        gone = templates.delete().where(templates.c.id == template_id, templates.c.workspace == workspace)
        async with self._db.write() as conn:
            return (await conn.execute(gone.returning(templates.c.id))).one_or_none() is not None


async def _free(conn: AsyncConnection, saved: SavedTemplate) -> None:
    """Writers come one at a time, so nobody takes the name between this and the commit."""
    others = select(templates.c.id).where(
        templates.c.workspace == saved.workspace, templates.c.name == saved.name, templates.c.id != saved.id
    )
    if (await conn.execute(others)).one_or_none() is not None:
        raise Conflict(
            f"There is a saved template {shorten(saved.name)!r} already. Nothing was saved: choose another name, or "
            "change that one."
        )
