"""The Docker engine's GPUs: what nvidia-smi lists on the machine of the daemon."""

import asyncio
import shutil
from collections.abc import Mapping
from typing import Any

from core.engines.docker.client import Client
from core.model import Gpu

_QUERY = ("--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits")
_SECONDS = 30.0  # the driver may take long to wake up


async def inventory(client: Client) -> tuple[Gpu, ...]:
    """The devices that containers can be given; none when Docker has no NVIDIA runtime or is on another machine."""
    info = await client.call("GET", "info")
    program = shutil.which("nvidia-smi")
    if program is None or not client.local or not _can_give(info):
        return ()
    process = await asyncio.create_subprocess_exec(
        program, *_QUERY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return ()
    return parse(output.decode(errors="replace")) if process.returncode == 0 else ()


def _can_give(info: Mapping[str, Any]) -> bool:
    return "nvidia" in (info.get("Runtimes") or {}) or shutil.which("nvidia-container-runtime-hook") is not None


def parse(text: str) -> tuple[Gpu, ...]:
    """Devices from `uuid, name, MiB` lines; a line that says something else is no device."""
    found: list[Gpu] = []
    for line in text.splitlines():
        uuid, _, rest = line.partition(",")
        name, _, memory = rest.rpartition(",")
        if uuid.strip().startswith("GPU-") and memory.strip().isdigit():
            found.append(Gpu(uuid=uuid.strip(), type=name.strip(), memory=int(memory) * 1024**2))
    return tuple(found)
