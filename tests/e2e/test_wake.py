"""Visits to sleeping pods on the real house: from the page to the pod, and who is kept from starting one."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape

import aiohttp
import pytest

from core.model import Pod, Status
from tests.core.gateway.parts import DOMAIN, Answer
from tests.e2e.parts import PORT, Place, RealHouse, release
from tests.e2e.scripts import LATE
from tests.parts import Images

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
SHOWS_QUERY = r"""
mkdir -p /www/cgi-bin
cat > /www/cgi-bin/asked <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
echo "$PATH_INFO?$QUERY_STRING"
END
chmod +x /www/cgi-bin/asked; exec httpd -f -p 8080 -h /www
"""


@pytest.fixture
async def home(place: Place, busybox_image: Images) -> AsyncIterator[RealHouse]:
    place.template("asked", busybox_image.web, args=["sh", "-c", SHOWS_QUERY])
    place.template("late", busybox_image.web, args=LATE, wake="auto")
    async with place.house(max_pods_per_user=2) as opened:
        yield opened


def fields(answer: Answer) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
    return {name: unescape(value) for name, value in found}


async def press(home: RealHouse, pod: Pod, form: dict[str, str], **headers: str) -> Answer:
    """Post a form as its page does."""
    url = f"http://127.0.0.1:{home.site.port}/.podkeeper/wake"
    sent = {"Host": f"{pod.id}-{PORT}.{DOMAIN}:{home.site.port}", "Accept": BROWSER, **headers}
    async with home.site.session.post(url, data=form, headers=sent, allow_redirects=False) as answer:
        return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.text())


async def events(stream: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, object]]]:
    assert (stream.status, stream.content_type) == (200, "text/event-stream")
    while block := await stream.content.readuntil(b"\n\n"):
        if found := re.fullmatch(r"event: (\w+)\ndata: (.*)\n\n", block.decode()):
            yield found[1], json.loads(found[2])
            if found[1] != "progress":
                return


async def test_from_the_page_of_a_sleeping_pod_to_what_was_asked_for(home: RealHouse) -> None:
    pod = await home.stop(await home.up("asked"))
    path = "/cgi-bin/asked/deep?a=1&b=%3E%3C"
    page = await home.ask(pod, path, accept=BROWSER)
    assert (page.status, page.gateway) == (503, "sleeping")
    assert "Somebody stopped it." in page.text
    origin = f"http://{pod.id}-{PORT}.{DOMAIN}:{home.site.port}"
    pressed = await press(home, pod, fields(page), Origin=origin)
    assert (pressed.status, pressed.headers["location"]) == (303, path)
    assert (await home.settled(pod)).status is Status.RUNNING
    reached = await home.ask(pod, pressed.headers["location"], accept=BROWSER)
    assert (reached.status, reached.gateway, reached.text) == (200, None, "/deep?a=1&b=%3E%3C\n")
    kinds = [event.kind for event in await home.store.events(0, pod_id=pod.id)]
    assert kinds[-3:] == ["pod.woken", "pod.starting", "pod.running"]


async def test_a_program_wakes_it_and_its_start_can_be_followed(home: RealHouse) -> None:
    pod = await home.begun("late")
    await release(pod)
    pod = await home.stop(await home.settled(pod))
    answer = await home.ask(pod, "/", user_agent="curl/8")
    assert (answer.status, answer.headers["retry-after"], answer.body["title"]) == (503, "5", f"{pod.name} is starting")
    pod = await home.becomes(pod, Status.STARTING)
    assert "EventSource" in (await home.ask(pod, "/", accept=BROWSER)).text
    told: list[tuple[str, dict[str, object]]] = []
    async with home.site.opened(f"{pod.id}-{PORT}", "/.podkeeper/events") as stream:
        async for event in events(stream):
            if not told:
                await release(pod)
            told.append(event)
    assert told[0][0] == "progress"
    assert told[-1] == ("ready", {"fraction": 1.0, "message": "It is up"})
    assert (await home.ask(pod, "/")).text == "late\n"


async def test_what_is_forged_starts_nothing(home: RealHouse) -> None:
    pod, other = await asyncio.gather(home.up("asked"), home.up("asked", wake="off"))
    pod, other = await home.stop(pod), await home.stop(other)
    form = fields(await home.ask(pod, "/", accept=BROWSER))
    assert "<form" not in (await home.ask(other, "/", accept=BROWSER)).text
    assert (await press(home, other, form)).status == 403
    assert (await press(home, pod, form | {"ticket": "99999999999." + "0" * 40})).status == 403
    assert (await press(home, pod, form, Origin="http://evil.example")).status == 403
    assert (await press(home, pod, form | {"path": "//evil.example"})).status == 400
    assert (await press(home, pod, form | {"path": "/" + "x" * 10_000})).status == 400
    forged = {"x-gw-pod": f"{pod.id}-{PORT}"}
    assert (await press(home, other, form, **forged)).status == 403
    assert [(await home.look(p)).run for p in (pod, other)] == [1, 1]


async def test_many_visitors_make_one_start_and_a_hundred_posts_few(home: RealHouse) -> None:
    pod = await home.stop(await home.up("asked"))
    form = fields(await home.ask(pod, "/", accept=BROWSER))
    answers = await asyncio.gather(*(press(home, pod, form) for _ in range(20)))
    assert {answer.status for answer in answers} == {303}
    pod = await home.settled(pod)
    assert (pod.status, pod.run) == (Status.RUNNING, 2)
    kinds = [event.kind for event in await home.store.events(0, pod_id=pod.id)]
    assert kinds.count("pod.woken") == 1
    pod = await home.stop(pod)
    others = [await home.begun("asked"), await home.begun("asked")]
    for _ in range(20):
        refused = await press(home, pod, fields(await home.ask(pod, "/", accept=BROWSER)))
        if refused.status == 429:
            break
        assert "as many pods running as one person may" in refused.text
    assert (refused.status, (await home.look(pod)).run) == (429, 2)
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    await asyncio.gather(*(home.settled(other) for other in others))
