"""The application in place of pods that do not run, asked as the gateway asks it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from core.engines.fake import Script
from core.launcher import keepalive_token
from core.model import Pod, Status
from core.wake.app import STREAMS_PER_VISITOR, WakeApp
from tests.houses import FakeHouse, fake_house

PAGE = {"accept": "text/html,*/*;q=0.8"}
HOST = "pod.proxy.localhost"


@pytest.fixture
async def web(home: FakeHouse) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who asks, as the gateway passes it on."""
    assert home.gateway.guest is not None
    transport = httpx.ASGITransport(home.gateway.guest)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        client.headers["x-forwarded-for"] = "203.0.113.7"
        yield client


async def asleep(home: FakeHouse, web: httpx.AsyncClient, **options: object) -> Pod:
    """A stopped pod, which `web` asks for from now on."""
    pod = await home.started(**options)
    await home.pods.stop(await home.local(), pod.id)
    web.headers["x-gw-pod"] = f"{pod.id}-8080"
    return await home.after(pod)


def form(answer: httpx.Response) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
    return {name: unescape(value) for name, value in found}


async def status(home: FakeHouse, pod: Pod) -> Status:
    return (await home.pods.get(await home.local(), pod.id)).status


async def test_a_person_gets_a_page_with_a_button(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web, name="mine")
    answer = await web.get("/lab/tree?reset=1&x=%22%3E", headers=PAGE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>mine is stopped</h1>" in answer.text
    assert "Somebody stopped it." in answer.text
    assert form(answer)["path"] == "/lab/tree?reset=1&x=%22%3E"
    assert pod.id not in answer.text
    assert "local admin" not in answer.text
    assert await status(home, pod) is Status.EXITED


async def test_a_page_is_well_guarded(home: FakeHouse, web: httpx.AsyncClient) -> None:
    await asleep(home, web)
    headers = (await web.get("/", headers=PAGE)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_a_program_is_told_to_come_again(home: FakeHouse, web: httpx.AsyncClient, method: str) -> None:
    pod = await asleep(home, web)
    answer = await web.request(method, "/v1/chat", content=b"x" * 100_000)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert answer.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert answer.json()["status"] == 503
        assert "was not passed on" in answer.json()["detail"]
    assert await status(home, pod) is Status.EXITED


async def test_the_button_starts_it_and_leads_back(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web)
    fields = form(await web.get("/lab?a=1&b=%2F", headers=PAGE))
    origin = {"origin": f"http://{HOST}:8080"}
    answer = await web.post("/.podkeeper/wake", data=fields, headers=PAGE | origin)
    assert (answer.status_code, answer.headers["location"]) == (303, "/lab?a=1&b=%2F")
    assert (await home.after(pod)).status is Status.RUNNING
    again = await web.post("/.podkeeper/wake", data=fields, headers=PAGE)
    assert (again.status_code, (await home.after(pod)).run) == (303, 2)


async def test_whoever_comes_before_the_route_has_changed_gets_the_page_that_follows(
    home: FakeHouse, web: httpx.AsyncClient
) -> None:
    pod = await asleep(home, web)
    home.engine.script = Script.SLOW_START
    await home.pods.resume(await home.local(), pod.id)
    answer = await web.get("/", headers=PAGE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "EventSource" in answer.text
    program = await web.get("/")
    assert program.json()["title"] == f"{pod.name} is starting"
    home.engine.proceed.set()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 400),
        ({"path": "/"}, 400),
        ({"ticket": "1.2"}, 400),
        ({"ticket": "x" * 10_000, "path": "/"}, 400),
        ({"ticket": "1.2", "path": "/" + "x" * 10_000}, 400),
        ({"ticket": "1.2", "path": "/", "more": "x" * 10_000}, 400),
        ({"ticket": "1.2", "path": "/", "more": "x" * 100_000}, 400),
        ({"ticket": ["1.2", "1.2"], "path": "/"}, 400),
        ({"ticket": "1.2", "path": "//evil.example"}, 400),
        ({"ticket": "1.2", "path": "/\\evil.example"}, 400),
        ({"ticket": "1.2", "path": "/\t/evil.example"}, 400),
        ({"ticket": "1.2", "path": "/\r\nset-cookie: a=b"}, 400),
        ({"ticket": "1.2", "path": "https://evil.example/"}, 400),
        ({"ticket": "1.2", "path": "/.podkeeper/events"}, 400),
        ({"ticket": "1.2", "path": ""}, 400),
        ({"ticket": "99999999999.0", "path": "/"}, 403),
        ({"ticket": "\0", "path": "/"}, 403),
    ],
)
async def test_a_forged_form_is_refused_in_a_sentence(
    home: FakeHouse, web: httpx.AsyncClient, fields: dict[str, str], code: int
) -> None:
    pod = await asleep(home, web)
    for headers in (PAGE, {}):
        answer = await web.post("/.podkeeper/wake", data=fields, headers=headers)
        assert answer.status_code == code
        assert len(answer.text) < 5000
        assert "evil" not in answer.text
    assert (await home.after(pod)).status is Status.EXITED


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/json", ""])
async def test_something_that_is_no_form_is_refused(home: FakeHouse, web: httpx.AsyncClient, kind: str) -> None:
    pod = await asleep(home, web)
    fields = form(await web.get("/", headers=PAGE))
    answer = await web.post("/.podkeeper/wake", content=json.dumps(fields), headers={"content-type": kind})
    assert (answer.status_code, await status(home, pod)) == (400, Status.EXITED)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://other.proxy.localhost:8080", "http://[", "x" * 10_000, ""]
)
async def test_a_form_from_another_site_is_refused(home: FakeHouse, web: httpx.AsyncClient, origin: str) -> None:
    pod = await asleep(home, web)
    fields = form(await web.get("/", headers=PAGE))
    answer = await web.post("/.podkeeper/wake", data=fields, headers=PAGE | {"origin": origin})
    assert (answer.status_code, await status(home, pod)) == (403, Status.EXITED)
    assert "from another site" in answer.text


