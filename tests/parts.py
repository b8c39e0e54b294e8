"""Real parts for tests: Docker registries on loopback, small images in them, and the sweeping up afterwards."""

import hashlib
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import free_port

USERNAME, PASSWORD = "somebody", "right"
_HTPASSWD = f"{USERNAME}:$2b$05$0eOVhMYJnW7i9POfvrVnTOzgdhQBirLD6LBb6i7i8yxGcbu5yJF6W\n"  # bcrypt of PASSWORD
_SERVE = 'mkdir -p /www && echo "$PODKEEPER_POD_ID" > /www/index.html && exec httpd -f -p 8080 -h /www'


@dataclass(frozen=True)
class Registry:
    """A registry that runs."""

    host: str
    """As in image names: `127.0.0.1:PORT`."""

    def image(self, name: str) -> str:
        return f"{self.host}/{name}"


@dataclass(frozen=True)
class Images:
    """Small images that lie in a registry and not on the engine."""

    web: str
    """Serves the pod's id on 8080."""
    layered: str
    """As `web`, in three layers of some megabytes."""
    arm64: str
    """Made for another platform."""
    anonymous: str
    """As `web`; declares a nameless volume at /data."""


def docker(*words: str, data: bytes | None = None) -> str:
    """Run the docker command; its output."""
    done = subprocess.run(["docker", *words], input=data, capture_output=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr.decode()}"
    return done.stdout.decode().strip()


def sweep(installation: str) -> None:
    """Remove everything that an installation made on the engine."""
    label = f"label=podkeeper.installation={installation}"
    for kind, removal in (("container", ["rm", "-f", "-v"]), ("volume", ["rm", "-f"]), ("network", ["rm"])):
        listing = [kind, "ls", "-q", "--filter", label, *(["-a"] if kind == "container" else [])]
        deadline = time.monotonic() + 30
        while found := docker(*listing).split():
            # Docker lets a network go only some moments after the last of its containers.
            done = subprocess.run(["docker", kind, *removal, *found], capture_output=True, check=False)
            assert done.returncode == 0 or time.monotonic() < deadline, done.stderr.decode()
            time.sleep(0.1)


@pytest.fixture(scope="session")
def installation() -> Iterator[str]:
    """The id of an installation whose things are removed from the engine at the end."""
    name = secrets.token_hex(8)
    yield name
    sweep(name)


def _registry(folder: Path, auth: str = "") -> Iterator[Registry]:
    port = free_port()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {folder / 'data'}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n{auth}"
    )
    program = shutil.which("docker-registry")
    assert program is not None, "docker-registry is missing: apt-get install docker-registry"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        _until_open(port, process)
        yield Registry(f"127.0.0.1:{port}")
        images = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"127.0.0.1:{port}/*/*").split()
        if images:
            docker("image", "rm", "-f", *images)
    finally:
        process.terminate()
        process.wait(10)


def _until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "docker-registry ended at once"
            assert time.monotonic() < deadline, "docker-registry does not listen"
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry without a password; Docker takes loopback registries without TLS."""
    yield from _registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that asks for USERNAME and PASSWORD."""
    folder = tmp_path_factory.mktemp("private-registry")
    (folder / "htpasswd").write_text(_HTPASSWD)
    yield from _registry(folder, f"auth:\n  htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}\n")


@pytest.fixture(scope="session")
def busybox_image(docker_registry: Registry) -> Images:
    """The images, pushed."""
    images = Images(
        web=docker_registry.image("test/web:1"),
        layered=docker_registry.image("test/layered:1"),
        arm64=docker_registry.image("test/web:arm64"),
        anonymous=docker_registry.image("test/anonymous:1"),
    )
    load_web(images.web)
    load_web(images.arm64, architecture="arm64")
    load_web(images.anonymous, Volumes={"/data": {}})
    load_web(images.layered, blobs=2)
    for image in (images.web, images.arm64, images.anonymous, images.layered):
        docker("push", "-q", image)
    docker("image", "rm", "-f", images.web, images.arm64, images.anonymous, images.layered)
    return images


@pytest.fixture(scope="session")
def private_image(private_registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The web image in the private registry."""
    image = private_registry.image("test/secret:1")
    load_web(image)
    folder = str(tmp_path_factory.mktemp("docker-config"))  # the credential stays out of the user's own one
    docker(
        "--config", folder, "login", "-u", USERNAME, "--password-stdin", private_registry.host, data=PASSWORD.encode()
    )
    docker("--config", folder, "push", "-q", image)
    docker("image", "rm", "-f", image)
    return image


def load_web(image: str, *, blobs: int = 0, architecture: str = "amd64", **config: object) -> None:
    """Put an image on the engine: a static busybox whose command serves the pod's id on port 8080.

    By `docker load`: `docker import --platform` sets no architecture before Docker 23.
    """
    layers = [_busybox_tar(), *(_tar({f"blob-{i}": os.urandom(12_000_000)}) for i in range(blobs))]
    command = {"Cmd": ["sh", "-c", _SERVE], "Env": ["PATH=/bin"], "ExposedPorts": {"8080/tcp": {}}}
    described = {
        "architecture": architecture,
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": command | config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        "history": [{"created": "2026-01-01T00:00:00Z"} for _ in layers],
    }
    text = json.dumps(described).encode()
    named = {f"{n}.tar": layer for n, layer in enumerate(layers)}
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [image], "Layers": list(named)}]
    docker("load", "-q", data=_tar({**named, name: text, "manifest.json": json.dumps(manifest).encode()}))


def _busybox_tar() -> bytes:
    binary = shutil.which("busybox")
    assert binary is not None, "busybox is missing: apt-get install busybox-static"
    applets = subprocess.run([binary, "--list"], capture_output=True, check=True).stdout.decode().split()
    links = {f"bin/{applet}": "/bin/busybox" for applet in applets if applet != "busybox"}
    return _tar({"bin/busybox": Path(binary).read_bytes()}, links)


def _tar(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()
