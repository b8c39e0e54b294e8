"""The rules of the house at its one door: limits, names, owners, devices, network volumes."""

import asyncio
from pathlib import Path

import pytest

from core.engines.fake import FakeEngine, Script
from core.errors import (
    Ambiguous,
    Conflict,
    Forbidden,
    InvalidInput,
    NoCapacity,
    NotFound,
    QuotaExceeded,
)
from core.model import Action, Gpu, Status
from core.service import StartRequest
from tests.houses import REMARK, FakeHouse, LimitedEngine, PoorEngine, fake_house


async def test_two_hundred_starts_at_once_stay_within_the_limit(home: FakeHouse) -> None:
    me = await home.local()
    starts = (home.pods.start(me, StartRequest(template="hello")) for _ in range(200))
    results = await asyncio.gather(*starts, return_exceptions=True)
    refused = [r for r in results if isinstance(r, BaseException)]
    assert len(refused) == 195
    assert all(isinstance(r, QuotaExceeded) for r in refused)
    assert "the limit is 5" in str(refused[0])
    await home.house.launcher.idle()
    pods = await home.pods.list(me)
    assert sorted(p.name for p in pods) == [f"hello-{n}" for n in range(1, 6)]
    assert {p.status for p in pods} == {Status.RUNNING}
    assert len(await home.engine.list()) == 5


async def test_two_hundred_pods_get_two_hundred_addresses(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=200) as home:
        me = await home.local()
        await asyncio.gather(*(home.pods.start(me, StartRequest(template="hello")) for _ in range(200)))
        await home.house.launcher.idle()
        pods = await home.pods.list(me)
        assert {p.status for p in pods} == {Status.RUNNING}
        assert len({p.upstreams[8080].host for p in pods}) == 200


async def test_the_limit_also_holds_for_a_resume(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=1) as home:
        me = await home.local()
        first = await home.started()
        await home.pods.stop(me, first.id)
        await home.after(first)
        second = await home.started()
        with pytest.raises(QuotaExceeded):
            await home.pods.resume(me, first.id)
        assert (await home.after(first)).status is Status.EXITED
        await home.pods.stop(me, second.id)
        await home.after(second)
        await home.pods.resume(me, first.id)
        assert (await home.after(first)).status is Status.RUNNING


async def test_a_pod_is_found_by_name_id_or_a_prefix_that_fits_one(home: FakeHouse) -> None:
    me = await home.local()
    one, two = await home.started(name="alpha"), await home.started(name="alpine")
    assert (await home.pods.get(me, "alpha")).id == one.id
    assert (await home.pods.get(me, two.id)).id == two.id
    assert (await home.pods.get(me, "alpi")).id == two.id
    with pytest.raises(Ambiguous, match=f"alpine \\({two.id}\\)"):
        await home.pods.get(me, "al")
    with pytest.raises(NotFound, match="Did you mean alpha"):
        await home.pods.get(me, "alhpa")
    with pytest.raises(InvalidInput, match="Which pod"):
        await home.pods.get(me, "  ")
    with pytest.raises(NotFound) as found:
        await home.pods.get(me, "z\x1b" * 5000)
    assert len(str(found.value)) < 300


