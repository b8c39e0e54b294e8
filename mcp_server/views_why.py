"""What pod_why gives back: the sentence, and the evidence behind it as data."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from core.service import Why
from mcp_server.views import Moment, View


class PortUse(BaseModel):
    """What the last look saw on one port; counts are since the tick before it."""

    model_config = ConfigDict(from_attributes=True)

    port: int
    in_use: bool
    missing: bool
    in_flight: int
    in_flight_since: Moment | None
    stalled: bool
    succeeded: int
    failed: int
    ignored: int
    answered_at: Moment | None
    open: int
    open_since: Moment | None
    moved: int


class ShareUse(BaseModel):
    """A share of what the pod was given, and from where on it counts."""

    model_config = ConfigDict(from_attributes=True)

    what: str
    in_use: bool
    share: float | None
    above: float


class WhyView(View):
    """How it is with a pod's use."""

    id: str
    name: str
    status: str
    text: str = Field(description="All of it, for the user")
    decision: str | None = Field(description="keep, warn or stop; null: it does not run")
    reason: str | None
    deadline: Moment | None = Field(description="When it ends unless used; null: not")
    warn_at: Moment | None
    action: str | None = Field(description="At the deadline: stop, terminate or notify")
    by_lifetime: bool = Field(description="Use and pod_keep do not move the deadline")
    in_use: bool | None
    missing: list[str] = Field(description="Witnesses that cannot be heard")
    missing_since: Moment | None
    heartbeat: bool
    ports: list[PortUse]
    usage: list[ShareUse]
    last_active_at: Moment | None
    keep_until: Moment | None
    kept_by: str | None

    @classmethod
    def of(cls, why: Why) -> Self:
        """As the service found it."""
        pod, decided = why.pod, why.verdict
        evidence = decided.evidence if decided is not None else None
        return cls(
            id=pod.id,
            name=pod.name,
            status=pod.status,
            text=why.text,
            decision=decided.decision if decided is not None else None,
            reason=decided.reason if decided is not None else pod.reason,
            deadline=decided.deadline if decided is not None else None,
            warn_at=decided.warn_at if decided is not None else None,
            action=decided.action if decided is not None else None,
            by_lifetime=decided is not None and decided.by_lifetime,
            in_use=evidence.in_use if evidence is not None else None,
            missing=list(evidence.missing) if evidence is not None else [],
            missing_since=evidence.missing_since if evidence is not None else None,
            heartbeat=evidence is not None and evidence.heartbeat,
            ports=[PortUse.model_validate(port) for port in evidence.ports] if evidence is not None else [],
            usage=[ShareUse.model_validate(share) for share in evidence.usage] if evidence is not None else [],
            last_active_at=pod.last_active_at,
            keep_until=pod.keep_until,
            kept_by=pod.kept_by,
        )

    def brief(self) -> str:
        """The sentence: everything in the data is in it."""
        return f"{self.name}: {self.text}"
