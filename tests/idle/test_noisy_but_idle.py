"""Noisy but idle: tabs that ping, monitors, scanners. Peers never stop it (open tabs, uptime monitors)."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.idle import Decision, explain
from core.model import Status
from tests.houses import FakeHouse
from tests.idle.case import MINUTE, Case, a_pod

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("tabs", [1, 40])
@pytest.mark.parametrize("port", [8080, 22])
def test_tabs_and_sessions_that_only_ping_do_not_keep_the_pod(tabs: int, port: int) -> None:
    case = Case(a_pod(ports=("8080/http", "22/tcp")))
    case.count(port, upgrades=tabs, upgraded=tabs)
    decided: list[Decision] = []
    while Decision.STOP not in decided and case.now.hour < 16:
        case.count(port, upgraded_bytes=tabs * 300)
        decided.append(case.look(MINUTE / 2).decision)
    assert decided[-1] is Decision.STOP
    assert case.now.minute == 30


def test_an_open_but_silent_websocket_is_no_use_and_why_says_so() -> None:
    case = Case()
    case.count(upgrades=1, upgraded=1, upgraded_bytes=900)
    case.looks(22 * MINUTE)
    assert case.last is not None
    assert explain(case.pod, case.last, case.now) == (
        "idle 22m of 30m: nobody has used it since it was ready, 1 silent WebSocket open on 8080 since 14:00 "
        "(does not count), warning at 14:25, stop at 14:30"
    )
    assert case.looks(HOUR)[-1] is Decision.STOP


def test_more_than_noise_is_use() -> None:
    case = Case()
    case.count(upgrades=1, upgraded=1, upgraded_bytes=1024)
    assert not case.look(MINUTE).evidence.in_use
    case.count(upgraded_bytes=1025)
    assert case.look(MINUTE).evidence.in_use


def test_an_hour_of_silence_leaves_no_room_for_a_word() -> None:
    case = Case()
    case.count(upgrades=1, upgraded=1)
    case.look(20 * MINUTE)
    case.count(upgraded_bytes=3000)
    assert case.look(20 * MINUTE).evidence.in_use


def test_tabs_that_are_closed_after_a_talk_leave_nothing_behind() -> None:
    case = Case()
    case.count(upgrades=8, upgraded=8)
    case.look(MINUTE)
    case.count(upgraded_bytes=50_000)
    assert case.look(MINUTE).evidence.in_use
    case.count(upgraded=-7)
    used: list[bool] = []
    for _ in range(20):
        case.count(upgraded_bytes=300)
        used.append(case.look(MINUTE / 2).evidence.in_use)
    assert not any(used[1:]), used


def test_bytes_of_refused_handshakes_are_no_use() -> None:
    case = Case()
    case.count(upgraded_bytes=90_000)
    assert not case.look(MINUTE).evidence.in_use


def test_a_flood_of_refusals_is_no_use() -> None:
    case = Case()
    for _ in range(29):
        case.count(completed=5000, bytes=2_000_000)
        assert not case.look(MINUTE).evidence.in_use
    assert case.look(MINUTE).decision is Decision.WARN or case.pod.warned_at is not None


def test_a_monitor_that_the_rule_leaves_out_is_no_use() -> None:
    case = Case()
    while case.now.minute < 30:
        case.count(ignored=1)
        decided = case.look(MINUTE)
    assert decided.decision is Decision.STOP
    assert decided.evidence.ports[0].ignored == 1


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 500)), min_size=30, max_size=200), st.integers(1, 9))
def test_pings_below_the_noise_of_every_minute_are_never_use(pings: list[tuple[int, int]], tabs: int) -> None:
    case = Case()
    case.count(upgrades=tabs, upgraded=tabs)
    case.look(MINUTE)
    recent: list[tuple[float, int]] = []
    clock = 0.0
    for seconds, size in pings:
        clock += seconds
        recent = [(at, sent) for at, sent in recent if at > clock - 60]
        size = min(size, 1024 * tabs - sum(sent for _, sent in recent))
        recent.append((clock, size))
        case.count(upgraded_bytes=size)
        used = case.look(timedelta(seconds=seconds)).evidence.in_use
        if sum(sent for _, sent in recent) <= 512 * tabs:
            assert not used


async def test_a_pod_with_a_pinging_tab_is_stopped(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.count(pod.id, 8080, upgrades=1, upgraded=1)
    for _ in range(62):
        home.gateway.count(pod.id, 8080, upgraded_bytes=60, ignored=1, completed=9)
        home.clock.forward(seconds=30)
        await home.tick()
    assert (await home.after(pod)).status is Status.EXITED
