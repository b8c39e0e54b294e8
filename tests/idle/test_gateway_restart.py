"""Gateway restart: the counters are gone, which is neither use nor silence. Peers stop at once, or never."""

from core.idle import Decision
from core.model import Status
from tests.houses import FakeHouse
from tests.idle.case import MINUTE, Case


def test_the_stored_use_stands_and_a_full_warning_is_given() -> None:
    case = Case()
    case.count(completed=1, succeeded=1)
    case.looks(29 * MINUTE)
    assert case.pod.warned_at is not None
    case.restart_gateway()
    assert case.look(MINUTE).decision is Decision.KEEP
    assert case.last is not None
    assert case.last.withdraws
    assert case.look(MINUTE).decision is Decision.WARN
    warned = case.now
    assert case.looks(30 * MINUTE)[-1] is Decision.STOP
    assert case.now - warned == 5 * MINUTE


def test_what_is_counted_anew_is_use() -> None:
    case = Case()
    case.count(completed=100, succeeded=100)
    case.look(MINUTE)
    case.restart_gateway()
    case.count(completed=2, succeeded=2)
    assert case.look(MINUTE).evidence.in_use


def test_a_counter_that_fell_is_a_restart_as_well() -> None:
    case = Case()
    case.count(completed=100, succeeded=100)
    case.look(MINUTE)
    case.count(completed=-99, succeeded=-99)
    seen = case.look(MINUTE).evidence
    assert seen.reset
    assert seen.missing == ("the traffic on 8080",)


async def test_after_it_nothing_is_stopped_without_a_warning(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.count(pod.id, 8080, completed=9, succeeded=9)
    await home.tick()
    home.clock.forward(hours=2)
    home.gateway.restart_data_plane()
    for minutes in (0, 0.5, 4.5):
        home.clock.forward(minutes=minutes)
        await home.tick()
        assert (await home.after(pod)).status is Status.RUNNING
    home.clock.forward(minutes=1)
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED
