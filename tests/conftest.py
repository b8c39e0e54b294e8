"""Fixtures that every test may use."""

pytest_plugins = ["tests.parts", "tests.postgres", "tests.stores", "tests.houses"]
