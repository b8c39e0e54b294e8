"""What people ask of the house, and what pods say and do by themselves. A refusal is an answer."""

from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import PodError
from core.launcher import keepalive_token
from core.service import StartRequest
from tests.simulator.truth import Life

if TYPE_CHECKING:
    from tests.simulator.people import Subject
    from tests.simulator.world import World


async def start(world: "World", subject: "Subject") -> None:
    """Its first pod, if it can be had now."""
    house, volume = world.house, None
    if house is None:
        return
    with suppress(PodError):
        if subject.rng.random() < 0.15:
            volume = (await house.volumes.create(house.caller, f"v-{subject.template}")).name
        request = StartRequest(template=subject.template, network_volume=volume)
        subject.pod_id = (await house.pods.start(house.caller, request)).id
    await world.settle()
    await world.hear()


async def ask(world: "World", subject: "Subject", what: str, *more: str) -> None:
    """Stop it, resume it, keep it, why."""
    house = world.house
    if house is None:
        return
    verb = getattr(house.keeping if what in ("keep", "why") else house.pods, what)
    with suppress(PodError):
        found = await verb(house.caller, subject.pod_id, *more)
        if what == "again":
            subject.pod_id = found.id
    await world.settle()
    await world.hear()


async def beat(world: "World", life: Life) -> None:
    """The pod calls its keep-alive address."""
    house = world.house
    if house is not None and await house.keeping.beat(keepalive_token(life.pod_id, house.store)):
        life.beats = world.clock.up


async def die(world: "World", subject: "Subject") -> None:
    """Its command ends by itself, and the engine tells."""
    world.engine.die(subject.pod_id)
    if world.house is not None:
        await world.house.reconciler.look(subject.pod_id)
        await world.settle()
        await world.hear()
