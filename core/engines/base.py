"""The engine seam: what every place that runs pods must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from core.engines.offers import Offers
from core.model import Credential, Frozen, Gpu, Line, Pod, PodSpec, Stage, Upstream, Volume, Wake, text_of


class Features(Frozen):
    """Small differences between engines."""

    network_volumes: bool
    container_disk_limit: bool
    """It enforces `PodSpec.container_disk`."""
    usage: bool
    """`usage` answers."""
    expose: bool
    """`upstream` answers, so that the ports of a running pod can be changed."""
    wake: Wake
    """What a visit to a sleeping pod's address does, unless the pod's spec says otherwise."""
    devices: bool = True
    """It has GPU devices of its own (`gpus`), which are claimed by UUID; otherwise it finds some for each start."""
    keeps_pods: bool = False
    """A stopped pod stays there under its reference, and its next run begins in it: nothing is removed before that."""
    tells_stoppable: bool = False
    """It says itself whether a pod with a network volume can be stopped (`Step.stoppable`)."""
    direct_tcp: bool = False
    """People reach TCP ports at the engine's own addresses, past the gateway, which does not count them."""
    poll: float = 0.25
    """Seconds between two looks at a pod that is not ready yet."""
    remark: str | None = None
    """What its limits mean for a pod with web addresses; a sentence, told at each start."""


class Order(Frozen):
    """One run of one pod, with everything that was decided for it."""

    pod: Pod
    address: str | None = None
    """The address claimed for it, from `Engine.addresses`."""
    gpus: tuple[str, ...] = ()
    """UUIDs of the devices claimed for it."""
    credential: Credential | None = Field(default=None, repr=False)
    """For the image's registry."""
    environment: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """The pod's whole environment, the documented variables included."""


class Step(Frozen):
    """One move of a start. What it carries is saved before the next, costlier one."""

    stage: Stage
    message: str
    fraction: float | None = None
    ref: str | None = None
    upstreams: Mapping[int, Upstream] | None = None
    price_per_hour: float | None = None
    """US dollars that the engine charges from now on, where it says so."""
    gpu: str | None = None
    """The kind that it got, of those that were asked for."""
    stoppable: bool | None = None
    """Whether the engine lets it be stopped and begun again, where it says so."""


class Instance(Frozen):
    """Something of ours on the engine."""

    pod_id: str
    run: int
    """0 where the engine's `list` cannot tell."""
    ref: str
    running: bool
    exit_code: int | None = None
    out_of_memory: bool = False
    upstreams: Mapping[int, Upstream] = Field(default_factory=dict[int, Upstream])
    resting: bool = False
    """It is kept for the next run and uses no compute: nothing is left over."""
    double: bool = False
    """There is another one of the same pod, which is the pod's own; this one should not be."""
    words: str | None = None
    """What became of it, in the engine's own words; in place of what the exit code says."""


class Usage(Frozen):
    """A pod's share of what it was given, 0..1 (1 = all of it); None where the engine cannot tell.

    `cpu` and `gpu` are averages since `usage` was last asked for this run of the pod (the first time: since a moment
    of the engine's choosing); `gpu` is that of its busiest device, and None for a pod without one.
    """

    cpu: float | None = None
    memory: float | None = None
    gpu: float | None = None


