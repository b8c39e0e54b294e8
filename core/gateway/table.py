"""The table of routes: what visitors should meet, and how Envoy is brought to it one pod port at a time."""

import asyncio
import logging
from collections.abc import Iterable
from weakref import WeakValueDictionary

from core.errors import InvalidInput
from core.gateway import listeners, resources
from core.gateway.ads import ControlPlane, Refused
from core.gateway.base import Route
from core.gateway.resources import CDS, KINDS, LDS, SRDS, Document

log = logging.getLogger(__name__)


class RouteTable:
    """Routes by key. `host`: where TCP ports are listened on; `https`: people come with TLS; the rest as `clusters`."""

    def __init__(self, control: ControlPlane, domain: str, host: str, *, https: bool, limit: int, ca: str) -> None:
        self._control = control
        self._domain = domain
        self._host = host
        self._https = https
        self._limit = limit
        self._ca = ca
        self._revs: dict[str, int] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._counting: dict[str, tuple[tuple[str, str], ...]] = {}
        """What Envoy must hold (kind and name) for the counters of a pod port that carries traffic."""
        self.changes = 0
        """Grows when a pod port begins to change, and when it has changed."""
        self.routes: dict[str, Route] = {}
        self.inside: tuple[str, int] | None = None

    def preload(self, routes: Iterable[Route]) -> None:
        """What Envoy should have, before it connects."""
        self.routes.clear()
        self._counting.clear()
        for route in routes:
            try:
                resources.check(route)
            except InvalidInput as error:
                # One bad row must not keep all the others from being served.
                log.error("%s: %s", route.key, error)
                continue
            self._keep(route)
            for kind, documents in self._documents(route).items():
                self._control.preload(kind, documents)
        if self.inside is not None:
            self._control.preload(LDS, {listeners.INSIDE: listeners.inside(self.inside)})

    def counted(self) -> set[str]:
        """Pod ports whose every counter this Envoy has confirmed to keep."""
        holds = self._control.holds
        return {key for key, needed in self._counting.items() if all(holds(kind, name) for kind, name in needed)}

    async def change(self, key: str, route: Route | None) -> str | None:
        """One pod port becomes this; None, or why Envoy refused. Goes on when nobody waits for it any more."""
        async with self._turns.setdefault(key, asyncio.Lock()):
            former = self.routes.get(key)
            self.changes += 1
            try:
                await self._settle(key, route)
            except Refused as refused:
                words = f"gateway: {key} was refused by Envoy and stays as it was: {shorter(str(refused))}"
                log.warning("%s", words)
                await self._restore(key, former)
                return words
            finally:
                self.changes += 1
            if route is None:
                self.routes.pop(key, None)
                self._counting.pop(key, None)
                self._revs.pop(key, None)
            else:
                self._keep(route)
            return None

    async def listen_inside(self, address: tuple[str, int] | None) -> str | None:
        """As the seam says; None, or why Envoy refused."""
        async with self._turns.setdefault(listeners.INSIDE, asyncio.Lock()):
            try:
                if address is not None:
                    await self._control.change(LDS, {listeners.INSIDE: listeners.inside(address)})
                elif self._control.wants(LDS, listeners.INSIDE):
                    await self._control.change(LDS, {}, [listeners.INSIDE])
            except Refused as refused:
                return shorter(str(refused))
            self.inside = address
            return None

    def _keep(self, route: Route) -> None:
        self.routes[route.key] = route
        self._counting.pop(route.key, None)
        if route.upstream is not None:
            needs = resources.needs(route)
            self._counting[route.key] = tuple((kind, name) for kind, names in needs.items() for name in names)

    def _documents(self, route: Route) -> dict[str, dict[str, Document]]:
        found = {CDS: resources.clusters(route, self._limit, self._ca)}
        if route.listen is None:
            rev = self._revs.get(route.key, 0)
            found[SRDS] = {route.key: resources.scope(route, self._domain, https=self._https, rev=rev)}
        elif route.upstream is not None:
            listener = listeners.tcp(route.key, (self._host, route.listen))
            found[LDS] = {str(listener["name"]): listener}
        return found

    async def _settle(self, key: str, route: Route | None, *, sweep: bool = False) -> None:
        """Clusters before what points at them, and after it on the way down; each step is confirmed.

        `sweep`: Envoy may hold what it should not, so everything that is not wanted is dropped by name.
        """
        documents = {} if route is None else self._documents(route)
        for kind in KINDS:
            if wanted := documents.get(kind):
                await self._control.change(kind, wanted)
        for kind in reversed(KINDS):
            wanted = documents.get(kind, {})
            unwanted = [name for name in resources.names(key)[kind] if name not in wanted]
            unwanted = [name for name in unwanted if sweep or self._control.wants(kind, name)]
            if unwanted:
                await self._control.change(kind, {}, unwanted)

    async def _restore(self, key: str, former: Route | None) -> None:
        self._revs[key] = self._revs.get(key, 0) + 1
        try:
            await self._settle(key, former, sweep=True)
        except Refused as refused:
            log.error("Envoy refuses the former state of %s as well: %s", key, refused)


def shorter(words: str) -> str:
    """Envoy's words; when it quotes the whole message first, only what it says about it."""
    text = " ".join(words.split())
    return text if len(text) <= 300 else "…" + text[-300:]
