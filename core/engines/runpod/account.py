"""Whose account it is, where its pods are reached, and how patiently RunPod is asked."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.model import Upstream

PROXY = "https://proxy.runpod.net"
"""Where RunPod publishes web ports: `{pod}-{port}.` goes before the host (docs.runpod.io, pods/configuration)."""


@dataclass(frozen=True)
class Account:
    """What the settings say."""

    key: str = field(repr=False)
    base_url: str = "https://api.runpod.io"
    """Without `/v2`."""
    proxy: str = PROXY
    """Scheme, domain and, if need be, port of the addresses of pods."""
    data_centers: tuple[str, ...] = ()
    """Where pods and network volumes may be; empty: RunPod chooses for pods, and volumes cannot be made."""
    cloud: str = "SECURE"

    @property
    def local(self) -> bool:
        """The API is on this machine: another Podkeeper, which sees the registries that this machine sees."""
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    def upstream(self, pod: str, port: int) -> Upstream:
        """Where RunPod publishes a web port of a pod."""
        parts = urlsplit(self.proxy)
        name = f"{pod}-{port}.{parts.hostname}"
        tls = parts.scheme == "https"
        # These names lead to this machine whatever a name server says (RFC 6761), and many do not know them.
        host = "127.0.0.1" if name.endswith(".localhost") else name
        return Upstream(host=host, port=parts.port or (443 if tls else 80), name=name, tls=tls)


@dataclass(frozen=True)
class Pace:
    """Seconds, all of them; tests go faster."""

    looks: float = 5.0
    """At least so long between two looks at the list of pods, whoever asks."""
    ticks: float = 20.0
    """Between two looks for pods that have ended."""
    stale: float = 25.0
    """So old may be what a tick is told."""
    retry: float = 0.5
    """Before the first repetition of a request; doubled each time."""
    timeout: float = 20.0
    """Of one answer."""
    strikes: float = 30.0
    """Between two answers that a pod is not there, before it is believed."""
    searches: int = 4
    """Looks for a pod whose creation was not answered."""
    start: float = 1800.0
    """For a pod to be running: the machine pulls its image meanwhile, and does not tell how far it is."""
    lag: float = 20.0
    """After a start was asked for, in which a pod may still be told as it was before."""
    late: float = 60.0
    """For what RunPod tells of a running pod some moments later than that it runs: its ports, its GPUs."""
    stop: float = 120.0
    """For a pod to be stopped or gone."""
    prices: float = 600.0
    """So old may be what the catalog said."""
    lines: float = 1.5
    """Of silence, after which a log is taken to be read."""
