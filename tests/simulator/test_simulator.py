"""A minute of the simulator: small worlds made by hypothesis, and those in which something was once found."""

import asyncio
import logging
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.simulator.oracle import Oracle
from tests.simulator.plan import Plan
from tests.simulator.world import MEMORY, World

plans = st.builds(
    Plan,
    seed=st.integers(0, 2**32),
    pods=st.integers(1, 6),
    hours=st.integers(2, 30),
    interval=st.sampled_from([30, 60, 120, 300]),
    missed=st.sampled_from([0.0, 0.02, 0.1]),
    restarts=st.sampled_from([0.0, 0.2, 1.0]),
    outages=st.sampled_from([0.0, 0.3, 1.0]),
    jumps=st.sampled_from([0.0, 0.2, 1.0]),
)


def play(plan: Plan) -> Oracle:
    """One world to its end."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        world = World(plan, Path(directory))
        asyncio.run(world.run())
    return world.oracle


@pytest.fixture(autouse=True)
def quiet() -> object:
    """Thousands of warnings are what it should make; they are of no interest."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@settings(
    max_examples=30,
    deadline=timedelta(seconds=60),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(Plan(seed=1))
@given(plans)
def test_the_house_is_never_wrong_about_a_small_world(plan: Plan) -> None:
    oracle = play(plan)
    assert not [kind for kind in oracle.counts if " " in kind]


def test_a_world_is_no_empty_one() -> None:
    oracle = play(Plan(seed=8, pods=6, hours=40, restarts=0.2, outages=0.3, jumps=0.2))
    assert oracle.hours > 100
    for kind in (
        "pod.idle_stop",
        "pod.idle_warning",
        "pod.warning_withdrawn",
        "pod.kept",
        "pod.exited",
        "pod.terminated",
    ):
        assert oracle.counts[kind], kind
