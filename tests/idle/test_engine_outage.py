"""Engine outage or partial list: no evidence of anything. And counters that cannot be read stop nothing."""

import pytest

from core.errors import Unavailable
from core.idle import Decision, explain
from core.model import Status
from tests.houses import FakeHouse
from tests.idle.case import MINUTE, Case, a_pod


async def test_an_engine_that_does_not_answer_ends_no_row_and_recovers(home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.down = True
    for _ in range(4):
        home.clock.forward(minutes=1)
        await home.tick()
        await home.house.reconciler.tick(home.clock())
    assert (await home.after(pod)).status is Status.RUNNING
    home.engine.down = False
    await home.house.reconciler.tick(home.clock())
    assert (await home.after(pod)).status is Status.RUNNING


@pytest.mark.parametrize("what", ["all counters", "one port"])
async def test_counters_that_cannot_be_read_stop_nothing_and_warn_anew(home: FakeHouse, what: str) -> None:
    pod = await home.started()
    home.clock.forward(minutes=26)
    await home.tick()
    if what == "one port":
        home.gateway.missing.add(f"{pod.id}-8080")
    else:
        home.gateway.failing = Unavailable("the counters cannot be read")
    for _ in range(10):
        home.clock.forward(hours=1)
        await home.tick()
    home.gateway.failing = None
    home.gateway.missing.clear()
    for minutes in (1, 4):
        home.clock.forward(minutes=minutes)
        await home.tick()
        assert (await home.after(pod)).status is Status.RUNNING
    home.clock.forward(minutes=1)
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    kinds = [e.kind for e in await store.events(0, pod_id=pod.id)]
    assert kinds[3:6] == ["pod.idle_warning", "pod.warning_withdrawn", "pod.idle_warning"]


def test_why_names_the_missing_witness_and_since_when() -> None:
    case = Case()
    case.look(MINUTE, blind=True)
    assert case.last is not None
    assert explain(case.pod, case.last, case.now) == (
        "cannot see: the traffic on 8080 missing since 14:01, will not stop before it returns"
    )


def test_one_silent_port_says_nothing_for_another_that_is_missing() -> None:
    case = Case(a_pod(ports=("8080/http", "9090/http")))
    del case.counters[9090]
    assert set(case.looks(60 * MINUTE)) == {Decision.KEEP}
    assert case.last is not None
    assert case.last.evidence.missing == ("the traffic on 9090",)


def test_the_end_of_life_needs_no_witness() -> None:
    case = Case(a_pod(lifetime=60 * MINUTE))
    decided = [case.look(MINUTE, blind=True).decision for _ in range(60)]
    assert decided.index(Decision.WARN) == 54
    assert decided[-1] is Decision.STOP
