"""What RunPod has to give, at which price, and what a spec becomes there."""

import asyncio
import difflib
import math
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pydantic import ValidationError

from core.engines.devices import fits
from core.engines.offers import Availability, CpuOffer, GpuOffer, Offers
from core.engines.runpod.account import Account, Pace
from core.engines.runpod.client import Api
from core.engines.runpod.shapes import CpuType, GpuType, read_list
from core.errors import InvalidInput, NoCapacity
from core.model import BusyAbove, GpuRequest, PodSpec, registry_of

GB = 1024**3
MOST_WEB_PORTS = 10
"""RunPod publishes so many of a pod (docs.runpod.io, pods/configuration/expose-ports)."""
MOST_VARIABLES = 50
"""As documented; three of them are ours."""
_OURS = 3
SMALLEST_DISK = 10 * GB
"""Of a volume disk, by the contract."""
_MOST_KINDS = 4
"""Tried in turn, where a word fits several."""
BUSY = BusyAbove(cpu=0.2, gpu=0.05)
"""People can pass our gateway by, by RunPod's own address; what a pod uses is the second witness."""
_AVAILABILITY = {"HIGH": 0, "MEDIUM": 1, "LOW": 2, None: 3, "NONE": 4}


class Flavor(NamedTuple):
    """A CPU pod as RunPod cuts them."""

    id: str
    vcpus: int
    memory: int
    """Bytes."""
    price: float
    """US dollars an hour."""


class Shop:
    """The catalog, remembered for some minutes."""

    def __init__(self, api: Api, account: Account, pace: Pace) -> None:
        self._api = api
        self._account = account
        self._pace = pace
        self._turn = asyncio.Lock()
        self._gpus: tuple[float, tuple[GpuType, ...]] = (-math.inf, ())
        self._cpus: tuple[float, tuple[CpuType, ...]] = (-math.inf, ())

    async def fit(self, spec: PodSpec) -> PodSpec:
        """As `Engine.fit`."""
        self._check(spec)
        changes: dict[str, object] = {}
        if not spec.idle.busy_above:
            changes["idle"] = spec.idle.model_copy(update={"busy_above": BUSY})
        if spec.volume is not None:
            changes["volume"] = max(spec.volume, SMALLEST_DISK)
        if spec.gpu is not None:
            kinds = self.choose(await self.gpus(), spec.gpu)
            changes["gpu"] = GpuRequest(type=",".join(kind.id for kind in kinds), count=spec.gpu.count)
            changes["price_per_hour"] = max(self._price(kind) for kind in kinds) * spec.gpu.count
        else:
            flavor = await self.flavor(spec)
            changes |= {"cpu": float(flavor.vcpus), "memory": flavor.memory, "price_per_hour": flavor.price}
        return spec.model_copy(update=changes)

    def choose(self, known: Iterable[GpuType], wanted: GpuRequest) -> list[GpuType]:
        """The kinds to try, in turn. InvalidInput offers the nearest; NoCapacity what has the most."""
        offered = [kind for kind in known if self._most(kind) and _sayable(kind)]
        found: list[GpuType] = []
        for word in wanted.types:
            fitting = [k for k in offered if word.lower() in (k.id.lower(), k.name.lower())]
            fitting = fitting or [k for k in offered if word.lower() == "any" or fits(word, f"{k.id} {k.name}")]
            if not fitting:
                raise InvalidInput(f"gpu: RunPod has no {word!r}. {_nearest(word, offered, self._price)}")
            found += sorted(fitting, key=lambda k: (k.availability == "NONE", self._price(k)))[:_MOST_KINDS]
        enough = [kind for kind in dict.fromkeys(found) if self._most(kind) >= wanted.count]
        if not enough:
            most = max(found, key=self._most)
            raise NoCapacity(
                f"This needs GPU {wanted}, and RunPod puts at most {self._most(most)} × {most.name or most.id} into "
                "one pod. Nothing was started and nothing is charged."
            )
        return enough[:8]

    async def flavor(self, spec: PodSpec) -> Flavor:
        """The cheapest CPU pod that has what the spec asks for; NoCapacity names the largest."""
        cuts = [cut for kind in await self.cpus() for cut in _cuts(kind)]
        enough = [cut for cut in cuts if cut.vcpus >= spec.cpu and cut.memory >= spec.memory]
        if not enough:
            most = max(cuts, key=lambda cut: (cut.vcpus, cut.memory), default=None)
            has = f"{most.vcpus} vCPUs with {most.memory // GB} GB" if most is not None else "no CPU pods"
            raise NoCapacity(
                f"This needs {spec.cpu:g} vCPUs with {spec.memory / GB:.3g} GB of memory, and the most that RunPod has "
                f"is {has}. Nothing was started and nothing is charged."
            )
        return min(enough, key=lambda cut: (cut.price, cut.memory, cut.id))

    async def offers(self) -> Offers:
        """As `Engine.offers`: every kind that can be asked for, and the cheapest vCPU with 2 GB or more."""
        gpus = tuple(
            GpuOffer(
                type=kind.id,
                name=kind.name or kind.id,
                memory=kind.memory * GB,
                most=self._most(kind),
                price_per_hour=self._price(kind),
                availability=_level(kind.availability),
            )
            for kind in await self.gpus()
            if self._most(kind) and _sayable(kind)
        )
        cuts = [cut for kind in await self.cpus() for cut in _cuts(kind) if cut.memory >= cut.vcpus * 2 * GB]
        if not cuts:
            return Offers(gpus=gpus)
        price = min(cut.price / cut.vcpus for cut in cuts)
        most = max(cut.vcpus for cut in cuts)
        return Offers(gpus=gpus, cpu=CpuOffer(most=most, price_per_hour=price, availability=Availability.HIGH))

    async def gpus(self) -> tuple[GpuType, ...]:
        """Every kind, with its price and what there is of it now."""
        async with self._turn:
            if time.monotonic() - self._gpus[0] > self._pace.prices:
                query = {"include": "AVAILABILITY", "product": "POD", "cloud": self._account.cloud}
                answer = await self._api.get("catalog/gpus", query)
                self._gpus = time.monotonic(), read_list(GpuType, answer, "gpus")
            return self._gpus[1]

    async def cpus(self) -> tuple[CpuType, ...]:
        """Every flavor."""
        async with self._turn:
            if time.monotonic() - self._cpus[0] > self._pace.prices:
                answer = await self._api.get("catalog/cpus", {"include": "AVAILABILITY", "product": "POD"})
                self._cpus = time.monotonic(), read_list(CpuType, answer, "cpus")
            return self._cpus[1]

    def _check(self, spec: PodSpec) -> None:
        """What no pod at RunPod can have."""
        nothing = "Nothing was started and nothing is charged."
        if len(spec.http_ports) > MOST_WEB_PORTS:
            raise InvalidInput(
                f"ports: RunPod publishes at most {MOST_WEB_PORTS} web ports of a pod, and this has "
                f"{len(spec.http_ports)}. {nothing}"
            )
        if len(spec.env) + _OURS > MOST_VARIABLES:
            raise InvalidInput(
                f"env: RunPod takes at most {MOST_VARIABLES} variables, of which {_OURS} are Podkeeper's, and this has "
                f"{len(spec.env)}. {nothing}"
            )
        if spec.volume is not None and spec.gpu is None:
            raise InvalidInput(
                "volume: RunPod gives pods without a GPU no volume disk. Start it with a GPU (gpu any), with a network "
                f"volume, or with volume 0: what it writes is then lost when it stops. {nothing}"
            )
        host = registry_of(spec.image)
        if host.partition(":")[0] in ("localhost", "127.0.0.1") and not self._account.local:
            raise InvalidInput(
                f"image: RunPod cannot reach the registry {host}, which is on this machine. Push the image to one on "
                f"the internet. {nothing}"
            )
        if spec.network_volume is not None and self._account.cloud != "SECURE":
            raise InvalidInput(f"network-volume: RunPod has them in its SECURE cloud only (RUNPOD_CLOUD). {nothing}")

    def _price(self, kind: GpuType) -> float:
        return kind.price.secure if self._account.cloud == "SECURE" else kind.price.community

    def _most(self, kind: GpuType) -> int:
        if kind.max_count is None:
            return 1
        return kind.max_count.secure if self._account.cloud == "SECURE" else kind.max_count.community


