"""Long streams without new requests keep a pod (Sablier stopped a film); forgotten ones do not."""

from datetime import timedelta

from core.idle import Decision, explain
from tests.idle.case import MINUTE, Case, a_pod

HOUR = timedelta(hours=1)


def test_a_film_of_four_hours_keeps_the_pod() -> None:
    case = Case()
    case.count(in_flight=1, completed=1, succeeded=1, bytes=1000)
    for _ in range(240):
        case.count(bytes=5_000_000)
        assert case.look(MINUTE).evidence.in_use
    case.count(in_flight=-1)
    case.look(MINUTE)
    assert Decision.STOP not in case.looks(29 * MINUTE)


def test_a_stream_that_ended_between_two_looks_was_use_until_then() -> None:
    case = Case(a_pod(warning=timedelta()))
    case.count(in_flight=1, completed=1, succeeded=1, bytes=1000)
    case.look(MINUTE)
    # The control plane is away for an hour; the film ends a minute before it is back.
    case.count(bytes=9_000_000, in_flight=-1)
    back = case.look(HOUR)
    assert back.decision is Decision.KEEP
    assert back.evidence.in_use
    assert back.reason == "in use: 1 ended on 8080"


def test_an_event_stream_that_nobody_reads_stops_counting() -> None:
    case = Case()
    case.count(in_flight=1, completed=1, succeeded=1, bytes=700)
    assert Decision.STOP not in case.looks(timedelta(hours=2, minutes=29))
    assert case.last is not None
    assert "1 in flight on 8080 without a byte for long (does not count)" in explain(case.pod, case.last, case.now)
    assert case.looks(HOUR)[-1] is Decision.STOP
    assert case.now.hour == 16
    assert case.now.minute == 30


def test_its_end_is_no_use_either() -> None:
    case = Case()
    case.count(in_flight=1, completed=1, succeeded=1, bytes=700)
    case.looks(timedelta(hours=2, minutes=15))
    case.count(in_flight=-1)
    assert not case.look(MINUTE).evidence.in_use


def test_one_byte_wakes_it() -> None:
    case = Case()
    case.count(in_flight=1, completed=1, succeeded=1, bytes=700)
    case.looks(timedelta(hours=2, minutes=25))
    assert case.pod.warned_at is None or case.last is not None
    case.count(bytes=1)
    assert case.look(MINUTE).evidence.in_use


def test_a_stream_that_was_there_before_the_first_look_is_no_exception() -> None:
    case = Case()
    case.counters[8080] = case.counters[8080].model_copy(update={"in_flight": 1})
    case.readings = {key: r.model_copy(update={"traffic": case.counters[8080]}) for key, r in case.readings.items()}
    assert case.looks(timedelta(hours=3))[-1] is Decision.STOP


def test_a_rule_may_say_that_every_request_in_flight_counts() -> None:
    case = Case(a_pod(silent_request=timedelta()))
    case.count(in_flight=1)
    assert set(case.looks(timedelta(hours=20))) == {Decision.KEEP}
