"""The Docker engine's network: one bridge per installation, on a subnet of our choice, pods cut off from each other."""

import asyncio
import contextlib
import hashlib
import ipaddress
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from core.engines.docker.client import PATIENT, Client, Json, Refused, section
from core.engines.docker.labels import INSTALLATION_LABEL, claim, mine, network_name
from core.errors import Unavailable

_POOLS = tuple(ipaddress.IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""Tried in this order: a machine that lives in 10.0.0.0/8 itself has room only in the other two."""
_PREFIX = 20
_FIRST_HOST = 2  # .0 is the network, .1 the gateway
_TRIES = 64


class PodNetwork:
    """The network that all pods of an installation share."""

    def __init__(self, client: Client, installation: str) -> None:
        self._client = client
        self._installation = installation
        self._lock = asyncio.Lock()
        self._cursor = secrets.randbelow(1 << 12)
        self.name = network_name(installation)
        self.subnet: IPv4Network | None = None
        """None until the engine has been reached."""

    async def ensure(self, *, fresh: bool = False) -> None:
        """Find or make it; `fresh` looks again even if it is known."""
        async with self._lock:
            if self.subnet is None or fresh:
                # Not forgotten meanwhile: other starts ask for addresses at the same time.
                self.subnet = await self._find() or await self._make()

    def addresses(self) -> Iterator[str]:
        """Its host addresses, each call from the next place on, so that one just given back is the last to come."""
        if self.subnet is None:
            raise Unavailable(
                "The Docker Engine has not been reached yet, so pods have no network. Start Docker, then try again."
            )
        subnet, first = self.subnet, self._cursor
        self._cursor += 1
        room = subnet.num_addresses - _FIRST_HOST - 1
        return (str(subnet[_FIRST_HOST + (first + i) % room]) for i in range(room))

    async def gateway(self) -> str | None:
        """The daemon's machine as pods see it; None when there is no such network, or it is a stranger's."""
        found = await self._look()
        if found is None or not mine(found.get("Labels"), self._installation):
            return None
        return next((str(c["Gateway"]) for c in _configs(found) if c.get("Gateway")), None)

    async def _look(self) -> Json | None:
        try:
            return await self._client.call("GET", f"networks/{self.name}")
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def _find(self) -> IPv4Network | None:
        found = await self._look()
        if found is None:
            return None
        claim(found.get("Labels"), self._installation, f"Docker network named {self.name}")
        return next(iter(subnets([found])), None)

    async def _make(self) -> IPv4Network:
        networks = await self._client.call("GET", "networks")
        taken = [*subnets(networks), *_host_networks()]
        for tries, subnet in enumerate(free_subnets(taken, self._installation)):
            try:
                await self._client.call("POST", "networks/create", body=self._config(subnet), seconds=PATIENT)
            except Refused as error:
                # Somebody else took it since, or it clashes with a route that we cannot see.
                if "overlap" not in error.reason.lower() or tries >= _TRIES:
                    raise
            else:
                return subnet
        raise Unavailable(
            "No private address range is free for the pods' network: Docker's networks and this machine's routes "
            "cover all of them. Remove unused Docker networks (`docker network prune`), then try again."
        )

    def _config(self, subnet: IPv4Network) -> dict[str, Any]:
        return {
            "Name": self.name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "IPAM": {"Driver": "default", "Config": [{"Subnet": str(subnet), "Gateway": str(subnet[1])}]},
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
            "Labels": {INSTALLATION_LABEL: self._installation},
        }


def subnets(networks: Sequence[Mapping[str, Any]]) -> list[IPv4Network]:
    """The IPv4 subnets of Docker's networks."""
    configs = [c for n in networks for c in _configs(n)]
    found = [ipaddress.ip_network(c["Subnet"], strict=False) for c in configs if c.get("Subnet")]
    return [net for net in found if isinstance(net, IPv4Network)]


def _configs(network: Mapping[str, Any]) -> list[Json]:
    return section(network, "IPAM").get("Config") or []


def free_subnets(taken: Iterable[IPv4Network], seed: str) -> Iterator[IPv4Network]:
    """/20s that overlap nothing in `taken`; each seed begins elsewhere, so that installations seldom collide."""
    busy = tuple(taken)
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    for pool in _POOLS:
        size = 1 << (32 - _PREFIX)
        count = pool.num_addresses // size
        for i in range(count):
            base = int(pool.network_address) + (start + i) % count * size
            subnet = IPv4Network((base, _PREFIX))
            if not any(subnet.overlaps(net) for net in busy):
                yield subnet


def parse_routes(text: str) -> list[IPv4Network]:
    """The destinations in /proc/net/route, without the default route."""
    rows = [line.split() for line in text.splitlines()[1:]]
    pairs = [(_little_endian(row[1]), _little_endian(row[7])) for row in rows if len(row) > 7]
    return [IPv4Network((int(net), str(mask)), strict=False) for net, mask in pairs if int(mask)]


def parse_nameservers(text: str) -> list[IPv4Network]:
    """The name servers in resolv.conf: covering one with a bridge would cut this machine off from names."""
    words = [line.split()[1:2] for line in text.splitlines() if line.startswith("nameserver")]
    found: list[IPv4Network] = []
    for word in words:
        with contextlib.suppress(ValueError):  # an IPv6 name server, or a broken line
            found.append(IPv4Network(word[0] if word else ""))
    return found


def _little_endian(word: str) -> IPv4Address:
    return IPv4Address(bytes.fromhex(word)[::-1])


def _host_networks() -> list[IPv4Network]:
    return [*parse_routes(_text("/proc/net/route")), *parse_nameservers(_text("/etc/resolv.conf"))]


def _text(path: str) -> str:
    """Empty where the machine has no such file: Docker then refuses what overlaps."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
