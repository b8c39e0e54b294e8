"""Names of pods in the store: another one for a pod that is there."""

from datetime import datetime

from sqlalchemy import select

from core.errors import Conflict
from core.model import Draft, Pod
from core.store.rows import POD, Topic, pod_of, write_event
from core.store.tables import LIVE, pods
from core.store.whole import whole
from core.units import shorten


class Names(Topic):
    """The part of the store that gives pods another name."""

    @whole
    async def rename(self, pod_id: str, name: str, draft: Draft, now: datetime) -> Pod | None:
        """Call a pod something else, with its event; None when it is TERMINATED or there is none.

        Conflict when another pod of the workspace that is not TERMINATED has that name; says whose.
        """
        async with self._db.write() as conn:
            found = (await conn.execute(select(*POD).where(pods.c.id == pod_id, LIVE))).one_or_none()
            if found is None:
                return None
            pod = pod_of(found)
            # Nobody writes between this and the next, so the index that keeps names unique is never hit.
            others = select(*POD).where(
                pods.c.workspace == pod.workspace, pods.c.name == name, pods.c.id != pod_id, LIVE
            )
            other = (await conn.execute(others)).one_or_none()
            if other is not None:
                holder = pod_of(other)
                raise Conflict(
                    f"The name {shorten(name)!r} is taken by a pod of {holder.owner_name} ({holder.status}). Nothing "
                    "was changed: choose another name."
                )
            await conn.execute(pods.update().where(pods.c.id == pod_id).values(name=name))
            renamed = pod.model_copy(update={"name": name})
            await write_event(
                conn,
                draft,
                at=now,
                pod_id=pod_id,
                workspace=pod.workspace,
                run=pod.run,
                status=pod.status,
            )
            return renamed