async def test_the_ticket_of_another_pod_is_refused(home: FakeHouse, web: httpx.AsyncClient) -> None:
    await asleep(home, web)
    fields = form(await web.get("/", headers=PAGE))
    pod = await asleep(home, web)
    answer = await web.post("/.podkeeper/wake", data=fields, headers=PAGE)
    assert (answer.status_code, await status(home, pod)) == (403, Status.EXITED)
    assert "Press the button once more" in answer.text
    answer = await web.post("/.podkeeper/wake", data=form(answer), headers=PAGE)
    assert (answer.status_code, (await home.after(pod)).status) == (303, Status.RUNNING)


async def test_a_pod_whose_wake_is_off_has_no_button(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web, wake="off")
    answer = await web.get("/", headers=PAGE)
    assert "Only its owner can start it again." in answer.text
    assert "<form" not in answer.text
    found = await home.house.services.waking.sleeper(f"{pod.id}-8080")
    assert found is not None
    fields = {"ticket": home.house.services.waking.ticket(found), "path": "/"}
    answer = await web.post("/.podkeeper/wake", data=fields, headers=PAGE)
    assert (answer.status_code, await status(home, pod)) == (403, Status.EXITED)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_program_starts_a_pod_that_wakes_by_itself(
    home: FakeHouse, web: httpx.AsyncClient, method: str
) -> None:
    pod = await asleep(home, web, wake="auto")
    answer = await web.request(method, "/v1/models")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert method == "HEAD" or answer.json()["title"] == f"{pod.name} is starting"
    pod = await home.after(pod)
    assert (pod.status, pod.run) == (Status.RUNNING, 2)


NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        (PAGE, True),
        (PAGE | NAVIGATION | {"sec-fetch-site": "none", "sec-fetch-user": "?1"}, True),
        (PAGE | NAVIGATION | {"sec-fetch-site": "cross-site"}, True),
        (PAGE | NAVIGATION | {"sec-fetch-site": "same-origin", "sec-fetch-user": "?1"}, True),
        (PAGE | NAVIGATION | {"sec-fetch-site": "same-origin"}, False),
        (PAGE | NAVIGATION | {"sec-fetch-site": "none", "sec-purpose": "prefetch;prerender"}, False),
        (PAGE | NAVIGATION | {"purpose": "prefetch"}, False),
        ({"sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-mode": "cors", "sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-mode": "cors", "user-agent": "node"}, True),
        ({"user-agent": "Mozilla/5.0 (compatible; UPTIMErobot/2.0)"}, False),
    ],
)
async def test_what_a_browser_does_by_itself_wakes_nothing(
    home: FakeHouse, web: httpx.AsyncClient, headers: dict[str, str], counts: bool
) -> None:
    pod = await asleep(home, web, wake="auto", ignore=("agent:UptimeRobot",))
    answer = await web.get("/", headers=headers)
    assert answer.status_code == 503
    assert ("EventSource" in answer.text or "is starting" in answer.text) is counts
    assert ("Start it" in answer.text or "has a button" in answer.text) is not counts
    assert (await home.after(pod)).status is (Status.RUNNING if counts else Status.EXITED)


