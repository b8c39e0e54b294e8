"""The Docker engine's stand-in images: `hello` starts on a machine that reaches no public registry."""

import asyncio
import io
import shutil
import struct
import tarfile
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

from core.engines.docker.client import Client
from core.engines.docker.pull import PLATFORM, explain
from core.errors import PodFailed

STAND_INS: Final[Mapping[str, str]] = {"busybox:stable": "podkeeper/busybox:local"}
"""Image -> the local tag that is made from a static busybox when the image cannot be pulled."""
PATIENCE: Final = 10.0
"""Seconds that a registry may stay silent before the stand-in is made."""
_INSTALL = "Install one with `apt-get install busybox-static`, then try again."
_PT_INTERP = 3
_X86_64 = 62


async def make(client: Client, image: str, tag: str) -> None:
    """Import a tiny image made of this machine's static busybox as `tag`. PodFailed when there is no such busybox."""
    binary = await asyncio.to_thread(_find_busybox)
    if binary is None:
        raise PodFailed(
            f"The image {image} cannot be pulled, and this machine has no static busybox to make it from. {_INSTALL}"
        )
    listing = await asyncio.create_subprocess_exec(binary, "--list", stdout=asyncio.subprocess.PIPE)
    applets = (await listing.communicate())[0].decode().split()
    tree = await asyncio.to_thread(_tree, binary, applets)
    repo, _, name = tag.rpartition(":")
    params = {
        "fromSrc": "-",
        "repo": repo,
        "tag": name,
        "platform": PLATFORM,
        "changes": 'CMD ["sh"]\nENV PATH=/bin\nLABEL podkeeper.image=stand-in',
    }
    headers = {"Content-Type": "application/x-tar"}
    async with aclosing(client.stream("POST", "images/create", params=params, headers=headers, data=tree)) as lines:
        async for line in lines:
            if "error" in line:
                raise explain(tag, str(line["error"]), None)


def is_static(head: bytes) -> bool:
    """An x86-64 ELF program that asks for no interpreter, judged by its first 4 KiB."""
    if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", head, 18)[0] != _X86_64:
        return False
    offset = struct.unpack_from("<Q", head, 32)[0]
    size, count = struct.unpack_from("<HH", head, 54)
    if offset + size * count > len(head):
        return False
    return all(struct.unpack_from("<I", head, offset + i * size)[0] != _PT_INTERP for i in range(count))


def _find_busybox() -> str | None:
    for path in dict.fromkeys((shutil.which("busybox"), "/bin/busybox", "/usr/bin/busybox")):
        if path is not None and Path(path).is_file():
            with Path(path).open("rb") as file:
                if is_static(file.read(4096)):
                    return path
    return None


def _tree(binary: str, applets: list[str]) -> bytes:
    """The image's files as a tar, everything root's."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            _add(tar, name, mode, kind=tarfile.DIRTYPE)
        _add(tar, "etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        _add(tar, "etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n")
        _add(tar, "bin/busybox", 0o755, Path(binary).read_bytes())
        for applet in applets:
            if applet != "busybox" and "/" not in applet:
                _add(tar, f"bin/{applet}", 0o777, kind=tarfile.SYMTYPE, target="/bin/busybox")
    return out.getvalue()


def _add(
    tar: tarfile.TarFile, name: str, mode: int, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, target: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.linkname, info.size = mode, kind, target, len(data)
    tar.addfile(info, io.BytesIO(data))
