"""What RunPod tells of a pod, as a spec of ours, and whose mark it carries; no pod is asked for here."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.engines.runpod.account import Account
from core.engines.runpod.adoption import Adoption, Candidate, check, spec_of, unseen
from core.errors import Conflict, InvalidInput, Unavailable
from core.model import GpuRequest, IdleRule
from tests.api.conftest import PUBLISHED

GB = 1024**3
IDLE = IdleRule(timeout=timedelta(minutes=30))
EXAMPLE: dict[str, Any] = PUBLISHED["paths"]["/v2/pods/{id}"]["get"]["responses"]["200"]["content"]["application/json"][
    "examples"
]["pod"]["value"]
CPU: dict[str, Any] = {key: value for key, value in EXAMPLE.items() if key != "gpu"} | {
    "cpu": {"id": "cpu5c", "vcpuCount": 4, "memory": 8},
    "mounts": {},
}
INSTALLATION = "3f9c01d2a4b6"


def candidate(base: dict[str, Any] = EXAMPLE, **changes: Any) -> Candidate:
    return Candidate.model_validate(base | changes)


@pytest.fixture
async def adoption() -> AsyncIterator[Adoption]:
    opened = Adoption(Account(key="k"), INSTALLATION)
    yield opened
    await opened.close()


def test_the_published_example_is_a_spec() -> None:
    spec = spec_of(candidate(), IDLE, template="custom")
    assert (spec.template, spec.image) == ("custom", "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404")
    assert (spec.args, spec.env) == ((), {"MODEL_NAME": "llama-3"})
    assert [str(port) for port in spec.ports] == ["8888/http", "22/tcp"]
    assert spec.gpu == GpuRequest(type="NVIDIA GeForce RTX 4090", count=1)
    assert (spec.cpu, spec.memory) == (2, 8 * GB), "RunPod does not tell them of a GPU pod"
    assert (spec.container_disk, spec.volume, spec.volume_path) == (50 * GB, 20 * GB, "/workspace")
    assert (spec.idle, spec.network_volume, spec.ready) == (IDLE, None, None)


def test_a_cpu_pod_has_the_size_that_it_has() -> None:
    spec = spec_of(candidate(CPU), IDLE, template="custom")
    assert (spec.cpu, spec.memory, spec.gpu, spec.volume) == (4, 8 * GB, None, None)
    unsaid = spec_of(candidate(CPU, cpu={"id": "cpu3g", "vcpuCount": 2}), IDLE, template="custom")
    assert (unsaid.cpu, unsaid.memory) == (2, 4 * GB)


def test_words_variables_ports_and_mounts_are_taken_over() -> None:
    found = candidate(
        CPU,
        args="serve --text 'two words'",
        env={"A": "b", "RUNPOD_POD_ID": "x", "PODKEEPER_KEEPALIVE_URL": "http://x", "PUBLIC_KEY": "ssh-ed25519 AAA"},
        ports=["8888/http", "70000/tcp"],
        mounts={"network": [{"volumeId": "vol_1", "path": "/data"}]},
    )
    spec = spec_of(found, IDLE, template="web", network_volume="ourvolume1")
    assert spec.args == ("serve", "--text", "two words")
    assert spec.env == {"A": "b", "PUBLIC_KEY": "ssh-ed25519 AAA"}
    assert ([str(port) for port in spec.ports], unseen(found)) == (["8888/http"], ("70000/tcp",))
    assert (spec.network_volume, spec.volume_path, spec.volume) == ("ourvolume1", "/data", None)
    nothing = spec_of(candidate(CPU, args=None, env=None, ports=None, mounts=None), IDLE, template="web")
    assert (nothing.args, nothing.env, nothing.ports, nothing.volume_path) == ((), {}, (), "/workspace")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"args": "say 'half"}, "No closing quotation"),
        ({"ports": ["8888/udp"]}, "RunPod tells ports"),
        ({"ports": ["8888"]}, "RunPod tells ports"),
        ({"gpu": {"id": "x" * 90}}, "RunPod tells gpu"),
        ({"gpu": {"id": "NVIDIA L4", "count": 0}}, "gpu"),
        ({"gpu": None}, "RunPod tells cpu, memory"),
    ],
)
def test_what_has_no_words_here_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        spec_of(candidate(**changes), IDLE, template="custom")


def test_a_mount_that_is_not_understood_is_no_mount_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match=r"not understood \(persistent\.size\)"):
        spec_of(candidate(mounts={"persistent": {"path": "/workspace"}}), IDLE, template="custom")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cluster": {"id": "cluster_abc", "rank": 0}}, "cluster cluster_abc"),
        ({"status": "PROVISIONING"}, "PROVISIONING.*Try again in a minute"),
        ({"status": "STARTING"}, "STARTING.*Try again in a minute"),
        ({"status": "ERROR"}, "ERROR.*Terminate it in RunPod's console"),
        ({"status": "TERMINATED"}, "gone for good"),
        ({"status": "SOMETHING-NEW"}, "SOMETHING-NEW"),
    ],
)
def test_one_of_a_cluster_or_in_another_status_is_not_taken_in(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(Conflict, match=told):
        check(candidate(**changes))
    for status in ("RUNNING", "EXITED"):
        check(candidate(status=status))


@pytest.mark.parametrize(
    ("name", "env", "claim"),
    [
        ("my-pod", {}, None),
        ("my-pk-training-experiment", {}, None),
        ("my-pk-training01-experiment2", None, None),
        ("web-1-pk-2s56cp0pof1rmt-3f9c01d2a4b6", {}, (INSTALLATION, "2s56cp0pof1rmt")),
        ("web-1-pk-2s56cp0pof1rmt-3f9c01d2a4b6-0a1b", {}, (INSTALLATION, "2s56cp0pof1rmt")),
        ("web-1-pk-2s56cp0pof1rmt-ffffffffffff", {}, ("ffffffffffff", "2s56cp0pof1rmt")),
        ("x", {"PODKEEPER_INSTALLATION": INSTALLATION, "PODKEEPER_POD_ID": "p" * 14}, (INSTALLATION, "p" * 14)),
        ("x", {"PODKEEPER_INSTALLATION": "ffffffffffff", "PODKEEPER_POD_ID": "p1"}, ("ffffffffffff", "p1")),
        ("x", {"PODKEEPER_POD_ID": "p1"}, None),
    ],
)
async def test_whose_mark_it_carries(
    adoption: Adoption, name: str, env: dict[str, str] | None, claim: tuple[str, str] | None
) -> None:
    assert adoption.claim(candidate(name=name, env=env)) == claim


async def _asked(**answers: httpx.Response) -> Adoption:
    """Of an API that answers so."""

    async def answer(request: httpx.Request) -> httpx.Response:
        return answers[f"{request.method.lower()}_{request.url.path.rpartition('/')[2].replace('-', '_')}"]

    return Adoption(Account(key="k"), INSTALLATION, transport=httpx.MockTransport(answer))


async def test_a_kind_of_which_none_is_free_is_no_obstacle_for_one_that_is_there() -> None:
    away = {"id": "cpu5c", "vcpu": {"min": 2, "max": 32}, "price": {"securePerVcpu": 0.04}, "availability": "NONE"}
    asked = await _asked(get_cpus=httpx.Response(200, json={"cpus": [away]}))
    found = candidate(CPU, cost=0.16)
    spec = await asked.fit(spec_of(found, IDLE, template="custom"), found)
    assert (spec.price_per_hour, spec.cpu, spec.memory) == (0.16, 4, 8 * GB)
    assert (spec.idle.busy_above.cpu, spec.idle.timeout) == (0.2, IDLE.timeout)
    await asked.close()


async def test_what_it_costs_is_what_runpod_takes_and_of_a_stopped_one_what_the_catalog_says() -> None:
    there = {"id": "cpu5c", "vcpu": {"min": 2, "max": 32}, "ramGbPerVcpu": 2, "price": {"securePerVcpu": 0.04}}
    larger = there | {"id": "cpu5m", "ramGbPerVcpu": 8, "price": {"securePerVcpu": 0.02}}
    asked = await _asked(get_cpus=httpx.Response(200, json={"cpus": [there, larger]}))
    cheaper = {"id": "cpu9z", "vcpuCount": 4, "memory": 8}
    for cpu, cost, price in ((CPU["cpu"], 0.44, 0.44), (CPU["cpu"], 0.0, 0.16), (cheaper, 0.0, 0.08)):
        found = candidate(CPU, cost=cost, cpu=cpu)
        spec = await asked.fit(spec_of(found, IDLE, template="custom"), found)
        assert (spec.price_per_hour, spec.memory) == (price, 8 * GB), "its memory is its own, not the cheapest one's"
    await asked.close()


async def test_a_name_that_runpod_did_not_take_is_told() -> None:
    asked = await _asked(patch_p1=httpx.Response(200, json=EXAMPLE))
    with pytest.raises(Unavailable, match="kept the name"):
        await asked.mark("p1", "web", "2s56cp0pof1rmt")
    await asked.close()


async def test_a_name_whose_answer_was_lost_is_given_once_more() -> None:
    asked: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if len(asked) == 1:
            raise httpx.ReadTimeout("lost")
        return httpx.Response(200, json=EXAMPLE | {"name": "web-pk-2s56cp0pof1rmt-3f9c01d2a4b6"})

    account = Adoption(Account(key="k"), INSTALLATION, transport=httpx.MockTransport(answer))
    await account.mark("p1", "web", "2s56cp0pof1rmt")
    assert asked == ["PATCH", "PATCH"]
    await account.close()
