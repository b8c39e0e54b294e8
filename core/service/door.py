"""The counter of the house: the services that a face is handed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from core.service.confirmations import Confirmations
from core.service.costs import Costs
from core.service.inventory import Inventory
from core.service.keeping import Keeping
from core.service.logins import Logins
from core.service.notes import Notes
from core.service.people import People
from core.service.pods import PodService
from core.service.ports import Ports
from core.service.registries import Registries
from core.service.shares import Shares
from core.service.templates import Templates
from core.service.tokens import Tokens
from core.service.volumes import Volumes
from core.service.waking import Waking


@dataclass(frozen=True)
class Services:
    """All that a face needs; a face builds none of it and reaches behind none of it."""

    pods: PodService
    keeping: Keeping
    costs: Costs
    confirmations: Confirmations
    ports: Ports
    shares: Shares
    inventory: Inventory
    waking: Waking
    volumes: Volumes
    registries: Registries
    people: People
    tokens: Tokens
    logins: Logins
    notes: Notes
    templates: Templates
    now: Callable[[], datetime]
    """The clock of the house: what a face tells of time is told by the clock that decides."""
