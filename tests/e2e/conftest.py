"""A place for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.parts import Place


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """An empty place; what its houses leave on the engine is removed at the end."""
    made = Place()
    try:
        yield made
    finally:
        await made.close()
