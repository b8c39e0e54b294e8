"""The one door: what every face may ask of the core."""

from core.engines.base import Usage
from core.engines.offers import Availability, CpuOffer, GpuOffer
from core.service.adopting import Adopting, Offer
from core.service.confirmations import Confirmations
from core.service.costs import Bill, Costs, PodShare, Share
from core.service.door import Services
from core.service.inventory import Inventory
from core.service.keeping import Keeping, Why
from core.service.logins import Linked, Logins
from core.service.looking import PortUrl
from core.service.notes import Notes
from core.service.people import People
from core.service.pods import PodService
from core.service.ports import Ports
from core.service.registries import Registries
from core.service.request import SpecRequest, StartRequest
from core.service.shares import Shares
from core.service.templates import Templates
from core.service.tokens import Tokens
from core.service.volumes import Volumes
from core.service.waking import Sleeper, Stride, TooOften, Waking

__all__ = [
    "Adopting",
    "Availability",
    "Bill",
    "Confirmations",
    "Costs",
    "CpuOffer",
    "GpuOffer",
    "Inventory",
    "Keeping",
    "Linked",
    "Logins",
    "Notes",
    "Offer",
    "People",
    "PodService",
    "PodShare",
    "PortUrl",
    "Ports",
    "Registries",
    "Services",
    "Share",
    "Shares",
    "Sleeper",
    "SpecRequest",
    "StartRequest",
    "Stride",
    "Templates",
    "Tokens",
    "TooOften",
    "Usage",
    "Volumes",
    "Waking",
    "Why",
]