@pytest.mark.parametrize(
    ("method", "path"), [("OPTIONS", "/"), ("HEAD", "/"), ("GET", "/health/x"), ("GET", "/health")]
)
async def test_what_is_no_use_of_a_pod_is_no_reason_to_start_it(
    home: FakeHouse, web: httpx.AsyncClient, method: str, path: str
) -> None:
    pod = await asleep(home, web, wake="auto", ignore=("method:HEAD", "/health"))
    assert (await web.request(method, path)).status_code == 503
    assert (await home.after(pod)).status is Status.EXITED
    await web.get("/healthy")
    assert (await home.after(pod)).status is Status.RUNNING


async def test_a_hundred_posts_start_it_six_times(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web)
    me, codes = await home.local(), []
    for _ in range(100):
        answer = await web.post("/.podkeeper/wake", data=form(await web.get("/", headers=PAGE)), headers=PAGE)
        codes.append(answer.status_code)
        if (await home.after(pod)).status is Status.RUNNING:
            await home.pods.stop(me, pod.id)
            await home.after(pod)
    assert codes == [303] * 6 + [429] * 94
    assert answer.headers["retry-after"] == "3600"
    assert "6 times within an hour. Try again in 1h." in answer.text


async def test_a_full_quota_is_told_without_a_name(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=1) as home:
        assert home.gateway.guest is not None
        transport = httpx.ASGITransport(home.gateway.guest)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as web:
            pod = await asleep(home, web, wake="auto")
            await home.started()
            for headers in (PAGE, {}):
                answer = await web.get("/", headers=headers)
                assert answer.status_code == 503
                assert "as many pods running as one person may" in answer.text
                assert "local admin" not in answer.text
            assert await status(home, pod) is Status.EXITED


async def test_a_failed_start_is_told_without_its_log(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web)
    home.engine.script = Script.EXITS
    await home.pods.resume(await home.local(), pod.id)
    assert "ended with code 3" in ((await home.after(pod)).reason or "")
    answer = await web.get("/", headers=PAGE)
    assert "could not be started. Its owner has been told" in answer.text
    assert "<form" not in answer.text
    assert "code 3" not in answer.text
    assert (await web.get("/")).json()["title"] == f"{pod.name} has failed"


async def read(web: httpx.AsyncClient) -> list[tuple[str, dict[str, object]]]:
    answer = await web.get("/.podkeeper/events")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.text)
    return [(name, json.loads(data)) for name, data in found]


async def test_a_start_is_followed_by_events(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web)
    await home.pods.resume(await home.local(), pod.id)
    events = await read(web)
    assert {name for name, _ in events[:-1]} == {"progress"}
    assert events[-1] == ("ready", {"fraction": 1.0, "message": "It is up"})
    home.engine.script = Script.NO_IMAGE
    await home.pods.stop(await home.local(), pod.id)
    assert (await read(web))[-1] == ("stopped", {"fraction": None, "message": "Somebody stopped it."})
    await home.pods.resume(await home.local(), pod.id)
    assert (await read(web))[-1] == ("failed", {"fraction": None, "message": "It could not be started."})


async def test_a_pod_that_is_deleted_meanwhile_ends_its_events(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web)
    home.engine.script = Script.SLOW_START
    await home.pods.resume(await home.local(), pod.id)
    reading = asyncio.create_task(read(web))
    await home.engine.waiting.wait()
    home.engine.proceed.set()
    await home.pods.terminate(await home.local(), pod.id)
    assert (await reading)[-1][0] in ("stopped", "ready")
    assert (await web.get("/", headers=PAGE)).status_code == 404


