"""A network of its own for a command, in which there is loopback and nothing else.

local-slack listens on every address of the machine and takes any token. In here nobody else can reach it.
"""

import asyncio
import getpass
import os
import shutil
import signal
import subprocess
from contextlib import suppress


def enclosed(*command: str) -> list[str]:
    """The same command, enclosed."""
    unshare, ip = _program("unshare", "util-linux"), _program("ip", "iproute2")
    # Whoever is not root is shown as root in there, which takes no right of this machine's.
    way = [unshare, "--net"] if os.geteuid() == 0 else [unshare, "--map-root-user", "--net"]
    return [*way, "sh", "-c", f'{ip} link set lo up && exec "$@"', "sh", *command]


def check() -> None:
    """AssertionError where this machine does not allow it."""
    done = subprocess.run(enclosed("true"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{getpass.getuser()} may not make a network of their own here ({done.stderr.strip()}). Run make as root, or "
        "allow it: kernel.unprivileged_userns_clone=1, and on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0."
    )


async def run(seconds: float, *command: str) -> tuple[int, str]:
    """Run it enclosed: how it ended, and what it said. What it has started ends with it."""
    process = await asyncio.create_subprocess_exec(
        *enclosed(*command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
        return await process.wait(), said.decode()
    except TimeoutError:
        raise AssertionError(f"it was not over after {seconds:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _program(name: str, package: str) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # where Debian keeps ip, and a PATH may not look
    found = shutil.which(name, path=path)
    assert found is not None, f"{name} is missing: apt-get install {package}"
    return found
