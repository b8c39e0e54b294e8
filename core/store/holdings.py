"""Claims and counters in the store: what a pod holds for itself alone, and what was last counted on its ports."""

from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import Conflict
from core.model import Reading, Status
from core.store.rows import Topic
from core.store.tables import claims, pods
from core.store.tables import traffic as table
from core.store.whole import whole
from core.units import shorten


class Claims(Topic):
    """Exclusive things: addresses, GPUs, TCP ports of the gateway."""

    @whole
    async def claim(self, pod_id: str, kind: str, candidates: Iterable[str], count: int) -> tuple[str, ...] | None:
        """The first `count` free candidates of a kind (`address`, `gpu`, `tcp`), now held by the pod; None if too few.

        All it already holds of that kind are given back first. Conflict when the pod is at rest (EXITED, ERROR,
        TERMINATED) or gone: whoever asks has lost a race, and nobody would give the things back.
        """
        async with self._db.write() as conn:
            status = (await conn.execute(select(pods.c.status).where(pods.c.id == pod_id))).scalar_one_or_none()
            if status is None or not Status(status).holds_compute:
                raise Conflict(
                    f"Pod {shorten(pod_id)} is {status or 'not there'}: it can hold no {kind} now. Nothing was taken."
                )
            await conn.execute(claims.delete().where(claims.c.pod_id == pod_id, claims.c.kind == kind))
            taken = set((await conn.execute(select(claims.c.value).where(claims.c.kind == kind))).scalars())
            chosen = tuple(islice(_free(candidates, taken), count))
            if len(chosen) < count:
                return None
            if chosen:
                rows = [{"kind": kind, "value": value, "pod_id": pod_id} for value in chosen]
                await conn.execute(claims.insert(), rows)
            return chosen

    @whole
    async def claimed(self, kind: str) -> Mapping[str, str]:
        """Value -> pod id."""
        async with self._db.read() as conn:
            rows = await conn.execute(select(claims.c.value, claims.c.pod_id).where(claims.c.kind == kind))
            return {row.value: row.pod_id for row in rows}


class Counters(Topic):
    """What is remembered of pod ports from look to look.

    Kept in memory as well: only the process that leads reads and writes it, each tick.
    """

    _known: dict[str, Reading] | None = None

    @whole
    async def save_readings(self, readings: Mapping[str, Reading]) -> None:
        """Remember these, by pod port; only what differs from what is known is written, the rest stays as it was."""
        known = await self._readings()
        changed = {key: reading for key, reading in sorted(readings.items()) if known.get(key) != reading}
        if not changed:
            return
        put = self._db.insert(table)
        fresh = put.on_conflict_do_update(index_elements=[table.c.key], set_={"reading": put.excluded.reading})
        async with self._writing() as conn:
            await conn.execute(fresh, [{"key": key, "reading": reading} for key, reading in changed.items()])
        known.update(changed)

    @whole
    async def readings(self) -> Mapping[str, Reading]:
        """Pod port -> what is remembered of it."""
        return dict(await self._readings())

    @whole
    async def forget_readings(self, keys: Collection[str]) -> None:
        """Drop these pod ports, of pods that ended. What is not there is forgotten already."""
        if not keys:
            return
        known = await self._readings()
        async with self._writing() as conn:
            await conn.execute(table.delete().where(table.c.key.in_(keys)))
        for key in keys:
            known.pop(key, None)

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[AsyncConnection]:
        """Whether a transaction that broke was written nobody knows, so then the table is read anew."""
        try:
            async with self._db.write() as conn:
                yield conn
        except BaseException:
            self._known = None
            raise

    async def _readings(self) -> dict[str, Reading]:
        if self._known is None:
            async with self._db.read() as conn:
                self._known = {row.key: row.reading for row in await conn.execute(select(table))}
        return self._known


def _free(candidates: Iterable[str], taken: set[str]) -> Iterator[str]:
    """Those that nobody holds, each once; no further than asked for, since a network has thousands of addresses."""
    for value in candidates:
        if value not in taken:
            taken.add(value)
            yield value
