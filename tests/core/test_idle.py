"""The verdict, with the clock in the hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from core.idle import Decision, Evidence, PortEvidence, compare, gather, verdict
from core.model import IdleRule, PodSpec, Port, PortTraffic, Traffic

T0 = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def spec(timeout: timedelta = HALF_HOUR, ports: tuple[str, ...] = ("8080/http",)) -> PodSpec:
    declared = TypeAdapter(tuple[Port, ...]).validate_python(ports)
    return PodSpec(template="t", image="i", cpu=1, memory=1, ports=declared, idle=IdleRule(timeout=timeout))


def silent(**seen: int) -> Evidence:
    return Evidence(ports=(PortEvidence(port=8080, **seen),))


def test_silence_of_exactly_the_timeout_stops() -> None:
    found = verdict(spec(), T0, silent(), T0 + HALF_HOUR)
    assert found.decision is Decision.STOP
    assert found.reason == "no traffic for 30m (its limit is 30m)"


def test_a_second_less_keeps_and_names_the_deadline() -> None:
    found = verdict(spec(), T0, silent(), T0 + HALF_HOUR - timedelta(seconds=1))
    assert found.decision is Decision.KEEP
    assert found.deadline == T0 + HALF_HOUR
    assert found.reason == "no traffic for 29m59s of 30m"


def test_a_pod_that_nobody_ever_visited_is_idle_too() -> None:
    traffic = Traffic(generation="g", ports={"pod-8080": PortTraffic()})
    evidence = gather("pod", spec(), {}, traffic)
    assert verdict(spec(), T0, evidence, T0 + HALF_HOUR).decision is Decision.STOP


@pytest.mark.parametrize("use", [{"in_flight": 1}, {"succeeded": 1}, {"upgraded_bytes": 1}])
def test_use_keeps_however_long_ago_the_last_use_was(use: dict[str, int]) -> None:
    found = verdict(spec(), T0, silent(**use), T0 + timedelta(days=9))
    assert found.decision is Decision.KEEP
    assert found.reason.startswith("in use: ")


def test_a_long_request_keeps_although_nothing_completes() -> None:
    before = {"pod-8080": ("g", PortTraffic(completed=3, succeeded=3, in_flight=1))}
    traffic = Traffic(generation="g", ports={"pod-8080": PortTraffic(completed=3, succeeded=3, in_flight=1)})
    evidence = gather("pod", spec(), before, traffic)
    assert verdict(spec(), T0, evidence, T0 + timedelta(hours=5)).decision is Decision.KEEP


def test_an_open_but_silent_websocket_is_not_use() -> None:
    before = {"pod-8080": ("g", PortTraffic(upgrades=1, upgraded=1, upgraded_bytes=900))}
    traffic = Traffic(generation="g", ports={"pod-8080": PortTraffic(upgrades=1, upgraded=1, upgraded_bytes=900)})
    evidence = gather("pod", spec(), before, traffic)
    assert not evidence.in_use
    assert verdict(spec(), T0, evidence, T0 + HALF_HOUR).decision is Decision.STOP


def test_a_flood_of_refused_requests_is_not_use() -> None:
    before = {"pod-8080": ("g", PortTraffic(completed=10, succeeded=10))}
    traffic = Traffic(generation="g", ports={"pod-8080": PortTraffic(completed=5000, succeeded=10)})
    evidence = gather("pod", spec(), before, traffic)
    assert evidence.ports[0].failed == 4990
    assert verdict(spec(), T0, evidence, T0 + HALF_HOUR).decision is Decision.STOP


def test_bytes_of_refused_websocket_handshakes_are_not_use() -> None:
    before = ("g", PortTraffic(completed=1, upgrades=1))
    scanner = compare(before, 8080, "g", PortTraffic(completed=90, upgrades=1, upgraded_bytes=9000))
    assert not scanner.in_use
    visitor = compare(before, 8080, "g", PortTraffic(completed=1, upgrades=2, upgraded_bytes=9000))
    assert visitor.in_use


def test_counters_that_cannot_be_read_stop_nothing() -> None:
    evidence = gather("pod", spec(), {}, None)
    found = verdict(spec(), T0, evidence, T0 + timedelta(days=9))
    assert found.decision is Decision.KEEP
    assert "cannot see" in found.reason
    assert found.deadline is None


def test_one_port_without_a_line_stops_nothing_although_the_other_is_silent() -> None:
    two = spec(ports=("8080/http", "9090/http"))
    traffic = Traffic(generation="g", ports={"pod-8080": PortTraffic()})
    evidence = gather("pod", two, {}, traffic)
    assert evidence.missing == (9090,)
    assert verdict(two, T0, evidence, T0 + timedelta(days=9)).decision is Decision.KEEP


def test_after_a_restart_of_the_data_plane_one_look_is_missing_and_the_next_one_counts() -> None:
    before = ("old", PortTraffic(completed=100, succeeded=100))
    first = compare(before, 8080, "new", PortTraffic())
    assert first.missing
    second = compare(("new", PortTraffic()), 8080, "new", PortTraffic())
    assert not second.missing
    assert not second.in_use


def test_a_counter_that_fell_is_a_reset_and_what_was_counted_since_is_use() -> None:
    found = compare(("g", PortTraffic(completed=100, succeeded=100)), 8080, "g", PortTraffic(completed=2, succeeded=2))
    assert found.missing
    assert found.succeeded == 2
    assert found.in_use


def test_zero_means_never() -> None:
    found = verdict(spec(timedelta()), T0, silent(), T0 + timedelta(days=300))
    assert found.decision is Decision.KEEP
    assert found.deadline is None


def test_a_pod_without_a_web_port_is_never_called_idle() -> None:
    alone = spec(ports=("22/tcp",))
    assert verdict(alone, T0, gather("pod", alone, {}, None), T0 + timedelta(days=9)).decision is Decision.KEEP


def test_a_clock_set_back_stops_nothing() -> None:
    found = verdict(spec(), T0, silent(), T0 - timedelta(days=1))
    assert found.decision is Decision.KEEP


counters = st.builds(
    PortTraffic,
    completed=st.integers(0, 9),
    succeeded=st.integers(0, 9),
    in_flight=st.integers(0, 2),
    upgrades=st.integers(0, 3),
    upgraded=st.integers(0, 2),
    upgraded_bytes=st.integers(0, 9),
)


@given(
    before=st.none() | st.tuples(st.sampled_from("ab"), counters),
    after=st.none() | counters,
    silence=st.integers(0, 7200),
    timeout=st.integers(0, 3600),
)
def test_nothing_is_stopped_unless_silence_was_seen_for_the_whole_timeout(
    before: tuple[str, PortTraffic] | None, after: PortTraffic | None, silence: int, timeout: int
) -> None:
    rule = spec(timedelta(seconds=timeout))
    seen = {} if before is None else {"pod-8080": before}
    traffic = Traffic(generation="a", ports={} if after is None else {"pod-8080": after})
    found = verdict(rule, T0, gather("pod", rule, seen, traffic), T0 + timedelta(seconds=silence))
    if found.decision is Decision.STOP:
        assert timeout
        assert silence >= timeout
        assert after is not None
        assert after.in_flight == 0
        old = before[1] if before is not None else PortTraffic()
        assert before is None or before[0] == "a"
        assert after.succeeded == old.succeeded
        opened = after.upgraded or old.upgraded or after.upgrades > old.upgrades
        assert after.upgraded_bytes == old.upgraded_bytes or not opened
