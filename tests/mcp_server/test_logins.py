"""Company logins over MCP: a JWT as a token, its own pods only, and after linking the person's in Slack."""

import httpx2

from tests.company import Company
from tests.helpers import free_port
from tests.houses import FakeHouse
from tests.mcp_server.conftest import Served, data, refusal, serving
from tests.mcp_server.test_http import knock


async def names(door: Served, mode: str, token: str) -> list[str]:
    """The pods that this bearer sees."""
    async with door.client(mode, token=token) as client:
        return [pod["name"] for pod in data(await client.call_tool("pod_list", {"everyone": True}))["pods"]]


async def test_a_login_sees_its_own_pods_and_once_linked_those_of_the_person_in_slack(
    company_home: FakeHouse, company: Company, mode: str
) -> None:
    ana = await company_home.member("UANA")
    await company_home.started(ana, name="anas")
    login = company.login("ana.smith", name="Ana Smith")
    async with serving(company_home, free_port()) as door:
        async with door.client(mode, token=login) as client:
            made = data(await client.call_tool("pod_start", {"template": "hello", "name": "mine"}))
            assert made["owner"] == "Ana Smith"
            assert "belongs to uana" in refusal(await client.call_tool("pod_stop", {"pod": "anas"}))
        assert await names(door, mode, login) == ["mine"]
        assert await names(door, mode, company.login("bob")) == []
        who = await company_home.house.services.logins.caller(login, "terminal")
        assert who is not None
        code, _ = await company_home.house.services.logins.code(ana)
        await company_home.house.services.logins.link(who, code)
        assert sorted(await names(door, mode, login)) == ["anas", "mine"]
        async with door.client(mode, token=login) as client:
            assert data(await client.call_tool("pod_stop", {"pod": "anas"}))["owner"] == "uana"


async def test_the_resource_names_who_gives_logins(company_home: FakeHouse) -> None:
    async with serving(company_home, free_port()) as door, httpx2.AsyncClient(trust_env=False) as http:
        document = (await http.get(f"{door.url}/.well-known/oauth-protected-resource/mcp")).json()
    assert document["authorization_servers"] == [company_home.house.settings.login_issuer]


async def test_a_login_that_is_none_is_refused_and_so_is_one_that_has_ended(
    company_home: FakeHouse, company: Company
) -> None:
    good = company.login()
    wrong = [company.login(aud="other"), f"{good[:-5]}AAAA", company.raw({"alg": "none", "kid": "k1"}, None), "a.b.c"]
    async with serving(company_home, free_port()) as door:
        assert (await knock(door.endpoint, Authorization=f"Bearer {good}")).status_code == 200
        company_home.clock.forward(hours=1)
        for token in (*wrong, good):
            answer = await knock(door.endpoint, Authorization=f"Bearer {token}")
            assert answer.status_code == 401
            assert token not in answer.text + str(answer.headers)
