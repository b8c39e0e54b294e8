"""Standing messages: what was written to an owner and asks for something, until it is settled."""

from bot.post import Posted


class Standing:
    """One message for each pod: a warning, a notice, a proposal. Edited and let go once it is no longer true.

    In memory only: after a restart such a message is left as it is (its buttons say the truth when they are pressed),
    and what would have been written into it comes as a new one.
    """

    def __init__(self) -> None:
        self._posted: dict[str, Posted] = {}
        self._missed: set[str] = set()

    def put(self, pod_id: str, posted: Posted) -> None:
        """This one stands from now on."""
        self._posted[pod_id] = posted
        self._missed.discard(pod_id)

    def get(self, pod_id: str) -> Posted | None:
        """The one that stands."""
        return self._posted.get(pod_id)

    def settle(self, pod_id: str) -> None:
        """None stands any more."""
        self._posted.pop(pod_id, None)
        self._missed.discard(pod_id)

    def miss(self, pod_id: str) -> None:
        """One was not worth sending any more, so that its end is not either."""
        self._missed.add(pod_id)

    def missed(self, pod_id: str) -> bool:
        """Nobody was told of what ends now."""
        return pod_id in self._missed
