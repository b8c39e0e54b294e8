"""A request, or a connection: what the gateway counts of it, and what is true."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulator.truth import Life, PortTruth

if TYPE_CHECKING:
    from tests.simulator.world import World


@dataclass
class Line:
    """A request, or a connection, through the gateway; void once the pod or the data plane is gone."""

    world: "World"
    life: Life
    port: int
    generation: str
    looks: int

    @property
    def alive(self) -> bool:
        """It still leads somewhere."""
        return not self.life.ending and self.generation == self.world.gateway.generation

    @property
    def truth(self) -> PortTruth:
        """The port as it is."""
        return self.life.ports[self.port]

    def count(self, **figures: int) -> None:
        """What the gateway counts."""
        self.world.gateway.count(self.life.pod_id, self.port, **figures)

    # a request

    def move(self, size: int) -> None:
        """Bytes of a stream."""
        if self.alive:
            self.count(bytes=size)
            self.truth.moved(self.world.clock.up)

    def answer(self, good: bool) -> None:
        """Its answer begins."""
        if self.alive:
            self.move(400)
            self.count(completed=1, succeeded=int(good))
            if good:
                self.truth.use(self.world.clock.up)

    def end(self) -> None:
        """It is over, or its visitor has gone."""
        if self.alive:
            self.count(in_flight=-1)
            self.truth.in_flight -= 1
            if self.truth.looks > self.looks:
                self.truth.ended = self.world.clock.up

    # a connection

    def ping(self, size: int) -> None:
        """Noise."""
        if self.alive:
            self.count(upgraded_bytes=size)
            self.truth.pinged += size

    def talk(self) -> None:
        """More than noise, by any reading."""
        if self.alive:
            port = self.truth
            self.count(upgraded_bytes=3 * max(100, port.noise) * (max(port.open, port.open_seen) + 1))
            port.use(self.world.clock.up)

    def close(self) -> None:
        """The connection ends."""
        if self.alive:
            self.count(upgraded=-1)
            self.truth.open -= 1
