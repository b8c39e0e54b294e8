"""The one door: what every face may ask of the core."""

from core.service.door import Services
from core.service.people import People
from core.service.pods import PodService, PortUrl
from core.service.registries import Registries
from core.service.request import StartRequest
from core.service.volumes import Volumes

__all__ = ["People", "PodService", "PortUrl", "Registries", "Services", "StartRequest", "Volumes"]