def _sayable(kind: GpuType) -> bool:
    """Its id can stand in a request of ours; RunPod may call a kind anything."""
    try:
        return GpuRequest(type=kind.id).types == (kind.id,)
    except ValidationError:
        return False


def _level(word: str | None) -> Availability | None:
    """RunPod may have words for it that we do not know."""
    return Availability(word) if word in set(Availability) else None


def _cuts(kind: CpuType) -> Iterable[Flavor]:
    """A flavor's sizes: RunPod wants a power of two of vCPUs, two at least."""
    if kind.availability == "NONE":
        return
    vcpus = 2
    while vcpus <= kind.vcpu.max:
        if vcpus >= kind.vcpu.min:
            memory = int(vcpus * kind.ram_gb_per_vcpu * GB)
            yield Flavor(kind.id, vcpus, memory, round(vcpus * kind.price.secure_per_vcpu, 4))
        vcpus *= 2


def _nearest(word: str, offered: list[GpuType], price: Callable[[GpuType], float]) -> str:
    if not offered:
        return "It offers no GPUs to this account now."
    names = {(kind.name or kind.id): kind for kind in offered}
    lower = {name.lower(): name for name in names}
    near = [lower[name] for name in difflib.get_close_matches(word.lower(), lower, n=3, cutoff=0.3)]
    chosen = near or sorted(names, key=lambda name: (_AVAILABILITY.get(names[name].availability, 3), name))[:5]
    told = [
        f"{name} ({names[name].memory} GB, ${price(names[name]):.2f} an hour"
        + (f", availability {names[name].availability}" if names[name].availability else "")
        + ")"
        for name in chosen
    ]
    return f"{'Did you mean' if near else 'It has'} {', '.join(told)}{'?' if near else '.'}"
