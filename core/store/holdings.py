"""Claims and counters in the store: what a pod holds for itself alone, and what was last counted on its ports."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from sqlalchemy import select

from core.errors import Conflict
from core.model import PortTraffic, Status, Traffic
from core.store.rows import Topic
from core.store.tables import claims, pods
from core.store.tables import traffic as readings
from core.store.whole import whole
from core.units import shorten


class Claims(Topic):
    """Exclusive things: addresses, GPUs."""

    @whole
    async def claim(self, pod_id: str, kind: str, candidates: Iterable[str], count: int) -> tuple[str, ...] | None:
        """The first `count` free candidates of `kind` (`address`, `gpu`), now held by the pod; None when too few.

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
    """What was counted at the last look."""

    @whole
    async def save_traffic(self, run_of: Mapping[str, int], traffic: Traffic) -> None:
        """Remember this reading for the keys in `run_of` (pod port -> run); only rows that changed are written.

        What is not in the reading stays as it was.
        """
        new = {
            key: (run_of[key], traffic.generation, reading)
            for key, reading in sorted(traffic.ports.items())
            if key in run_of
        }
        known = await self._readings()
        rows = [
            {"key": key, "run": run, "generation": generation, "reading": reading}
            for key, (run, generation, reading) in new.items()
            if known.get(key) != (run, generation, reading)
        ]
        if not rows:
            return
        put = self._db.insert(readings)
        fresh = {name: put.excluded[name] for name in ("run", "generation", "reading")}
        async with self._db.write() as conn:
            await conn.execute(put.on_conflict_do_update(index_elements=[readings.c.key], set_=fresh), rows)

    @whole
    async def seen_traffic(self) -> Mapping[str, tuple[str, PortTraffic]]:
        """Pod port -> generation and reading of the last look that had it."""
        return {key: (generation, reading) for key, (_, generation, reading) in (await self._readings()).items()}

    @whole
    async def forget_traffic(self, keys: Collection[str]) -> None:
        """Drop what was counted on these pod ports, of pods that ended. What is not there is forgotten already."""
        if keys:
            async with self._db.write() as conn:
                await conn.execute(readings.delete().where(readings.c.key.in_(keys)))

    async def _readings(self) -> dict[str, tuple[int, str, PortTraffic]]:
        async with self._db.read() as conn:
            return {row.key: (row.run, row.generation, row.reading) for row in await conn.execute(select(readings))}


def _free(candidates: Iterable[str], taken: set[str]) -> Iterator[str]:
    """Those that nobody holds, each once; no further than asked for, since a network has thousands of addresses."""
    for value in candidates:
        if value not in taken:
            taken.add(value)
            yield value
