"""The Docker engine's refusals to create or start a container, as the errors they mean."""

import asyncio
import base64
import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from core.engines.base import Order
from core.engines.docker.client import Client, Refused, section
from core.errors import Conflict, NoCapacity, PodError, PodFailed, Unavailable
from core.units import shorten

_EXEC = re.compile(r'exec: "([^"]*)": ?([^:]*(?:: no such file or directory|: permission denied)?)')
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_FOUND = "executable file not found"
_DIRECTORY, _SYMLINK = 1 << 31, 1 << 27  # of Go's os.FileMode, which the daemon speaks


def explain(error: Refused, image: str) -> PodError:
    """A refusal of create or start; the refusal itself when it is about the daemon and not about the pod."""
    text = error.reason.lower()
    program = _EXEC.search(error.reason)
    if program is not None:
        return _bad_command(image, program[1], program[2].strip())
    for word, meaning in _MEANINGS.items():
        if word in text:
            return meaning(error.reason, image)
    if "oci runtime" in text or "runc" in text:
        return PodFailed(f"The container of {image} cannot be started: {error.reason}.")
    return error


_MEANINGS: Mapping[str, Callable[[str, str], PodError]] = {
    "address already in use": lambda _r, _i: Unavailable(
        "The address chosen for the pod is still in use on Docker's network. Nothing was lost; start it again."
    ),
    "no configured subnet": lambda _r, _i: Unavailable(
        "The pods' network was made anew meanwhile, with other addresses. Nothing was lost; start it again."
    ),
    "no space left on device": lambda _r, _i: NoCapacity(
        "The Docker Engine's disk is full, so the pod could not be made. Free some space (`docker system df`), "
        "then try again."
    ),
    "range of cpus": lambda r, _i: NoCapacity(f"This machine has not got that many vCPUs: {r}. Ask for fewer."),
    "minimum memory limit": lambda r, _i: PodFailed(f"The pod was given too little memory: {r}. Ask for more."),
    "could not select device driver": lambda _r, _i: NoCapacity(
        "Docker cannot give GPUs to containers on this machine. Install the NVIDIA Container Toolkit there."
    ),
    "nvidia-container-cli": lambda r, _i: NoCapacity(f"Docker could not give the GPU to the pod: {r}."),
    "no command specified": lambda _r, i: PodFailed(
        f"The image {i} has no command of its own. Give the template `args` that name one."
    ),
    "is already in use by container": lambda _r, _i: Conflict(
        "A container with the pod's name is already there and was not made by this Podkeeper, so it is left alone. "
        "Rename or remove it by hand, then try again."
    ),
}


async def check_command(client: Client, ref: str, image: Mapping[str, Any], order: Order) -> None:
    """PodFailed when the pod's `args` name a program that the created container has not got.

    The init process that we put before it would start all the same and end with 127 a moment later, and the person
    would have to guess. Only for images without an entrypoint: otherwise `args` are arguments.
    """
    config, args = section(image, "Config"), order.pod.spec.args
    if not args or config.get("Entrypoint"):
        return
    variables: list[str] = [f"PATH={order.environment.get('PATH', '')}", *(config.get("Env") or [])]
    path = next((v.removeprefix("PATH=") for v in variables if v.startswith("PATH=/")), _DEFAULT_PATH)
    program = args[0]
    if "/" in program:
        paths = [posixpath.join(str(config.get("WorkingDir") or "/"), program)]
    else:
        paths = [posixpath.join(d, program) for d in path.split(":") if d]
    modes = [m for m in await asyncio.gather(*(_mode(client, ref, p) for p in paths)) if m is not None]
    if not any(mode & _SYMLINK or (mode & 0o111 and not mode & _DIRECTORY) for mode in modes):
        name = next(iter(image.get("RepoTags") or ()), "the image")
        raise _bad_command(name, program, "it is not executable" if modes else _NOT_FOUND)


async def _mode(client: Client, ref: str, path: str) -> int | None:
    """A file's mode in a container; None when there is no such file."""
    stat = await client.header(f"containers/{ref}/archive", {"path": path}, "X-Docker-Container-Path-Stat")
    return int(json.loads(base64.b64decode(stat))["mode"]) if stat is not None else None


def _bad_command(image: str, program: str, why: str) -> PodFailed:
    return PodFailed(
        f"The command {shorten(program)!r} cannot be started in {image}: {why or _NOT_FOUND}. Check the template's "
        "`args` and the image."
    )
