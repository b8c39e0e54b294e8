"""What a face must know again after a restart, in its own words."""

from collections.abc import Mapping

from core.store import Store


class Notes:
    """Short texts by key, each face's apart. Only PodErrors come out."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self, face: str, prefix: str = "") -> Mapping[str, str]:
        """Key -> text, of the keys that begin so."""
        return await self._store.notes(face, prefix)

    async def put(self, face: str, key: str, text: str) -> None:
        """Remember it in place of the former."""
        await self._store.write_note(face, key, text)

    async def drop(self, face: str, key: str) -> None:
        """What is not there is dropped already."""
        await self._store.write_note(face, key, None)