async def test_one_visitor_follows_so_many_starts_at_once(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web)
    home.engine.script = Script.SLOW_START
    await home.pods.resume(await home.local(), pod.id)
    await home.engine.waiting.wait()
    reading = [asyncio.create_task(read(web)) for _ in range(STREAMS_PER_VISITOR)]

    async def refused() -> httpx.Response:
        while (answer := await web.head("/.podkeeper/events")).status_code == 200:
            await asyncio.sleep(0)
        return answer

    answer = await asyncio.wait_for(refused(), 5)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    other = {"x-forwarded-for": "203.0.113.8"}
    assert (await web.head("/.podkeeper/events", headers=other)).status_code == 200
    home.engine.proceed.set()
    assert {events[-1][0] for events in await asyncio.gather(*reading)} == {"ready"}
    assert (await web.head("/.podkeeper/events")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "code", "allow"),
    [
        ("GET", "/.podkeeper/", 404, None),
        ("GET", "/.podkeeper/admin", 404, None),
        ("GET", "/.podkeeper/wake/", 404, None),
        ("GET", "/.podkeeper/wake", 405, "POST, OPTIONS"),
        ("OPTIONS", "/.podkeeper/wake", 204, "POST, OPTIONS"),
        ("HEAD", "/.podkeeper/events", 200, None),
        ("POST", "/.podkeeper/events", 405, "GET, HEAD, OPTIONS"),
    ],
)
async def test_our_corner_has_two_things(
    home: FakeHouse, web: httpx.AsyncClient, method: str, path: str, code: int, allow: str | None
) -> None:
    await asleep(home, web)
    answer = await web.request(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (code, allow)


async def test_an_address_that_is_gone_is_nothing(home: FakeHouse, web: httpx.AsyncClient) -> None:
    for path in ("/", "/.podkeeper/events", "/x" * 4000):
        answer = await web.get(path, headers=PAGE | {"x-gw-pod": "nobody-8080"})
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is nothing at this address.")


async def test_a_strange_path_is_not_gone_on_to(home: FakeHouse, web: httpx.AsyncClient) -> None:
    await asleep(home, web)
    for path in ("//evil.example/x", "/" + "x" * 9000):
        url = httpx.URL(f"http://{HOST}/").copy_with(raw_path=path.encode())
        assert form(await web.get(url, headers=PAGE))["path"] == "/"


async def test_a_path_is_only_text_in_the_page(home: FakeHouse, web: httpx.AsyncClient) -> None:
    await asleep(home, web)
    path = "/\"><script>alert(1)</script>?'<b>"
    answer = await web.post("/.podkeeper/wake", data={"ticket": "1.2", "path": path}, headers=PAGE)
    assert "<script" not in answer.text
    assert form(answer)["path"] == path


async def test_a_pod_says_that_it_is_in_use(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await home.started()
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    path = f"/keepalive/{keepalive_token(pod.id, store)}"
    for method in ("GET", "HEAD", "POST"):
        now = home.clock.forward(minutes=1)
        answer = await web.request(method, path, content=b"x" * 100_000)
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await home.pods.get(await home.local(), pod.id)).heartbeat_at == now
    await home.pods.stop(await home.local(), pod.id)
    await home.after(pod)
    assert (await web.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/keepalive/", "/keepalive/x", "/", "/.podkeeper/events", "/keepalive/%00%ff/é"])
async def test_whoever_knows_no_token_says_nothing(home: FakeHouse, web: httpx.AsyncClient, path: str) -> None:
    pod = await home.started()
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    token = keepalive_token(pod.id, store)
    for asked in (path, f"/keepalive/{token[:-1]}", f"/keepalive/{token}/", f"/x/keepalive/{token}"):
        assert (await web.get(asked)).status_code == 404
    assert (await web.delete(f"/keepalive/{token}")).status_code == 404
    assert (await home.pods.get(await home.local(), pod.id)).heartbeat_at is None


async def test_a_token_at_a_pods_own_address_is_only_a_path_there(home: FakeHouse, web: httpx.AsyncClient) -> None:
    pod = await asleep(home, web)
    running = await home.started()
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    answer = await web.get(f"/keepalive/{keepalive_token(running.id, store)}")
    assert answer.json()["title"] == f"{pod.name} is stopped"
    assert (await home.pods.get(await home.local(), running.id)).heartbeat_at is None


async def test_a_bug_of_ours_is_told_by_a_reference_only(home: FakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    app = WakeApp(None, home.house.services.keeping, home.clock)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}") as web:
        answer = await web.get("/", headers={"x-gw-pod": "abc-80"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    reference = re.findall(r"under (\w+)\.", answer.json()["detail"])[0]
    assert reference in caplog.text
    assert "NoneType" not in answer.text
