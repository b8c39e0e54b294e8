"""Warnings, promises, what is done at the end, and the end of life."""

from datetime import timedelta

import pytest

from core.idle import Decision, verdict
from core.model import IdleAction, Status
from tests.houses import FakeHouse
from tests.idle.case import MINUTE, T0, Case, a_pod


def test_it_is_told_once_and_ends_when_it_was_told() -> None:
    case = Case()
    decided = case.looks(60 * MINUTE)
    assert decided.count(Decision.WARN) == 1
    assert decided.index(Decision.WARN) == 49
    assert decided[-1] is Decision.STOP
    assert case.now == T0 + 30 * MINUTE


def test_use_withdraws_it_and_the_next_end_is_told_again() -> None:
    case = Case()
    case.looks(26 * MINUTE)
    case.count(completed=1, succeeded=1)
    assert case.look(MINUTE).withdraws
    decided = case.looks(60 * MINUTE)
    assert decided.count(Decision.WARN) == 1
    assert case.now == T0 + 57 * MINUTE


def test_a_promise_moves_the_end_and_the_warning() -> None:
    case = Case()
    case.change(keep_until=T0 + timedelta(hours=2), kept_by="Ann")
    decided = case.looks(timedelta(hours=3))
    assert decided.count(Decision.WARN) == 1
    assert case.now == T0 + timedelta(hours=2)
    assert case.pod.warned_at == T0 + timedelta(hours=1, minutes=55)


def test_a_promise_that_is_shorter_than_the_silence_left_changes_nothing() -> None:
    case = Case()
    case.change(keep_until=T0 + 10 * MINUTE, kept_by="Ann")
    case.looks(60 * MINUTE)
    assert case.now == T0 + 30 * MINUTE


def test_a_rule_that_only_tells_tells_once_at_the_end_itself() -> None:
    case = Case(a_pod(action=IdleAction.NOTIFY))
    decided = case.looks(timedelta(hours=5))
    assert decided.count(Decision.WARN) == 1
    assert Decision.STOP not in decided
    assert decided.index(Decision.WARN) == 59


def test_what_cannot_be_stopped_is_terminated() -> None:
    case = Case(a_pod(stoppable=False))
    case.looks(60 * MINUTE)
    assert case.last is not None
    assert (case.last.decision, case.last.action) == (Decision.STOP, IdleAction.TERMINATE)


@pytest.mark.parametrize("action", list(IdleAction))
def test_the_end_of_life_comes_whatever_the_traffic_and_the_promises(action: IdleAction) -> None:
    case = Case(a_pod(lifetime=timedelta(hours=2), action=action))
    case.change(keep_until=T0 + timedelta(days=9), kept_by="Ann")
    case.count(in_flight=1)
    decided: list[Decision] = []
    while Decision.STOP not in decided:
        case.count(bytes=100)
        decided.append(case.look(MINUTE).decision)
    assert case.now == T0 + timedelta(hours=2)
    assert decided.count(Decision.WARN) == 1
    assert case.last is not None
    assert case.last.by_lifetime
    assert case.last.action is IdleAction.STOP


async def test_promises_do_not_put_the_end_of_life_off(home: FakeHouse) -> None:
    pod = await home.started(lifetime="1h")
    home.gateway.count(pod.id, 8080, in_flight=1)
    for _ in range(14):
        home.clock.forward(minutes=4)
        await home.tick()
    local = await home.local()
    for _ in range(2):
        await home.house.services.keeping.keep(local, pod.id, "3h")
        home.clock.forward(minutes=4)
        await home.tick()
    assert (await home.after(pod)).status is Status.EXITED


async def test_a_promise_withdraws_an_idle_warning_at_once(home: FakeHouse) -> None:
    pod = await home.started()
    home.clock.forward(minutes=26)
    await home.tick()
    kept = await home.house.services.keeping.keep(await home.local(), pod.id, "3h")
    assert kept.warned_at is None
    home.clock.forward(hours=2)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING


def test_a_zero_timeout_never_ends_and_neither_does_a_pod_without_a_witness() -> None:
    never = verdict(a_pod(timeout=timedelta(), warning=timedelta()), Case().look().evidence, T0 + timedelta(days=300))
    assert (never.decision, never.deadline) == (Decision.KEEP, None)
    unwatched = Case(a_pod(ports=()))
    assert set(unwatched.looks(timedelta(hours=9), every=timedelta(hours=1))) == {Decision.KEEP}
    assert unwatched.last is not None
    assert unwatched.last.reason == "it has no port whose traffic could be watched"


def test_a_notice_does_not_pass_for_the_warning_of_the_end_of_life() -> None:
    case = Case(a_pod(action=IdleAction.NOTIFY, lifetime=32 * MINUTE))
    decided = [case.look(MINUTE) for _ in range(32)]
    warned = [d for d in decided if d.decision is Decision.WARN]
    assert [d.action for d in warned] == [IdleAction.STOP]
    assert decided[-1].decision is Decision.STOP
