"""Whatever is counted and whenever it is looked at: no stop without silence that was seen for the whole timeout."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from core.idle import Decision, gather, verdict
from core.model import PortTraffic, Reading, Traffic
from tests.idle.case import MINUTE, POD, T0, Case, a_pod

counters = st.builds(
    PortTraffic,
    completed=st.integers(0, 9),
    succeeded=st.integers(0, 9),
    in_flight=st.integers(0, 2),
    bytes=st.integers(0, 9),
    upgrades=st.integers(0, 3),
    upgraded=st.integers(0, 2),
    upgraded_bytes=st.integers(0, 5000),
)


@settings(max_examples=1000, derandomize=True, database=None, deadline=None)
@given(
    before=st.none() | st.tuples(st.sampled_from("ab"), counters),
    after=st.none() | counters,
    silence=st.integers(0, 7200),
    timeout=st.integers(0, 3600),
    kept=st.none() | st.integers(-100, 7200),
)
def test_one_look_stops_nothing_that_was_used_or_kept_or_cannot_be_seen(
    before: tuple[str, PortTraffic] | None, after: PortTraffic | None, silence: int, timeout: int, kept: int | None
) -> None:
    now = T0 + timedelta(seconds=silence)
    pod = a_pod(timeout=timedelta(seconds=timeout), warning=timedelta())
    if kept is not None:
        pod = pod.model_copy(update={"keep_until": T0 + timedelta(seconds=kept), "kept_by": "Ann"})
    seen = {} if before is None else {f"{POD}-8080": Reading(generation=before[0], traffic=before[1])}
    traffic = Traffic(generation="a", ports={} if after is None else {f"{POD}-8080": after})
    evidence, _ = gather(pod, seen, traffic, now)
    found = verdict(pod, evidence, now)
    if found.decision is Decision.STOP:
        old = before[1] if before is not None else PortTraffic()
        assert 0 < timeout <= silence
        assert kept is None or kept <= silence
        assert after is not None
        assert before is None or before[0] == "a"
        assert after.in_flight == old.in_flight == 0
        assert after.succeeded == old.succeeded
        opened = after.upgraded or old.upgraded or after.upgrades > old.upgrades
        loudest = 1024 * max(1, after.upgraded, old.upgraded)
        assert after.upgraded_bytes - old.upgraded_bytes <= loudest or not opened


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 900), st.sampled_from(["", "", "", "use", "blind", "reset"])), max_size=60),
    st.integers(1, 60),
    st.integers(0, 60),
)
def test_a_stop_comes_after_the_timeout_and_a_whole_warning(
    looks: list[tuple[int, str]], timeout: int, warning: int
) -> None:
    rule = {"timeout": timeout * MINUTE, "warning": min(warning, timeout) * MINUTE}
    case = Case(a_pod(**rule))
    used, warned = T0, case.pod.warned_at
    for seconds, what in looks:
        if what == "use":
            case.count(completed=1, succeeded=1)
        elif what == "reset":
            case.restart_gateway()
        decided = case.look(timedelta(seconds=seconds), blind=what == "blind")
        used = case.now if what == "use" else used
        warned = None if what in ("blind", "reset") else warned
        warned = case.now if decided.decision is Decision.WARN else warned
        if decided.decision is Decision.STOP:
            assert what == ""
            assert case.now - used >= rule["timeout"]
            assert not rule["warning"] or (warned is not None and case.now - warned >= rule["warning"])
            return
