"""Rows in, frozen models out: the only room that speaks SQL."""

from core.store.store import Store

__all__ = ["Store"]
