"""The nouns: frozen models that every room reads and none can change in place."""

from core.model.base import POD_LABEL, Frozen, registry_of, route_key
from core.model.events import Draft, Event, Line, Progress, Stage, Update, text_of
from core.model.ledger import Run
from core.model.people import Caller, Confirmation, Role, Scope, Token
from core.model.pod import HOLDS_COMPUTE, UNDER_WAY, Action, Cause, Pod, Status, Upstream
from core.model.spec import (
    BusyAbove,
    Gpu,
    GpuRequest,
    IdleAction,
    IdleRule,
    Ignore,
    PodSpec,
    Port,
    PortModel,
    Ready,
    Wake,
)
from core.model.stock import Credential, Registry, SavedTemplate, Template, Volume
from core.model.traffic import PortTraffic, Reading, Traffic

__all__ = [
    "HOLDS_COMPUTE",
    "POD_LABEL",
    "UNDER_WAY",
    "Action",
    "BusyAbove",
    "Caller",
    "Cause",
    "Confirmation",
    "Credential",
    "Draft",
    "Event",
    "Frozen",
    "Gpu",
    "GpuRequest",
    "IdleAction",
    "IdleRule",
    "Ignore",
    "Line",
    "Pod",
    "PodSpec",
    "Port",
    "PortModel",
    "PortTraffic",
    "Progress",
    "Reading",
    "Ready",
    "Registry",
    "Role",
    "Run",
    "SavedTemplate",
    "Scope",
    "Stage",
    "Status",
    "Template",
    "Token",
    "Traffic",
    "Update",
    "Upstream",
    "Volume",
    "Wake",
    "registry_of",
    "route_key",
    "text_of",
]
