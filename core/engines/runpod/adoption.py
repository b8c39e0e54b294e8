"""A pod of the account that Podkeeper did not make: what it is, in our words, and our mark on it afterwards."""

import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
from pydantic import ValidationError

from core.engines.runpod.account import Account, Pace
from core.engines.runpod.client import Api
from core.engines.runpod.marks import INSTALLATION, POD, Marks
from core.engines.runpod.problems import Undecided
from core.engines.runpod.shapes import GONE, Named, PodShape, Shape, read, read_list
from core.engines.runpod.shop import BUSY, GB, Shop
from core.errors import Conflict, InvalidInput, NoCapacity, NotFound, Unavailable
from core.model import IdleRule, PodSpec, Upstream
from core.units import shorten

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEX = re.compile(r"[0-9a-f]+")
_THEIRS = ("PODKEEPER_", "RUNPOD_")
"""Variables that begin so are set by whoever runs the pod."""
_LARGEST_PORT = 65535
VCPU_PER_GPU, GB_PER_GPU = 2, 8
"""The least that RunPod gives with each GPU; of a GPU pod that is there it tells neither."""
GB_PER_VCPU = 2


class Candidate(PodShape):
    """A pod that may be taken in."""

    cluster: Mapping[str, Any] | None = None
    """It is part of one."""


class Persistent(Shape):
    """A volume disk; GB."""

    size: int
    path: str


class Network(Shape):
    """A network volume, by RunPod's id."""

    volume_id: str
    path: str


class Mounts(Shape):
    """At most one of both."""

    persistent: Persistent | None = None
    network: tuple[Network, ...] = ()


class Claim(NamedTuple):
    """Whose mark a pod carries."""

    installation: str
    pod_id: str


