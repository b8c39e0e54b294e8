"""The Docker engine's witness for GPUs: how busy a device is, by NVIDIA's management library (NVML)."""
# pyright: reportMissingTypeStubs=false

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pynvml

log = logging.getLogger(__name__)
_SECONDS = 10.0
"""A driver in trouble may never answer."""

Marks = Mapping[str, int]
"""By UUID, the time of the newest sample that has been read: microseconds by the driver's clock."""


class Nvml:
    """The library, loaded when it is first asked for; all is None where there is none.

    Its functions block: they run in one thread, so that a driver that hangs takes no more than that one.
    """

    def __init__(self, library: Any = pynvml) -> None:
        """`library` has the functions of `pynvml`."""
        self._library = library
        self._loaded: bool | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nvml")

    async def busiest(self, uuids: Sequence[str], marks: Marks) -> tuple[float | None, Marks]:
        """The share, 0..1, of the time that the busiest device worked since `marks`, and the new marks.

        None when one of them does not tell: it may be the busy one.
        """
        asked = asyncio.get_running_loop().run_in_executor(self._thread, self._busiest, uuids, marks)
        try:
            return await asyncio.wait_for(asked, _SECONDS)
        except TimeoutError:
            log.warning("the NVIDIA driver did not answer within %.0f seconds", _SECONDS)
            return None, marks

    def _busiest(self, uuids: Sequence[str], marks: Marks) -> tuple[float | None, Marks]:
        if not self._load():
            return None, marks
        seen = dict(marks)
        try:
            return max((self._share(uuid, seen) for uuid in uuids), default=None), seen
        except pynvml.NVMLError as error:
            log.info("how busy the GPUs %s are cannot be read: %s", ", ".join(uuids), error)
            return None, seen

    def _load(self) -> bool:
        if self._loaded is None:
            try:
                self._library.nvmlInit()
                self._loaded = True
            except pynvml.NVMLError as error:
                log.info("how busy GPUs are is not read on this machine: %s", error)
                self._loaded = False
        return self._loaded

    def _share(self, uuid: str, seen: dict[str, int]) -> float:
        """The average of the driver's samples since the last look, otherwise what it says of this moment."""
        device, since = self._library.nvmlDeviceGetHandleByUUID(uuid), seen.get(uuid, 0)
        samples = [s for s in self._samples(device, since) if s.timeStamp > since]
        if not samples:
            return min(1.0, self._library.nvmlDeviceGetUtilizationRates(device).gpu / 100)
        seen[uuid] = max(s.timeStamp for s in samples)
        return min(1.0, sum(s.sampleValue.uiVal for s in samples) / len(samples) / 100)

    def _samples(self, device: Any, since: int) -> Sequence[Any]:
        try:
            _, found = self._library.nvmlDeviceGetSamples(device, pynvml.NVML_GPU_UTILIZATION_SAMPLES, since)
        except pynvml.NVMLError:  # none since then, or a device that keeps none
            return ()
        return found
