"""Places: where in Slack a pod is talked about, and where its owner wants to be told of it."""

from typing import Literal

from bot.post import Posted
from bot.standing import FACE
from core.service import Notes

Where = Literal["direct", "thread"]


class Places:
    """Noted in the store, so that a restart forgets none of it."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def begin(self, pod_id: str, posted: Posted) -> None:
        """A start of it is told by this message."""
        if posted.direct:
            await self._notes.drop(FACE, f"begun {pod_id}")
        else:
            await self._notes.put(FACE, f"begun {pod_id}", str(posted))

    async def begun(self, pod_id: str) -> Posted | None:
        """The message that tells of its last start, where that is in a channel."""
        return await self._place(f"begun {pod_id}")

    async def end(self, pod_id: str, posted: Posted) -> None:
        """That nobody used it is told by this message."""
        await self._notes.put(FACE, f"ended {pod_id}", str(posted))

    async def runs(self, pod_id: str) -> None:
        """Its last end is over."""
        await self._notes.drop(FACE, f"ended {pod_id}")

    async def ended(self, pod_id: str) -> Posted | None:
        """The message that tells of its last end for silence."""
        return await self._place(f"ended {pod_id}")

    async def forget(self, pod_id: str) -> None:
        """It is no more."""
        for key in (f"begun {pod_id}", f"ended {pod_id}"):
            await self._notes.drop(FACE, key)

    async def wish(self, user: str, where: Where) -> None:
        """From now on somebody is told of their pods there."""
        await self._notes.put(FACE, _wish(user), where)

    async def wished(self, user: str) -> Where:
        """Where they want to be told; directly, unless they said otherwise."""
        noted = (await self._notes.all(FACE, _wish(user))).get(_wish(user))
        return "thread" if noted == "thread" else "direct"

    async def _place(self, key: str) -> Posted | None:
        noted = (await self._notes.all(FACE, key)).get(key)
        return Posted.of(noted) if noted else None


def _wish(user: str) -> str:
    return f"notices {user}"
