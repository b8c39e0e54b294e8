"""Two workspaces in one database: their pods, people, volumes, permissions and costs stay apart."""

from collections.abc import Awaitable, Callable

import pytest

from core.errors import NotFound
from core.model import Caller, Pod, Role, Status
from core.service import StartRequest
from core.store import Store
from tests.houses import FakeHouse


async def admin(home: FakeHouse, workspace: str) -> Caller:
    """An admin of this workspace; the outside identity is the same in both."""
    local = await home.local()
    settings = home.house.settings
    store = await Store.open(settings.database, settings.data_dir / "registry.key")
    person = await store.person(workspace, "slack", "T1:U1", workspace, Role.ADMIN, home.clock())
    await store.close()
    return local.model_copy(update={"person": person.id, "name": person.name, "workspace": workspace})


@pytest.fixture
async def two(home: FakeHouse) -> tuple[Caller, Pod, Caller, Pod]:
    """Somebody of each, with a pod of the same name."""
    left, right = await admin(home, "left"), await admin(home, "right")
    return left, await home.started(left, name="demo"), right, await home.started(right, name="demo")


async def test_a_name_leads_to_ones_own_and_lists_hold_no_other(
    home: FakeHouse, two: tuple[Caller, Pod, Caller, Pod]
) -> None:
    left, lefts, right, rights = two
    for caller, pod in ((left, lefts), (right, rights)):
        assert (await home.pods.get(caller, "demo")).id == pod.id
        for everyone in (False, True):
            assert [one.id for one in await home.pods.list(caller, everyone=everyone, ended=True)] == [pod.id]
    assert left.person != right.person
    assert lefts.name == rights.name == "demo"


Verb = Callable[[FakeHouse, Caller, str], Awaitable[object]]
VERBS: dict[str, Verb] = {
    "get": lambda home, who, pod: home.pods.get(who, pod),
    "stop": lambda home, who, pod: home.pods.stop(who, pod),
    "resume": lambda home, who, pod: home.pods.resume(who, pod),
    "restart": lambda home, who, pod: home.pods.restart(who, pod),
    "terminate": lambda home, who, pod: home.pods.terminate(who, pod),
    "again": lambda home, who, pod: home.pods.again(who, pod),
    "logs": lambda home, who, pod: home.pods.logs(who, pod),
    "keep": lambda home, who, pod: home.house.services.keeping.keep(who, pod, "1h"),
    "why": lambda home, who, pod: home.house.services.keeping.why(who, pod),
    "expose": lambda home, who, pod: home.house.services.ports.expose(who, pod, "9000"),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_not_even_an_admin_reaches_a_pod_of_the_other(
    home: FakeHouse, two: tuple[Caller, Pod, Caller, Pod], verb: str
) -> None:
    left, _, right, rights = two
    for reference in (rights.id, rights.id[:6]):
        with pytest.raises(NotFound) as refused:
            await VERBS[verb](home, left, reference)
        assert rights.id not in str(refused.value).replace(reference, "")
    assert (await home.pods.get(right, rights.id)).status is Status.RUNNING


async def test_volumes_stay_apart(home: FakeHouse, two: tuple[Caller, Pod, Caller, Pod]) -> None:
    left, _, right, _ = two
    volumes = home.house.services.volumes
    mine = await volumes.create(left, "data")
    await volumes.create(right, "data")
    assert [one.id for one in await volumes.list(left)] == [mine.id]
    with pytest.raises(NotFound):
        await volumes.delete(right, mine.id)
    with pytest.raises(NotFound):
        await home.pods.start(right, StartRequest(template="hello", network_volume=mine.id))


async def test_saved_templates_stay_apart(home: FakeHouse, two: tuple[Caller, Pod, Caller, Pod]) -> None:
    left, _, right, _ = two
    templates = home.house.services.templates
    mine = await templates.save(left, {"name": "hello", "image": "app:1", "description": "Mine"})
    assert (await home.started(left)).spec.image == "app:1"
    assert (await home.started(right)).spec.image != "app:1"
    for acts in (templates.remove(right, mine.id), templates.own(right, mine.id)):
        with pytest.raises(NotFound):
            await acts
    assert (await templates.of(left)).get(mine.id).spec.image == "app:1"


async def test_costs_and_expected_times_stay_apart(home: FakeHouse, two: tuple[Caller, Pod, Caller, Pod]) -> None:
    left, lefts, right, _ = two
    home.clock.forward(hours=1)
    await home.pods.stop(right, "demo")
    await home.pods.settled(right, "demo", 10)
    home.clock.forward(hours=1)
    costs = home.house.services.costs
    bill = await costs.month(left, everyone=True)
    assert ([one.pod_id for one in bill.pods], bill.total.hours) == ([lefts.id], 2)
    assert (await costs.month(right, everyone=True)).total.hours == 1
    assert await costs.expected("left", "hello") is not None
    assert await costs.expected("neither", "hello") is None
