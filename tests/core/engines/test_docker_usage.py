"""What pods of the Docker engine use: CPU and memory on a real daemon, GPUs from what NVIDIA's library said."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from core.engines.base import Usage
from core.engines.docker import DockerEngine
from core.engines.docker.nvml import Nvml
from core.model import Pod
from tests.core.engines.orders import MB, again, make_pod, start
from tests.helpers import until
from tests.parts import Images, docker

ONE, OTHER = "GPU-4f1d6e0a-1c2b-3d4e-5f60-718293a4b5c6", "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


class Recorded:
    """A library with the samples of a driver: `percent` by UUID, one each 200 ms, as NVML's structures."""

    def __init__(self, percent: dict[str, list[int]], *, rate: int = 0, error: int | None = None) -> None:
        self.inits = 0
        self._percent, self._rate, self._error = percent, rate, error
        self.library = SimpleNamespace(
            nvmlInit=self._init,
            nvmlDeviceGetHandleByUUID=self._handle,
            nvmlDeviceGetSamples=self._samples,
            nvmlDeviceGetUtilizationRates=self._rates,
        )

    def _init(self) -> None:
        self.inits += 1
        if self._error is not None:
            raise pynvml.NVMLError(self._error)

    def _handle(self, uuid: str) -> str:
        if uuid not in self._percent:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def _samples(self, device: str, kind: int, since: int) -> tuple[int, list[Any]]:
        assert kind == pynvml.NVML_GPU_UTILIZATION_SAMPLES
        found = [_sample(200_000 * (n + 1), percent) for n, percent in enumerate(self._percent[device])]
        found = [s for s in found if s.timeStamp > since]
        if not found:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, found

    def _rates(self, device: str) -> Any:
        rates = pynvml.c_nvmlUtilization_t()
        rates.gpu = self._rate
        return rates


def _sample(at: int, percent: int) -> Any:
    sample = pynvml.c_nvmlSample_t()
    sample.timeStamp = at
    sample.sampleValue.uiVal = percent
    return sample


async def test_a_gpus_share_is_the_average_of_the_samples_since_the_last_look() -> None:
    samples = {ONE: [0, 100]}
    nvml = Nvml(Recorded(samples, rate=7).library)
    share, marks = await nvml.busiest([ONE], {})
    assert share == 0.5
    samples[ONE] += [30, 50]
    share, marks = await nvml.busiest([ONE], marks)
    assert share == pytest.approx(0.4)
    assert await nvml.busiest([ONE], marks) == (0.07, marks)  # no sample since: what it says of this moment


async def test_the_busiest_device_speaks_for_the_pod() -> None:
    share, _ = await Nvml(Recorded({ONE: [10], OTHER: [90]}).library).busiest([ONE, OTHER], {})
    assert share == pytest.approx(0.9)


async def test_a_device_that_does_not_tell_may_be_the_busy_one() -> None:
    share, _ = await Nvml(Recorded({ONE: [10]}).library).busiest([ONE, OTHER], {})
    assert share is None


@pytest.mark.parametrize("error", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
async def test_a_machine_without_the_driver_is_asked_once(error: int) -> None:
    recorded = Recorded({ONE: [10]}, error=error)
    nvml = Nvml(recorded.library)
    assert recorded.inits == 0
    for _ in range(2):
        assert await nvml.busiest([ONE], {}) == (None, {})
    assert recorded.inits == 1


async def test_the_real_library_knows_no_device_of_that_name() -> None:
    assert await Nvml().busiest([ONE], {}) == (None, {})


@pytest.fixture
async def engine(installation: str) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine(nvml=Nvml(Recorded({ONE: [60], OTHER: [20]}).library))
    await engine.open(installation)
    yield engine
    for instance in await engine.list():
        await engine.terminate(make_pod(pod_id=instance.pod_id))
    await engine.close()


async def cpu(engine: DockerEngine, pod: Pod) -> float:
    share = (await engine.usage(pod)).cpu
    assert share is not None
    return share


async def test_a_burning_pod_is_told_from_a_sleeping_one(engine: DockerEngine, busybox_image: Images) -> None:
    burning = make_pod(busybox_image.web, cpu=0.1, args=("sh", "-c", "while :; do :; done"))
    sleeping = make_pod(busybox_image.web, cpu=0.1, args=("sleep", "600"))
    for pod in (burning, sleeping):
        await start(engine, pod)
    await asyncio.gather(engine.usage(burning), engine.usage(sleeping))

    async def seconds_pass() -> bool:
        used = await engine.usage(burning)
        return used.cpu is not None and used.cpu > 0.3

    await until(seconds_pass)
    assert await cpu(engine, sleeping) < 0.1


async def test_a_share_is_the_average_since_the_last_look_and_not_of_the_moment(
    engine: DockerEngine, busybox_image: Images
) -> None:
    pod = make_pod(busybox_image.web, cpu=0.1, args=("sleep", "600"))
    await start(engine, pod)
    assert await cpu(engine, pod) < 0.1
    docker("exec", f"podkeeper-{pod.id}-1", "sh", "-c", "timeout 2 sh -c 'while :; do :; done'; true")
    assert await cpu(engine, pod) > 0.2  # it sleeps again by now


async def test_a_container_restarted_by_hand_is_measured_anew(engine: DockerEngine, busybox_image: Images) -> None:
    pod = make_pod(busybox_image.web, cpu=0.1, args=("sh", "-c", "while :; do :; done"))
    await start(engine, pod)
    for _ in range(2):
        assert await cpu(engine, pod) > 0.2
        docker("restart", "-t", "0", f"podkeeper-{pod.id}-1")  # its counter begins at zero again


async def test_memory_and_gpus_are_shares_of_the_pods_own(engine: DockerEngine, busybox_image: Images) -> None:
    pod = make_pod(busybox_image.web, memory=64 * MB)
    await start(engine, pod)
    used = await engine.usage(pod)
    assert used.memory is not None
    assert 0 < used.memory < 0.5
    assert used.gpu is None
    assert (await engine.usage(pod.model_copy(update={"gpus": (OTHER,)}))).gpu == pytest.approx(0.2)
    assert (await engine.usage(pod.model_copy(update={"gpus": (ONE, OTHER)}))).gpu == pytest.approx(0.6)


async def test_a_pod_that_ended_uses_nothing_and_is_forgotten(engine: DockerEngine, busybox_image: Images) -> None:
    pod = make_pod(busybox_image.web)
    await start(engine, pod)
    await engine.usage(pod)
    docker("kill", f"podkeeper-{pod.id}-1")
    assert await engine.usage(pod) == Usage()
    pod = again(pod)
    await start(engine, pod)
    assert (await engine.usage(pod)).cpu is not None
    await engine.stop(pod, 0)
    assert engine._meter._seen == {}
