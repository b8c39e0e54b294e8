"""Busy but silent: it works, and nothing new is asked of it. Peers stop it (JupyterHub's culler, Sablier)."""

from datetime import timedelta

import pytest

from core.engines.base import Usage
from core.idle import Decision, explain
from core.model import BusyAbove, Status
from tests.houses import FakeHouse
from tests.idle.case import MINUTE, Case, a_pod

HOURS = timedelta(hours=8)


def test_a_generation_that_says_nothing_for_long_keeps_the_pod() -> None:
    case = Case()
    case.count(in_flight=1, bytes=900)
    assert set(case.looks(timedelta(minutes=110))) == {Decision.KEEP}
    assert case.last is not None
    assert explain(case.pod, case.last, case.now) == "busy: 1 request in flight on 8080 since 14:00"


def test_training_keeps_the_pod_where_its_rule_asks_for_the_processors_share() -> None:
    case = Case(a_pod(busy_above=BusyAbove(cpu=0.2)))
    case.shares = {"cpu": 0.2}
    assert set(case.looks(HOURS)) == {Decision.KEEP}
    case.shares = {"cpu": 0.19}
    assert case.looks(HOURS)[-1] is Decision.STOP
    assert case.pod.last_active_at is not None
    assert case.now - case.pod.last_active_at == 30 * MINUTE


def test_where_the_rule_does_not_ask_a_hot_processor_is_no_use() -> None:
    case = Case()
    case.shares = {"cpu": 1.0}
    assert case.looks(HOURS)[-1] is Decision.STOP


def test_a_share_that_the_engine_cannot_tell_is_not_idleness() -> None:
    case = Case(a_pod(busy_above=BusyAbove(cpu=0.2)))
    assert set(case.looks(HOURS)) == {Decision.KEEP}
    assert case.last is not None
    assert case.last.reason == "cannot see its cpu share; will not stop before it can"


def test_a_sign_of_life_from_inside_keeps_the_pod() -> None:
    case = Case()
    for _ in range(20):
        case.looks(20 * MINUTE)
        case.change(heartbeat_at=case.now + MINUTE / 4)
    assert case.last is not None
    assert case.last.decision is Decision.KEEP
    case.looks(MINUTE)
    assert case.looks(HOURS)[-1] is Decision.STOP


@pytest.mark.parametrize("port", [8080, 22])
def test_words_on_a_connection_keep_the_pod(port: int) -> None:
    case = Case(a_pod(ports=("8080/http", "22/tcp")))
    case.count(port, upgrades=1, upgraded=1)
    for _ in range(30):
        case.count(port, upgraded_bytes=5_000)
        assert Decision.STOP not in case.looks(25 * MINUTE)


async def test_the_house_asks_the_engine_again_before_it_stops(home: FakeHouse) -> None:
    pod = await home.started(warning="0")
    rule = pod.spec.idle.model_copy(update={"busy_above": BusyAbove(cpu=0.5)})
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    await store.amend(pod.id, pod.run, {Status.RUNNING}, spec=pod.spec.model_copy(update={"idle": rule}))
    home.clock.forward(hours=1)
    home.engine.shares[pod.id] = Usage(cpu=0.9)
    await home.tick()
    home.clock.forward(minutes=29)
    home.engine.shares[pod.id] = Usage(cpu=0.1)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    home.clock.forward(minutes=2)
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED
