"""Network volumes in the store: the rows; their storage is the engine's."""

from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import Conflict
from core.model import Volume
from core.store.pods import no_volume
from core.store.rows import Topic
from core.store.tables import LIVE, people, pods, volumes
from core.store.whole import whole
from core.units import shorten


class Volumes(Topic):
    """Network volumes: the rows; their storage is the engine's."""

    @whole
    async def add_volume(self, volume: Volume) -> Volume:
        """Insert a network volume, with the id it brings (so that one whose removal failed can be put back).

        Conflict when the workspace has one of that name.
        """
        row = volume.model_dump(exclude={"attached_to", "owner_name"})
        put = (
            self._db.insert(volumes)
            .values(row)
            .on_conflict_do_nothing(index_elements=[volumes.c.workspace, volumes.c.name])
        )
        async with self._db.write() as conn:
            if (await conn.execute(put.returning(volumes.c.id))).one_or_none() is None:
                raise Conflict(
                    f"There is a network volume {shorten(volume.name)!r} already. Nothing was created: choose another "
                    "name, or use that one."
                )
            return next(made for made in await _volumes(conn, volume.workspace) if made.id == volume.id)

    @whole
    async def volumes(self, workspace: str) -> tuple[Volume, ...]:
        """By name, with the pods that name them."""
        async with self._db.read() as conn:
            return await _volumes(conn, workspace)

    @whole
    async def rename_volume(self, volume: Volume, name: str) -> Volume:
        """Call it that. Conflict when another is called so, NotFound when it is gone."""
        async with self._db.write() as conn:
            there = await _volumes(conn, volume.workspace)
            if any(one.name == name and one.id != volume.id for one in there):
                raise Conflict(
                    f"There is a network volume {shorten(name)!r} already. Nothing was changed: choose another name."
                )
            return await _changed(conn, volume, {"name": name})

    @whole
    async def grow_volume(self, volume: Volume, size: int) -> Volume:
        """So many bytes from now on, or more where somebody was faster. NotFound when it is gone."""
        async with self._db.write() as conn:
            larger = case((func.coalesce(volumes.c.size, 0) < size, size), else_=volumes.c.size)
            return await _changed(conn, volume, {"size": larger})

    @whole
    async def remove_volume(self, workspace: str, volume_id: str) -> Volume:
        """Remove the row of the volume with this id or name, and return it; its storage is still there.

        NotFound lists what there is; Conflict names the pods that still use it.
        """
        async with self._db.write() as conn:
            there = await _volumes(conn, workspace)
            # An id is meant before a name: nobody can be tricked by a volume that is called like another's id.
            named = [v for v in there if v.id == volume_id] or [v for v in there if v.name == volume_id]
            if not named:
                raise no_volume(volume_id, [v.name for v in there], "Nothing was deleted")
            volume = named[0]
            if volume.attached_to:
                by_name = sorted(volume.attached_to.items(), key=lambda pod: pod[1])
                users = ", ".join(f"{name} ({pod_id})" for pod_id, name in by_name)
                raise Conflict(
                    f"The network volume {volume.name} is used by {users}. Nothing was deleted: terminate what uses it "
                    "first; a terminated pod leaves the data on the volume."
                )
            await conn.execute(volumes.delete().where(volumes.c.id == volume.id))
            return volume


async def _changed(conn: AsyncConnection, volume: Volume, values: dict[str, Any]) -> Volume:
    row = volumes.update().where(volumes.c.workspace == volume.workspace, volumes.c.id == volume.id)
    await conn.execute(row.values(values))
    there = await _volumes(conn, volume.workspace)
    found = next((one for one in there if one.id == volume.id), None)
    if found is None:
        raise no_volume(volume.id, [one.name for one in there], "Nothing was changed")
    return found


async def _volumes(conn: AsyncConnection, workspace: str) -> tuple[Volume, ...]:
    users: dict[str, dict[str, str]] = {}
    attached = select(pods.c.network_volume, pods.c.id, pods.c.name).where(pods.c.network_volume.is_not(None), LIVE)
    for row in await conn.execute(attached.order_by(pods.c.created_at, pods.c.id)):
        users.setdefault(row.network_volume, {})[row.id] = row.name
    query = (
        select(volumes, people.c.name.label("owner_name"))
        .join(people, people.c.id == volumes.c.owner)
        .where(volumes.c.workspace == workspace)
        .order_by(volumes.c.name)
    )
    return tuple(
        Volume.model_validate({**row, "attached_to": users.get(row["id"], {})})
        for row in (await conn.execute(query)).mappings()
    )
