"""What pods took: each run of a pod, and what a time of it costs."""

from datetime import datetime, timedelta

from core.model.base import Frozen
from core.model.pod import Cause


class Run(Frozen):
    """One run of one pod, from the request for it to its end."""

    pod_id: str
    run: int
    name: str
    """The pod's."""
    owner: str
    """Person id."""
    owner_name: str
    template: str
    price_per_hour: float | None
    """In US dollars, as the template says; None where it says nothing."""
    started_at: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    """None: it goes on."""
    cause: Cause | None = None
    """What ended it."""
    gone_at: datetime | None = None
    """When its pod was terminated; None: it was not."""
    max_lifetime: timedelta | None = None
    """When it is ended, whatever its traffic; None: never."""

    @property
    def unused(self) -> bool:
        """It was ended because nobody used it, and not for its lifetime."""
        if self.cause is not Cause.IDLE or self.ended_at is None:
            return False
        return self.max_lifetime is None or self.ended_at - self.started_at < self.max_lifetime

    def within(self, since: datetime, until: datetime) -> timedelta:
        """How much of it lies between the two."""
        return max(timedelta(), min(self.ended_at or until, until) - max(self.started_at, since))