class Adoption:
    """What `podkeeper adopt` asks of one account, for one installation. Only PodErrors come out."""

    def __init__(
        self,
        account: Account,
        installation: str,
        *,
        pace: Pace | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`transport`: another one than the network."""
        pace = pace or Pace()
        self._account = account
        self._api = Api(account, pace, transport)
        self._shop = Shop(self._api, account, pace)
        self._marks = Marks(installation)

    async def close(self) -> None:
        """Give up the connections."""
        await self._api.close()

    async def find(self, ref: str) -> Candidate:
        """The pod of this id at RunPod. NotFound, InvalidInput (that is no id), Unavailable."""
        if not _ID.fullmatch(ref):
            raise InvalidInput(f"{shorten(ref)!r} is not the id of a pod at RunPod, such as 7h9k2m4n6pq1rs.")
        try:
            return read(Candidate, await self._api.get(f"pods/{ref}"))
        except NotFound:
            raise NotFound(
                f"The account of RUNPOD_API_KEY has no pod {ref}. RunPod's console shows the ids; they are also the "
                "first part of the pods' addresses."
            ) from None

    def claim(self, found: Candidate) -> Claim | None:
        """Whose it is by the mark that it carries, ours before any other; None: nobody's."""
        ours = self._marks.of(found.name, found.env)
        if ours is not None:
            return Claim(self._marks.installation, ours)
        env = found.env or {}
        if env.get(INSTALLATION) and env.get(POD):
            return Claim(env[INSTALLATION], env[POD])
        for word in found.name.split("-"):
            pod_id = Marks(word).of_name(found.name)
            # An installation is called by hexadecimal digits; `my-pk-training-experiment` is nobody's mark.
            if pod_id is not None and _HEX.fullmatch(word):
                return Claim(word, pod_id)
        return None

    def doors(self, found: Candidate, spec: PodSpec) -> Mapping[int, Upstream]:
        """Where RunPod publishes its web ports."""
        return {port: self._account.upstream(found.id, port) for port in spec.http_ports}

    async def volume(self, found: Candidate) -> str | None:
        """Our id of its network volume; None when it has none. Conflict when that is none of ours."""
        mounted = next(iter(_mounts(found).network), None)
        if mounted is None:
            return None
        known = read_list(Named, await self._api.get("network-volumes"), "networkVolumes")
        name = next((one.name for one in known if one.id == mounted.volume_id), "")
        ours = self._marks.of_name(name)
        if ours is None:
            raise Conflict(
                f"It has the network volume {shorten(name or mounted.volume_id)}, which Podkeeper did not make and "
                "could not mount again. Nothing was changed. Copy what you need to one of `podkeeper volume create`, "
                "and start a new pod with that."
            )
        return ours

    async def fit(self, spec: PodSpec, found: Candidate) -> PodSpec:
        """With the witness that every pod here has, and the price; its size is what it has. Fails as `Engine.fit`."""
        try:
            fitted = await self._shop.fit(spec)
        except NoCapacity:
            # RunPod has no second one to give just now, which says nothing about one that is there.
            fitted = spec.model_copy(update={"idle": spec.idle.model_copy(update={"busy_above": BUSY})})
        price = found.cost or await self._price(found) or fitted.price_per_hour
        changes = {"idle": fitted.idle, "volume": fitted.volume, "gpu": fitted.gpu, "price_per_hour": price}
        return spec.model_copy(update=changes)

    async def _price(self, found: Candidate) -> float | None:
        """US dollars an hour of the flavor that a stopped CPU pod has, which need not be the cheapest one."""
        if found.cpu is None:
            return None
        kind = next((kind for kind in await self._shop.cpus() if kind.id == found.cpu.id), None)
        return round(found.cpu.vcpu_count * kind.price.secure_per_vcpu, 4) if kind is not None else None

    async def mark(self, ref: str, name: str, pod_id: str) -> None:
        """Give it the name there that says whose it is; RunPod does that while it runs. May be called twice."""
        body = {"name": self._marks.name(name, pod_id)}
        try:
            answer = await self._api.patch(f"pods/{ref}", body)
        except Undecided:
            # The same name once more is as good as once.
            answer = await self._api.patch(f"pods/{ref}", body)
        if self._marks.of_name(read(Candidate, answer).name) != pod_id:
            raise Unavailable("RunPod answered, and kept the name that the pod had.")


def check(found: Candidate) -> None:
    """Conflict for what cannot be taken in as it is now, with what to do."""
    if found.cluster is not None:
        raise Conflict(
            f"It is part of the cluster {found.cluster.get('id', '')}, which RunPod starts and stops as a whole. "
            "Podkeeper takes in pods that stand alone."
        )
    if found.status == GONE:
        raise Conflict("RunPod says TERMINATED of it: it is gone for good.")
    if found.status not in ("RUNNING", "EXITED"):
        instead = "Terminate it in RunPod's console" if found.status == "ERROR" else "Try again in a minute"
        raise Conflict(
            f"RunPod says {shorten(found.status)} of it, and only a pod that is RUNNING or EXITED can be taken in. "
            f"{instead}."
        )


def spec_of(found: Candidate, idle: IdleRule, *, template: str, network_volume: str | None = None) -> PodSpec:
    """What RunPod tells of a pod as a spec of ours; `network_volume` by our id. InvalidInput for what has no words."""
    mounts = _mounts(found)
    disk = mounts.persistent
    told: dict[str, Any] = {
        "template": template,
        "image": found.image,
        "args": _words(found.args or ""),
        "env": {name: value for name, value in (found.env or {}).items() if not name.startswith(_THEIRS)},
        "ports": [port for port in found.ports or () if not _symmetrical(port)],
        "container_disk": found.disk * GB if found.disk else None,
        "volume": disk.size * GB if disk is not None else None,
        "network_volume": network_volume,
        "idle": idle,
    }
    for mount in (*mounts.network, *((disk,) if disk is not None else ())):
        told["volume_path"] = mount.path
    try:
        return PodSpec.model_validate(told | _size(found))
    except ValidationError as error:
        fields = ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]}))
        raise InvalidInput(
            f"RunPod tells {fields} of it in words that Podkeeper has not. Nothing was changed."
        ) from None


def unseen(found: Candidate) -> tuple[str, ...]:
    """Ports above every real one, which RunPod maps under equal numbers: they have no address here."""
    return tuple(port for port in found.ports or () if _symmetrical(port))


def _size(found: Candidate) -> dict[str, Any]:
    if found.gpu is not None:
        count = found.gpu.count
        return {
            "gpu": {"type": found.gpu.id, "count": count},
            "cpu": VCPU_PER_GPU * count,
            "memory": GB_PER_GPU * count * GB,
        }
    if found.cpu is None:
        return {}
    vcpus = found.cpu.vcpu_count
    return {"cpu": vcpus, "memory": int((found.cpu.memory or GB_PER_VCPU * vcpus) * GB)}


def _mounts(found: Candidate) -> Mounts:
    return read(Mounts, found.mounts or {})


def _symmetrical(port: str) -> bool:
    number = port.partition("/")[0]
    return number.isascii() and number.isdigit() and int(number[:9]) > _LARGEST_PORT


def _words(args: str) -> list[str]:
    try:
        return shlex.split(args)
    except ValueError as error:
        raise InvalidInput(f"Its command cannot be read as a shell reads it ({error}). Nothing was changed.") from None
