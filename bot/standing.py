"""Standing messages: what was written to an owner and asks for something, until it is settled."""

from bot.post import Posted
from core.service import Notes

FACE = "slack"
"""Whose notes these are."""


class Standing:
    """One message for each pod: a warning, a notice, a proposal. Edited and let go once it is no longer true.

    Noted in the store, so that after a restart it is still known which message says what is true no longer.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def put(self, pod_id: str, posted: Posted, event: int) -> None:
        """This one stands from now on; it tells of the event of this number."""
        await self._notes.put(FACE, _key(pod_id), f"{event} {posted}")

    async def tells(self, pod_id: str, event: int) -> bool:
        """The one that stands tells of this event: a process that ended too early to say so has sent it."""
        return (await self._noted(pod_id) or "").partition(" ")[0] == str(event)

    async def get(self, pod_id: str) -> Posted | None:
        """The one that stands."""
        noted = await self._noted(pod_id)
        return Posted.of(noted.partition(" ")[2]) if noted else None

    async def settle(self, pod_id: str) -> None:
        """None stands any more."""
        await self._notes.drop(FACE, _key(pod_id))

    async def miss(self, pod_id: str) -> None:
        """One was not worth sending any more, so that its end is not either; what stood before it stands on."""
        if await self.get(pod_id) is None:
            await self._notes.put(FACE, _key(pod_id), "")

    async def missed(self, pod_id: str) -> bool:
        """Nobody was told of what ends now."""
        return await self._noted(pod_id) == ""

    async def _noted(self, pod_id: str) -> str | None:
        return (await self._notes.all(FACE, _key(pod_id))).get(_key(pod_id))


def _key(pod_id: str) -> str:
    return f"standing {pod_id}"