async def test_members_touch_their_own_pods_and_admins_all(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", admins="UADMIN") as home:
        ann, bob = await home.member("UANN"), await home.member("UBOB")
        admin = await home.member("UADMIN")
        pod = await home.started(ann, name="anns")
        for attempt in (home.pods.stop, home.pods.terminate, home.pods.restart, home.pods.get, home.pods.logs):
            with pytest.raises(Forbidden, match="anns belongs to uann"):
                await attempt(bob, "anns")
        assert await home.pods.list(bob) == ()
        assert await home.pods.list(bob, everyone=True) == ()
        assert [p.id for p in await home.pods.list(admin, everyone=True)] == [pod.id]
        await home.pods.stop(admin, "anns")
        assert (await home.after(pod)).reason == "stopped by uadmin"


async def test_only_allowed_users_come_in(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", allowed_users="U1", admins="U9") as home:
        await home.member("U1")
        await home.member("U9")
        with pytest.raises(Forbidden, match="PODKEEPER_ALLOWED_USERS"):
            await home.member("U2")


async def test_a_taken_name_is_told_with_its_holder(home: FakeHouse) -> None:
    pod = await home.started(name="mine")
    with pytest.raises(Conflict, match=f"pod {pod.id} of local admin"):
        await home.started(name="mine")


async def test_a_name_that_somebody_else_took_does_not_tell_the_address_of_their_pod(home: FakeHouse) -> None:
    pod = await home.started(await home.member("UANN"), name="mine")
    with pytest.raises(Conflict, match="a pod of uann") as found:
        await home.started(await home.member("UBOB"), name="mine")
    assert pod.id not in str(found.value)


async def test_gpus_are_given_as_whole_devices_and_never_twice(tmp_path: Path) -> None:
    gpus = [Gpu(uuid=f"GPU-{n}", type="NVIDIA A100-SXM4-80GB", memory=80 << 30) for n in range(3)]
    gpus.append(Gpu(uuid="GPU-L4", type="NVIDIA L4", memory=24 << 30))
    async with fake_house(tmp_path / "data", engine=FakeEngine(gpus=gpus)) as home:
        pods = [await home.started(gpu="A100:2"), await home.started(gpu="any"), await home.started(gpu="l4")]
        assert [p.status for p in pods] == [Status.RUNNING] * 3
        given = [uuid for pod in pods for uuid in pod.gpus]
        assert len(given) == len(set(given)) == 4
        assert home.engine.orders[0].environment["RUNPOD_GPU_COUNT"] == "2"
        late = await home.started(gpu="A100")
        assert late.status is Status.ERROR
        assert "only 0 of 3 are free" in (late.reason or "")
        with pytest.raises(NoCapacity, match=r"3 × NVIDIA A100-SXM4-80GB, 1 × NVIDIA L4"):
            await home.started(gpu="H100")
        await home.pods.stop(await home.local(), pods[0].id)
        await home.after(pods[0])
        assert (await home.started(gpu="A100:2")).status is Status.RUNNING


async def test_a_pod_with_a_network_volume_is_terminated_never_stopped_and_the_data_stays(home: FakeHouse) -> None:
    me = await home.local()
    volumes = home.house.services.volumes
    await volumes.create(me, "shared", "10g")
    pod = await home.started(network_volume="shared")
    assert Action.STOP not in pod.actions
    with pytest.raises(Conflict, match=r"cannot be stopped, only terminated.*keeps the data"):
        await home.pods.stop(me, pod.id)
    home.engine.write(pod, "/workspace/model.bin", "weights")
    with pytest.raises(Conflict, match=pod.name):
        await volumes.delete(me, "shared")
    await home.pods.terminate(me, pod.id)
    await home.after(pod)
    second = await home.started(network_volume="shared")
    assert home.engine.read(second, "/workspace/model.bin") == "weights"
    await home.pods.terminate(me, second.id)
    await home.after(second)
    await volumes.delete(me, "shared")
    assert await volumes.list(me) == ()


async def test_a_stop_of_a_pod_with_a_network_volume_may_be_allowed(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", network_volume_stop="allow") as home:
        me = await home.local()
        await home.house.services.volumes.create(me, "shared")
        pod = await home.started(network_volume="shared")
        await home.pods.stop(me, pod.id)
        assert (await home.after(pod)).status is Status.EXITED


async def test_volumes_of_others_and_names_that_are_not_allowed(home: FakeHouse) -> None:
    volumes = home.house.services.volumes
    ann, bob = await home.member("UANN"), await home.member("UBOB")
    await volumes.create(ann, "anns")
    with pytest.raises(Forbidden):
        await volumes.delete(bob, "anns")
    with pytest.raises(Conflict):
        await volumes.create(bob, "anns")
    with pytest.raises(InvalidInput):
        await volumes.create(bob, "../etc")
    last = await volumes.create(ann, "z" * 63)
    await volumes.create(bob, last.id)
    assert await volumes.get(ann, last.id) == last
    with pytest.raises(NotFound, match=r"there are: .*anns"):
        await volumes.delete(bob, "nope")


async def test_the_engines_limits_are_for_pods_with_web_addresses(tmp_path: Path, home: FakeHouse) -> None:
    pod = await home.started()
    mute = pod.model_copy(update={"spec": pod.spec.model_copy(update={"ports": ()})})
    assert home.pods.remark(pod) is None, "an engine without limits"
    async with fake_house(tmp_path / "limited", engine=LimitedEngine()) as other:
        assert (other.pods.remark(pod), other.pods.remark(mute)) == (REMARK, None)


@pytest.mark.parametrize(
    ("engine", "code"),
    [(PoorEngine(), "balance_used_up"), (FakeEngine(script=Script.NO_IMAGE), "pod_failed"),
     (FakeEngine(script=Script.BUG), None)],
)  # fmt: skip
async def test_a_failed_start_is_told_with_its_kind(tmp_path: Path, engine: FakeEngine, code: str | None) -> None:
    async with fake_house(tmp_path / "data", engine=engine) as home:
        pod = await home.started()
        assert pod.status is Status.ERROR
        events = await home.house._store.events(0, pod_id=pod.id)  # pyright: ignore[reportPrivateUsage]
        assert (events[-1].kind, events[-1].data.get("code")) == ("pod.failed", code)


async def test_a_pod_is_not_given_a_name_that_no_pod_may_have(home: FakeHouse) -> None:
    pod = await home.started()
    for wrong in ("", "Not This", "-x", "x" * 64, "a.b", "\0"):
        with pytest.raises(InvalidInput, match=r"name: .* is not allowed"):
            await home.pods.rename(await home.local(), pod.id, wrong)
    assert (await home.pods.rename(await home.local(), pod.name, "x" * 63)).name == "x" * 63