class Engine(ABC):
    """Where pods run.

    Every verb may be called twice and after the thing is gone: that is success, not an error. Every verb may take
    as long as the engine takes; none blocks the event loop. Only PodErrors come out: `Unavailable` when the engine
    does not answer (nothing is known then), `PodFailed` when the pod's own image, command or memory is at fault,
    `NoCapacity`, `InvalidInput`, `Conflict`.
    """

    name: ClassVar[str]
    features: ClassVar[Features]

    @abstractmethod
    async def open(self, installation: str) -> None:
        """Connect, and make what all pods share (their network).

        `installation` is the id of this Podkeeper; it is written on everything made here, and whatever carries
        another one is a stranger's and never touched. Does not fail when the engine is down: later verbs do.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections; pods keep running."""

    @abstractmethod
    async def check(self) -> str:
        """One sentence about the engine (`Docker Engine 27.1 at unix:///…`), or Unavailable with how to mend it."""

    @abstractmethod
    async def gpus(self) -> tuple[Gpu, ...]:
        """The devices there are, free or not; none where `Features.devices` says so."""

    @abstractmethod
    async def offers(self) -> Offers:
        """What it has for pods, at which price; without the kinds of its own devices, which `gpus` tells."""

    @abstractmethod
    async def fit(self, spec: PodSpec) -> PodSpec:
        """The spec as this engine would run it: with the kind of GPU by its whole name, and the price, where it knows.

        What it can never run is refused here, before anything is made or charged: InvalidInput says which limit, and
        NoCapacity what there is instead. What has been fitted fits unchanged.
        """

    @abstractmethod
    def addresses(self) -> Iterable[str] | None:
        """Addresses a pod may be given, in the order to try; None when the engine gives them itself.

        Which are free is the store's to say: an address is claimed there before a start and given back only after
        the gateway has acknowledged that its route is gone, so that no address answers with another pod's page.
        """

    @abstractmethod
    def start(self, order: Order) -> AsyncGenerator[Step]:
        """Pull, create and start; the caller saves what each step carries before asking for the next one.

        The first step that could leave something behind carries `ref`; the last one `upstreams` (one for each
        declared port). Leftovers of the same pod from other runs are removed; an instance of this very run that is
        already there is taken over. Closing the iterator early leaves what was made: call `stop`. Fails with
        PodFailed (no such image or tag, wrong platform, command cannot be started, exits at once), Unavailable
        (engine or registry down), NoCapacity, InvalidInput (registry refuses the credential).
        """

    @abstractmethod
    async def stop(self, pod: Pod, grace: float = 10) -> None:
        """End whatever runs of this pod, in any run, and remove it with its container disk; keep its volume disk.

        `grace` is how many seconds it may take to end by itself. Returns once the engine says that it is gone.
        """

    async def abandon(self, pod: Pod) -> bool:
        """As `stop`, after a start that failed: what only this start has made may go altogether.

        True when it has: its reference leads nowhere any more.
        """
        await self.stop(pod, grace=1)
        return not self.features.keeps_pods

    @abstractmethod
    async def terminate(self, pod: Pod) -> None:
        """As `stop`, and remove the volume disk. A network volume is left alone."""

    @abstractmethod
    async def inspect(self, pod: Pod) -> Instance | None:
        """The instance of the pod's present run; None when there is none."""

    @abstractmethod
    async def list(self) -> tuple[Instance, ...]:
        """Everything of this installation, running or not; Unavailable rather than a part of it."""

    @abstractmethod
    async def halt(self, instance: Instance) -> None:
        """Stop an instance that no row claims, and leave it there for a person to look at."""

    @abstractmethod
    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        """The last `tail` lines of both streams, in turn; none when nothing is left of the pod.

        `since`: only those written then and later.
        """

    async def logs(self, pod: Pod, tail: int) -> str:
        """As `lines`, as one text."""
        return text_of(await self.lines(pod, tail))

    @abstractmethod
    async def usage(self, pod: Pod) -> Usage:
        """What it uses now, of what it was given; nothing but None when it does not run."""

    @abstractmethod
    async def upstream(self, pod: Pod, port: int) -> Upstream | None:
        """Where a port of the running pod is reached, declared or not; None when it cannot be."""

    @abstractmethod
    async def inside(self) -> str | None:
        """This machine's address as pods see it from their network; None when there is none."""

    @abstractmethod
    def changes(self) -> AsyncGenerator[str]:
        """Pod ids whose instance has just ended or run out of memory, as the engine tells.

        Never ends by itself; while the engine is away it waits for it. Losing some is allowed: the reconciler
        looks at everything each minute.
        """

    @abstractmethod
    async def create_volume(self, volume: Volume) -> None:
        """Make the storage of a network volume."""

    @abstractmethod
    async def grow_volume(self, volume: Volume) -> None:
        """Give its storage the size that it says, which is no less than before; PodFailed when it is gone."""

    @abstractmethod
    async def delete_volume(self, volume: Volume) -> None:
        """Remove it with its data; Conflict when something still mounts it."""
