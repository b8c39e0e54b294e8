"""Templates: recipes for pods, one YAML file each."""

from core.templates.catalog import Catalog

__all__ = ["Catalog"]
