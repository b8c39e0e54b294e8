"""The Docker engine's pure parts: what a container is made of, which subnet is free, what the daemon's words mean."""

import shutil
import struct
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from core.engines.docker import gpus, layers, refusals, standin, streams, usage
from core.engines.docker.client import Refused, away
from core.engines.docker.config import create_config
from core.engines.docker.network import free_subnets, parse_nameservers, parse_routes, subnets
from core.engines.docker.pull import explain
from core.engines.fake import FakeEngine
from core.errors import Conflict, InvalidInput, NoCapacity, PodFailed, Unavailable
from core.model import Credential, Gpu, registry_of
from tests.core.engines.orders import MB, make_pod, order_of

CREDENTIAL = Credential(host="ghcr.io", username="someone", secret="the-secret")


def test_gpus_are_asked_for_as_whole_devices() -> None:
    order = order_of(FakeEngine(), make_pod("x"), gpus=("GPU-1", "GPU-2"))
    config = create_config(order, "x", "net", "i")
    assert config["HostConfig"]["DeviceRequests"] == [{"DeviceIDs": ["GPU-1", "GPU-2"], "Capabilities": [["gpu"]]}]
    without = create_config(order_of(FakeEngine(), make_pod("x")), "x", "net", "i")
    assert "DeviceRequests" not in without["HostConfig"]


def test_a_container_has_the_orders_address_environment_and_command() -> None:
    order = order_of(FakeEngine(), make_pod("x", args=("sh", "-c", "a b")), environment={"K": "v=1"})
    config = create_config(order, "tag", "net", "i")
    assert config["Image"] == "tag"
    assert config["Cmd"] == ["sh", "-c", "a b"]
    assert "K=v=1" in config["Env"]
    assert config["NetworkingConfig"]["EndpointsConfig"]["net"]["IPAMConfig"]["IPv4Address"] == order.address
    assert config["HostConfig"]["NetworkMode"] == "net"
    assert "Cmd" not in create_config(order_of(FakeEngine(), make_pod("x")), "x", "net", "i")


