"""The counter of the house: the services that a face is handed."""

from dataclasses import dataclass

from core.service.people import People
from core.service.pods import PodService
from core.service.registries import Registries
from core.service.volumes import Volumes
from core.templates import Catalog


@dataclass(frozen=True)
class Services:
    """All that a face needs; a face builds none of it and reaches behind none of it."""

    pods: PodService
    volumes: Volumes
    registries: Registries
    people: People
    templates: Catalog
