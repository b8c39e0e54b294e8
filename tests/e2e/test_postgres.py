"""The main walk with PostgreSQL, and that one house only leads on a database."""

import pytest

from core.errors import AlreadyRunning
from core.model import Status
from tests.e2e.parts import Place
from tests.parts import Images


async def test_the_main_walk_on_postgresql(place: Place, busybox_image: Images, postgres_url: str) -> None:
    place.template("web", busybox_image.web, idle={"timeout": "2s"}, volume="1g")
    async with place.house(database_url=postgres_url) as home:
        pod = await home.up("web")
        assert (await home.ask(pod)).text.strip() == pod.id
        stopped = await home.becomes(pod, Status.EXITED)
        assert "nobody used it for" in (stopped.reason or "")
        assert (await home.ask(pod)).gateway == "sleeping"
        resumed = await home.resume(stopped)
        assert (resumed.status, resumed.run) == (Status.RUNNING, 2)
        assert (await home.ask(pod)).text.strip() == pod.id
        assert (await home.terminate(resumed)).status is Status.TERMINATED
        assert (await home.ask(pod)).status == 404
        kinds = [event.kind for event in await home.store.events(0, pod_id=pod.id)]
        begun = ["pod.starting", "pod.running"]
        assert kinds == [
            *("pod.created", *begun, "pod.idle_warning", "pod.idle_stop", "pod.exited"),
            *("pod.resume", *begun, "pod.terminate", "pod.terminated"),
        ]
    assert not (place.data / "podkeeper.db").exists()


async def test_a_pod_runs_on_over_a_restart_on_postgresql(
    place: Place, busybox_image: Images, postgres_url: str
) -> None:
    place.template("web", busybox_image.web)
    async with place.house(database_url=postgres_url) as home:
        pod = await home.up("web")
    async with place.house(database_url=postgres_url) as home:
        found = await home.look(pod)
        assert (found.status, found.run) == (Status.RUNNING, 1)
        assert (await home.ask(pod)).text.strip() == pod.id


async def test_a_second_house_on_the_same_database_is_refused_and_the_first_is_not_harmed(
    place: Place, busybox_image: Images, postgres_url: str
) -> None:
    place.template("web", busybox_image.web)
    other = Place()
    try:
        async with place.house(database_url=postgres_url) as home:
            pod = await home.up("web")
            with pytest.raises(AlreadyRunning, match="already running on the database of PODKEEPER_DATABASE_URL"):
                async with other.house(database_url=postgres_url):
                    pass
            assert (await home.ask(pod)).text.strip() == pod.id
            assert await home.house.missing() == []
        async with other.house(database_url=postgres_url) as successor:
            # Its gateway is another one, and knows the pod from the database.
            assert (await successor.ask(pod)).text.strip() == pod.id
    finally:
        await other.close()