def test_a_network_volume_takes_the_place_of_the_volume_disk() -> None:
    pod = make_pod("x", volume=MB, network_volume="v1", volume_path="/data")
    mounts = create_config(order_of(FakeEngine(), pod), "x", "net", "i")["HostConfig"]["Mounts"]
    assert mounts == [{"Type": "volume", "Source": "podkeeper-volume-v1", "Target": "/data"}]


ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
"""


def test_the_hosts_routes_are_read_without_the_default_route() -> None:
    assert parse_routes(ROUTES) == [IPv4Network("192.0.2.0/24"), IPv4Network("10.0.0.0/8")]
    assert parse_routes("") == []


def test_name_servers_are_read_and_others_left_out() -> None:
    text = "# x\nnameserver 10.0.0.2\nnameserver fd00::1\nnameserver\nsearch example\n"
    assert parse_nameservers(text) == [IPv4Network("10.0.0.2/32")]


def test_a_free_subnet_overlaps_nothing_and_is_the_same_for_a_seed() -> None:
    taken = [IPv4Network("10.0.0.0/9"), IPv4Network("10.192.0.5/32")]
    found = list(free_subnets(taken, "seed"))
    assert found[0].prefixlen == 20
    assert not any(net.overlaps(t) for net in found for t in taken)
    assert found[0] == next(free_subnets(taken, "seed"))
    assert next(free_subnets([], "another")) != next(free_subnets([], "seed"))


def test_a_machine_that_lives_in_10_gets_a_subnet_elsewhere() -> None:
    assert next(free_subnets([IPv4Network("10.0.0.0/8")], "seed")).subnet_of(IPv4Network("172.16.0.0/12"))


def test_dockers_subnets_are_read_with_what_is_missing() -> None:
    networks = [
        {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/64"}]}},
        {"IPAM": {"Config": None}},
        {"IPAM": None},
    ]
    assert subnets(networks) == [IPv4Network("172.17.0.0/16")]


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("busybox:stable", "docker.io"),
        ("user/image", "docker.io"),
        ("ghcr.io/org/image:1", "ghcr.io"),
        ("localhost/x", "localhost"),
        ("127.0.0.1:5000/x@sha256:00", "127.0.0.1:5000"),
    ],
)
def test_the_registry_in_an_image_name(image: str, host: str) -> None:
    assert registry_of(image) == host


# Recorded from dockerd 20.10 and 28, and from the registries of Docker and GitHub.
PULLS = [
    ("manifest for ghcr.io/o/i:x not found: manifest unknown: manifest unknown", PodFailed, "has no image"),
    (
        "pull access denied for o/i, repository does not exist or may require 'docker login': denied: requested access",
        PodFailed,
        "does not exist, or is private.*registry add ghcr.io",
    ),
    ('Head "https://ghcr.io/v2/o/i/manifests/x": no basic auth credentials', InvalidInput, "asks for a password"),
    ("unauthorized: authentication required", InvalidInput, "registry add ghcr.io"),
    ('Head "https://ghcr.io/v2/o/i/manifests/x": denied: denied', InvalidInput, "asks for a password"),
    ('Get "https://ghcr.io/v2/": dial tcp 127.0.0.1:1: connect: connection refused', Unavailable, "cannot be reached"),
    ('Get "https://ghcr.io/v2/": dial tcp: lookup ghcr.io: no such host', Unavailable, "cannot be reached"),
    ('Get "https://ghcr.io/v2/": context deadline exceeded', Unavailable, "cannot be reached"),
    ("Get https://ghcr.io/v2/: http: server gave HTTP response to HTTPS client", Unavailable, "insecure-registries"),
    ("x509: certificate signed by unknown authority", Unavailable, "insecure-registries"),
    ("toomanyrequests: You have reached your pull rate limit", Unavailable, "limits how often"),
    ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", NoCapacity, "disk is full"),
    ("no matching manifest for linux/amd64 in the manifest list entries", PodFailed, "--platform linux/amd64"),
    ("something new", PodFailed, "could not be pulled: something new"),
]


@pytest.mark.parametrize(("message", "kind", "words"), PULLS)
def test_the_daemons_words_about_a_pull_have_a_meaning(message: str, kind: type[Exception], words: str) -> None:
    error = explain("ghcr.io/o/i:x", message, None)
    assert type(error) is kind
    with pytest.raises(kind, match=words):
        raise error


@pytest.mark.parametrize("message", [message for message, *_ in PULLS])
def test_a_credential_is_never_in_an_error(message: str) -> None:
    assert "the-secret" not in str(explain("ghcr.io/o/i:x", message, CREDENTIAL))


def test_a_refused_credential_is_told_from_a_missing_one() -> None:
    error = explain("ghcr.io/o/i:x", "unauthorized: incorrect username or password", CREDENTIAL)
    assert "refuses the stored credential of someone" in str(error)


REFUSALS = [
    (
        'OCI runtime create failed: starting container process: exec: "nope": executable file not found in $PATH',
        PodFailed,
        "'nope' cannot be started in web:1: executable file not found",
    ),
    (
        'failed to create task: OCI runtime create failed: runc create failed: exec: "/run.sh": permission denied',
        PodFailed,
        "'/run.sh' cannot be started in web:1: permission denied",
    ),
    ("OCI runtime create failed: mkdir /proc/x: unknown", PodFailed, "cannot be started"),
    ("Address already in use", Unavailable, "start it again"),
    ('Conflict. The container name "/p" is already in use by container "1".', Conflict, "left alone"),
    ('could not select device driver "" with capabilities: [[gpu]]', NoCapacity, "Container Toolkit"),
    ("Minimum memory limit allowed is 6MB", PodFailed, "too little memory"),
    ("No command specified", PodFailed, "no command of its own"),
    ("something new", Refused, "something new"),
]


@pytest.mark.parametrize(("message", "kind", "words"), REFUSALS)
def test_the_daemons_words_about_a_container_have_a_meaning(message: str, kind: type[Exception], words: str) -> None:
    error = refusals.explain(Refused(500, message), "web:1")
    assert type(error) is kind
    assert words in str(error)


def test_a_socket_that_may_not_be_used_is_told_with_the_group() -> None:
    reason = "Cannot connect to Docker Engine via unix:///s [Cannot connect to unix socket s [Permission denied]]"
    assert "usermod -aG docker" in away("unix:///s", reason)
    assert "systemctl start docker" in away("unix:///s", "[No such file or directory]")


def test_layers_are_added_up_and_never_fall_back() -> None:
    pulled = layers.Layers()
    events = [
        {"status": "Pulling from test/web", "id": "1"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "a"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "b"},
        {"status": "Already exists", "progressDetail": {}, "id": "c"},
        {"status": "Downloading", "progressDetail": {"current": 5_000_000, "total": 10_000_000}, "id": "a"},
        {"status": "Downloading", "progressDetail": {"current": 1_000_000, "total": 90_000_000}, "id": "b"},
        {"status": "Download complete", "progressDetail": {}, "id": "a"},
        {"status": "Extracting", "progressDetail": {"current": 1, "total": 10_000_000}, "id": "a"},
        {"status": "Pull complete", "progressDetail": {}, "id": "a"},
        {"status": "Download complete", "progressDetail": {}, "id": "b"},
        {"status": "Pull complete", "progressDetail": {}, "id": "b"},
        {"status": "Digest: sha256:00"},
    ]
    fractions: list[float] = []
    messages: list[str] = []
    for event in events:
        pulled.feed(event)
        fractions.append(pulled.fraction)
        messages.append(pulled.message)
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, pytest.approx(1.0))
    assert messages[5] == "1 of 3 layers, 6 of 100 MB"
    assert messages[-1] == "3 of 3 layers, 100 of 100 MB"


def test_a_pull_moves_when_a_byte_has_come() -> None:
    pulled = layers.Layers()
    pulled.feed({"status": "Pulling fs layer", "progressDetail": {}, "id": "a"})
    assert not pulled.moving
    pulled.feed({"status": "Downloading", "progressDetail": {"current": 1, "total": 2}, "id": "a"})
    assert pulled.moving


def _log(*entries: tuple[int, int, bytes]) -> bytes:
    """As `docker logs --timestamps` tells: stream, nanosecond, text."""
    frames = [(stream, f"2026-11-24T14:00:00.{at:09}Z ".encode() + text) for stream, at, text in entries]
    return b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in frames)


def test_logs_of_both_streams_become_lines_with_their_times() -> None:
    raw = _log((1, 1_000, b"out\n"), (2, 2_500, b"err\r\n"), (1, 3_000, "é".encode()[:1] + b"\n"), (2, 4_000, b"open"))
    at = datetime(2026, 11, 24, 14, 0, 0, tzinfo=UTC)
    assert [(line.text, (line.at - at) // timedelta(microseconds=1)) for line in streams.lines(raw)] == [
        ("out", 1),
        ("err", 2),
        ("\N{REPLACEMENT CHARACTER}", 3),
        ("open", 4),
    ]
    assert streams.lines(b"") == ()
    assert [line.text for line in streams.lines(raw[:-2])] == ["out", "err", "\N{REPLACEMENT CHARACTER}", "op"]


def test_a_long_line_that_the_engine_has_cut_is_one_again() -> None:
    raw = _log((1, 1_000, b"a" * 16_384), (2, 2_000, b"between\n"), (1, 3_000, b"b\n"), (1, 4_000, b"next\n"))
    between, long, after = streams.lines(raw)
    assert (between.text, after.text) == ("between", "next")
    assert long.text == "a" * 16_384 + "b"
    assert between.at < long.at < after.at
    [unfinished] = streams.lines(_log((1, 1_000, b"a" * 16_384)))
    assert unfinished.at < long.at, "whoever has read that reads the whole"


def test_an_entry_without_a_time_is_kept_whole() -> None:
    data = b"no time\n"
    [line] = streams.lines(struct.pack(">BxxxL", 1, len(data)) + data)
    assert (line.text, line.at.year) == ("no time", 1970)


def test_cpu_is_the_average_share_of_what_was_given() -> None:
    before = usage.cpu_sample({"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 4000, "online_cpus": 4})
    now = usage.cpu_sample({"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 8000, "online_cpus": 4})
    assert before is not None
    assert now is not None
    assert usage.cpu_share(before, now, 2) == pytest.approx(0.1)
    assert usage.cpu_share(before, now, 0.1) == 1
    assert usage.cpu_share(now, now, 2) is None
    assert usage.cpu_share(None, now, 2) is None
    assert usage.cpu_sample({"cpu_usage": {"total_usage": 0}}) is None


def test_a_look_too_soon_goes_on_with_the_average_of_the_one_before() -> None:
    first, second, soon, third = (
        usage.CpuSample(used, round(elapsed * usage.SHORTEST))
        for used, elapsed in ((0, 0), (10, 30), (10, 30.01), (20, 60))
    )
    assert usage.window(None, None, first) == (None, first)
    assert usage.window(None, first, second) == (first, second)
    assert usage.window(first, second, soon) == (first, second)
    assert usage.window(None, second, soon) == (second, second)
    assert usage.window(first, second, third) == (second, third)


def test_memory_is_the_share_of_the_limit_without_the_cache_that_can_be_dropped() -> None:
    assert usage.memory_share({"usage": 600, "limit": 1000, "stats": {"inactive_file": 100}}) == 0.5
    assert usage.memory_share({"usage": 600, "limit": 1000, "stats": {"total_inactive_file": 200}}) == 0.4
    assert usage.memory_share({"usage": 600, "limit": 1000}) == 0.6
    assert usage.memory_share({}) is None


# As nvidia-smi prints it, with a line that a broken device gives.
SMI = """GPU-4f1d6e0a-1c2b-3d4e-5f60-718293a4b5c6, NVIDIA A100-SXM4-80GB, 81920
GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9, NVIDIA H100 80GB HBM3, 81559
Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error
"""


def test_gpus_are_read_from_nvidia_smi() -> None:
    found = gpus.parse(SMI)
    assert found == (
        Gpu(uuid="GPU-4f1d6e0a-1c2b-3d4e-5f60-718293a4b5c6", type="NVIDIA A100-SXM4-80GB", memory=81920 * MB),
        Gpu(uuid="GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", type="NVIDIA H100 80GB HBM3", memory=81559 * MB),
    )
    assert gpus.parse("") == ()


def test_a_static_program_is_told_from_others() -> None:
    busybox = shutil.which("busybox")
    assert busybox is not None
    assert standin.is_static(Path(busybox).read_bytes()[:4096])
    assert not standin.is_static(Path("/bin/ls").read_bytes()[:4096])
    assert not standin.is_static(b"#!/bin/sh\n")
    assert not standin.is_static(b"")
