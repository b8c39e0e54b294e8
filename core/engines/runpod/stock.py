"""Network volumes and registry credentials at RunPod, found by the marks in their names."""

import asyncio
import hashlib
import math

from core.engines.runpod.account import Account, Pace
from core.engines.runpod.client import Api
from core.engines.runpod.marks import Marks
from core.engines.runpod.problems import Undecided
from core.engines.runpod.shapes import Named, read, read_list
from core.errors import Conflict, InvalidInput, PodFailed
from core.model import Credential, Volume

GB = 1024**3
_SMALLEST, _LARGEST = 10, 4096


class Stock:
    """What pods are given besides compute."""

    def __init__(self, api: Api, account: Account, marks: Marks, pace: Pace) -> None:
        self._api = api
        self._account = account
        self._marks = marks
        self._pace = pace
        self._making = asyncio.Lock()

    async def volume(self, volume_id: str) -> str:
        """RunPod's id of a network volume; PodFailed when it is gone there."""
        found = await self._volumes(volume_id)
        if not found:
            raise PodFailed("The pod's network volume is gone at RunPod, with its data. Create a new volume.")
        return found[0].id

    async def make_volume(self, volume: Volume) -> None:
        """As `Engine.create_volume`."""
        if not self._account.data_centers:
            raise InvalidInput(
                "RunPod keeps a network volume in one data center. Name it in RUNPOD_DATA_CENTERS, e.g. EU-RO-1. "
                "Nothing was created."
            )
        size = _size(volume)
        async with self._making:
            if await self._volumes(volume.id):
                return
            name, place = self._marks.name(volume.name, volume.id), self._account.data_centers[0]
            try:
                await self._api.post("network-volumes", {"name": name, "size": size, "dataCenter": place})
            except Undecided:
                await asyncio.sleep(self._pace.looks)
                if not await self._volumes(volume.id):
                    raise

    async def grow_volume(self, volume: Volume) -> None:
        """As `Engine.grow_volume`."""
        await self._api.patch(f"network-volumes/{await self.volume(volume.id)}", {"size": _size(volume)})

    async def drop_volume(self, volume: Volume) -> None:
        """As `Engine.delete_volume`."""
        for found in await self._volumes(volume.id):
            try:
                await self._api.delete(f"network-volumes/{found.id}")
            except (Conflict, InvalidInput) as error:
                raise Conflict(
                    f"RunPod keeps the volume {volume.name}: {error} It is still mounted by a pod, perhaps. "
                    "Terminate the pods that use it, then try again."
                ) from None

    async def registry(self, credential: Credential) -> str:
        """RunPod's id of a registry credential, stored there under a name that says which one it is."""
        said = f"{credential.host}\n{credential.username}\n{credential.secret}"
        name = f"pk-{self._marks.installation}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
        async with self._making:
            known = read_list(Named, await self._api.get("registries"), "registries")
            found = next((one for one in known if one.name == name), None)
            if found is None:
                body = {"name": name, "username": credential.username, "password": credential.secret}
                found = read(Named, await self._api.post("registries", body))
            return found.id

    async def _volumes(self, volume_id: str) -> list[Named]:
        known = read_list(Named, await self._api.get("network-volumes"), "networkVolumes")
        return [one for one in known if self._marks.of_name(one.name) == volume_id]


def _size(volume: Volume) -> int:
    """In GB."""
    size = math.ceil((volume.size or 0) / GB)
    if not _SMALLEST <= size <= _LARGEST:
        raise InvalidInput(
            f"size: RunPod's network volumes have {_SMALLEST} to {_LARGEST} GB; give a size such as 20g. "
            "Nothing was created and nothing more is charged."
        )
    return size
