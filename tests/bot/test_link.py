"""`/pod link`: a code that only the asker sees, and by which their company login acts as them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.model import Caller
from core.service import StartRequest
from tests.bot.conftest import ANA, GENERAL, Stage, staged
from tests.bot.test_home import becomes, visited
from tests.company import Company, settings
from tests.slack_double import SlackDouble


@pytest.fixture(params=["socket", "http"])
async def linking(
    request: pytest.FixtureRequest, tmp_path: Path, slack: SlackDouble, company: Company
) -> AsyncIterator[Stage]:
    """The whole thing, on a house that takes the company's logins."""
    given = settings(company.write(tmp_path / "keys"))
    async with staged(request.param, tmp_path / "data", slack, **given) as made:
        company.clock = made.home.clock
        yield made


async def as_login(stage: Stage, company: Company) -> Caller:
    """Ana, as her company knows her."""
    found = await stage.home.house.services.logins.caller(company.login("ana.smith", name="Ana Smith"), "terminal")
    assert found is not None
    return found


async def test_a_code_makes_the_login_act_as_who_asked_for_it(linking: Stage, company: Company) -> None:
    told = await linking.told("link")
    [code] = re.findall(r"podkeeper link (\w{4}-\w{4})", told.text)
    for words in (f"`{code}`", "PODKEEPER_TOKEN holds your company login", "acts as you", "are yours"):
        assert words in told.screen
    until = int(linking.home.clock.forward(minutes=9).timestamp()) + 60
    assert f"good once, until <!date^{until}^" in told.screen
    assert [(post.only_for, post.channel) for post in linking.slack.posts if code in post.text] == [(ANA, GENERAL)]
    await linking.home.house.services.logins.link(await as_login(linking, company), code)
    assert (await as_login(linking, company)).person == (await linking.home.member(ANA)).person
    assert code not in (await linking.told("link")).text, "each has its own"


async def test_a_pod_that_is_handed_over_shows_on_the_home_tab_and_is_stopped_from_slack(
    linking: Stage, company: Company
) -> None:
    ana = await as_login(linking, company)
    pod = await linking.home.pods.start(ana, StartRequest(template="hello", name="mine"))
    await linking.home.pods.settled(ana, pod.id, 10)
    assert "You have no pods" in (await linking.told("list")).text
    assert "mine" not in (await visited(linking)).screen
    [code] = re.findall(r"podkeeper link (\S+)`", (await linking.told("link")).text)
    await linking.home.house.services.logins.link(ana, code)
    await becomes(linking, "mine")
    await linking.pod("stop mine")
    [message] = await linking.slack.until(lambda: linking.slack.messages(GENERAL))
    await linking.shows(message, "is stopped")


async def test_where_there_are_no_company_logins_the_asker_learns_what_there_is(stage: Stage) -> None:
    told = await stage.told("link")
    assert "No company login is known here" in told.text
    assert "/pod token" in told.text
