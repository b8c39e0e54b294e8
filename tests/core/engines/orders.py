"""Pods and orders for the engine tests."""

import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from core.engines.base import Engine, Order, Step
from core.model import Credential, IdleRule, Pod, PodSpec, PortModel, Status, Volume

MB = 1024**2
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_pod(image: str = "fake/web:1", *, run: int = 1, pod_id: str | None = None, **spec: Any) -> Pod:
    """A pod under way, with port 8080."""
    letters = string.ascii_lowercase + string.digits
    given: dict[str, Any] = {
        "template": "web",
        "image": image,
        "ports": (PortModel(number=8080),),
        "cpu": 0.5,
        "memory": 64 * MB,
        "idle": IdleRule(timeout=timedelta(minutes=30)),
    }
    return Pod(
        id=pod_id or "".join(secrets.choice(letters) for _ in range(14)),
        workspace="default",
        name="web-1",
        owner="p1",
        owner_name="Someone",
        via="terminal",
        spec=PodSpec(**(given | spec)),
        status=Status.PROVISIONING,
        run=run,
        created_at=_NOW,
        changed_at=_NOW,
    )


def again(pod: Pod) -> Pod:
    """The pod in its next run."""
    return pod.model_copy(update={"run": pod.run + 1})


def make_volume() -> Volume:
    """A network volume."""
    return Volume(
        id=secrets.token_hex(7),
        workspace="default",
        name="data",
        owner="p1",
        owner_name="S",
        size=10 * 1024**3,
        created_at=_NOW,
    )


def order_of(
    engine: Engine,
    pod: Pod,
    *,
    gpus: tuple[str, ...] = (),
    credential: Credential | None = None,
    environment: Mapping[str, str] | None = None,
) -> Order:
    """An order with the next address."""
    addresses = engine.addresses()
    env = {"PODKEEPER_POD_ID": pod.id, **(environment or {})}
    address = next(iter(addresses)) if addresses is not None else None
    return Order(pod=pod, address=address, gpus=gpus, credential=credential, environment=env)


async def start(engine: Engine, pod: Pod, **given: Any) -> list[Step]:
    """Start it and keep its steps."""
    return [step async for step in engine.start(order_of(engine, pod, **given))]
