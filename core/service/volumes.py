"""Network volumes: storage that outlives the pods that mount it."""

import secrets
from collections.abc import Callable
from datetime import datetime

from core.engines.base import Engine
from core.errors import Forbidden, InvalidInput, NotFound, PodError
from core.model import Caller, Role, Volume
from core.policy import check_name, may_change
from core.store import Store
from core.store.whole import whole
from core.units import format_bytes, parse_bytes, shorten

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class Volumes:
    """Create, list, change and delete; a volume in use cannot be deleted."""

    def __init__(self, store: Store, engine: Engine, now: Callable[[], datetime]) -> None:
        self._store = store
        self._engine = engine
        self._now = now

    @whole
    async def create(self, caller: Caller, name: str, size: str | None = None) -> Volume:
        """Make a volume; Conflict when the name is taken. `size` is recorded (`20g`); no engine enforces it yet."""
        may_change(caller)
        volume = Volume(
            id="".join(secrets.choice(ALPHABET) for _ in range(10)),
            workspace=caller.workspace,
            name=check_name(name),
            owner=caller.person,
            owner_name=caller.name,
            size=parse_bytes(size, "size") if size is not None else None,
            created_at=self._now(),
        )
        await self._engine.check()
        await self._store.add_volume(volume)
        try:
            await self._engine.create_volume(volume)
        except PodError:
            await self._store.remove_volume(caller.workspace, volume.id)
            raise
        return volume

    async def list(self, caller: Caller) -> tuple[Volume, ...]:
        """All volumes of the workspace, with the pods that mount them."""
        return await self._store.volumes(caller.workspace)

    async def get(self, caller: Caller, reference: str) -> Volume:
        """By name or id; NotFound lists what there is."""
        volumes = await self._store.volumes(caller.workspace)
        # An id is meant before a name: nobody can be tricked by a volume that is called like another's id.
        named = [v for v in volumes if v.id == reference] or [v for v in volumes if v.name == reference]
        if named:
            return named[0]
        known = ", ".join(v.name for v in volumes) or "there is none yet"
        raise NotFound(f"No network volume {shorten(reference)!r} (there are: {known}).")

    async def own(self, caller: Caller, reference: str) -> Volume:
        """The volume, if the caller may change and delete it: NotFound or Forbidden says why not."""
        may_change(caller)
        volume = await self.get(caller, reference)
        if caller.role is not Role.ADMIN and volume.owner != caller.person:
            raise Forbidden(f"{volume.name} belongs to {volume.owner_name}. Ask them, or an admin.")
        return volume

    @whole
    async def change(
        self, caller: Caller, reference: str, *, name: str | None = None, size: str | None = None
    ) -> Volume:
        """Call it something else, or make it larger; None leaves it.

        InvalidInput: no such name, or less than it has; Conflict: the name is taken; Forbidden for somebody else's.
        """
        volume = await self.own(caller, reference)
        wanted = parse_bytes(size, "size") if size is not None else volume.size
        if wanted is not None and wanted < (volume.size or 0):
            raise InvalidInput(
                f"size: {volume.name} has {format_bytes(volume.size or 0)}, and a network volume never gets smaller. "
                "Nothing was changed."
            )
        # The name first: a size that was paid for cannot be given back.
        if name is not None and check_name(name) != volume.name:
            volume = await self._store.rename_volume(volume, name)
        if wanted is None or wanted == volume.size:
            return volume
        await self._engine.grow_volume(volume.model_copy(update={"size": wanted}))
        return await self._store.grow_volume(volume, wanted)

    @whole
    async def delete(self, caller: Caller, reference: str) -> Volume:
        """Delete a volume with its data, for good; Conflict while a pod has it, Forbidden for somebody else's."""
        volume = await self.own(caller, reference)
        removed = await self._store.remove_volume(caller.workspace, volume.id)
        try:
            await self._engine.delete_volume(removed)
        except PodError:
            await self._store.add_volume(removed)
            raise
        return removed
