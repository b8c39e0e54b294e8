"""The gateway seam: addresses in, counters out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator
from starlette.types import ASGIApp

from core.model import Frozen, Ignore, Traffic, Upstream, route_key


class RouteState(StrEnum):
    """What a visitor of a pod port gets."""

    STARTING = "starting"
    """A page that tries again by itself and shows how far the start is; programs get 503."""
    LIVE = "live"
    """The pod."""
    CLOSING = "closing"
    """The STARTING page, while what is open goes on and the counters are still read: a pod about to be stopped."""
    SLEEPING = "sleeping"
    """The page of a stopped pod; programs get 503 with problem+json."""


class Route(Frozen):
    """One address of a pod port, and what answers there.

    A web address, `{pod id}-{port}.{domain}`; or, with `listen`, a TCP port of the gateway. A TCP port that is neither
    LIVE nor CLOSING is not listened on, and its connections are cut; one that is CLOSING is still carried.
    """

    pod_id: str
    port: int
    state: RouteState
    upstream: Upstream | None = None
    ignore: Ignore = Ignore()
    """Requests that are carried and counted apart (`PortTraffic.ignored`)."""
    listen: int | None = Field(default=None, ge=1, le=65535)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.state in (RouteState.LIVE, RouteState.CLOSING)) != (self.upstream is not None):
            raise ValueError("a live or closing route, and no other, has an upstream")
        return self

    @property
    def key(self) -> str:
        """`{pod id}-{port}`."""
        return route_key(self.pod_id, self.port)


class Gateway(ABC):
    """How traffic reaches pods.

    Only PodErrors come out: `Unavailable` when the data plane does not answer in time (what was asked for is kept
    and reaches it when it is back), `InvalidInput` when it refused a route, in its own words.
    """

    @abstractmethod
    async def open(self, routes: Iterable[Route]) -> None:
        """Start the data plane, or adopt the one that kept running, and make its routes exactly these.

        A pod port that the data plane still carries and that is not among `routes` is gone when this returns.
        Fails with Unavailable when it cannot be started (port taken, no binary), saying how to mend it.
        """

    @abstractmethod
    async def close(self) -> None:
        """Stop what `open` started; open connections are cut."""

    @abstractmethod
    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        """Set these routes and remove those keys; returns when the data plane has acknowledged all of it.

        A key that is not there is removed already. A refused route leaves the others, and its own former state, as
        they were. Connections that are open through a route are not cut by a change.
        """

    @abstractmethod
    def welcome(self, app: ASGIApp) -> None:
        """The application that answers in place of pods, from now on; before, a plain page does.

        It is asked for every visit to a SLEEPING web address, and for `/.podkeeper/…` of a STARTING or CLOSING one,
        with the pod port (`{pod id}-{port}`) in the header `x-gw-pod`, which no visitor can set; and without that
        header for `/keepalive/…`, asked by a pod from inside (`listen_inside`).
        """

    @abstractmethod
    async def listen_inside(self, address: tuple[str, int] | None) -> None:
        """Let pods reach `/keepalive/…`, and nothing else, at this address of their own network; None: no more.

        The address need not exist yet. Saying the same again changes nothing. May be said before `open`, so that an
        adopted data plane never shuts this door. Unavailable as in `apply`, and when the address is taken.
        """

    @abstractmethod
    async def traffic(self) -> Traffic:
        """The counters of every acknowledged live or closing route; Unavailable when they cannot be read."""

    @abstractmethod
    async def probe(self, pod_id: str, port: int, path: str = "/") -> int | None:
        """The HTTP status that a visitor of this address gets from the pod itself; None when it is not reached."""

    @abstractmethod
    async def reach(self, upstream: Upstream, path: str | None) -> bool:
        """Whether the pod itself answers there, asked directly: not through a route, and not counted.

        With a path: an HTTP answer below 400, or 401 or 403 (it is up and wants a password). Without: it accepts a
        TCP connection.
        """

    @abstractmethod
    async def check(self) -> str:
        """One sentence about the data plane, or Unavailable with how to mend it."""

    @abstractmethod
    def url(self, pod_id: str, port: int) -> str:
        """The web address shown to people."""

    @abstractmethod
    def tcp_url(self, listen: int) -> str:
        """The address of a TCP port shown to people: `tcp://127.0.0.1:30022`."""

    @abstractmethod
    def vacant(self, listen: int) -> bool:
        """Whether a TCP port could be listened on now, as far as can be told beforehand: nobody has it."""
