"""The store on each database it knows, for every test that wants one. A pytest plugin."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.model import Draft, IdleRule, Pod, PodSpec, Role, SavedTemplate, Status, Volume
from core.store import Store
from core.store.store import Person

NOW = datetime(2026, 11, 24, 9, 0, 0, 123456, tzinfo=UTC)
DRAFT = Draft(kind="pod.created", actor="tester", via="terminal", data={"why": "a test"})


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite+aiosqlite:///{tmp_path / 'podkeeper.db'}"


@pytest.fixture
async def store(database_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    """An open store on each kind of database."""
    opened = await Store.open(database_url, tmp_path / "key")
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def ann(store: Store) -> Person:
    """Somebody who may own pods in `store`."""
    return await store.person("default", "slack", "T1:UANN", "Ann", Role.MEMBER, NOW)


def spec(**changes: object) -> PodSpec:
    """A small valid spec."""
    plain = {
        "template": "hello",
        "image": "registry.example/hello:1",
        "ports": ("80/http",),
        "cpu": 0.5,
        "memory": 64 << 20,
        "idle": IdleRule(timeout=timedelta(minutes=30)),
    }
    return PodSpec.model_validate(plain | changes)


def a_pod(owner: Person, number: int = 1, /, **changes: object) -> Pod:
    """A pod as the service would make it, not yet in any store."""
    plain = {
        "id": f"{number:0>14}",
        "workspace": owner.workspace,
        "name": f"pod-{number}",
        "owner": owner.id,
        "owner_name": owner.name,
        "via": "terminal",
        "spec": spec(),
        "status": Status.PROVISIONING,
        "created_at": NOW + timedelta(seconds=number),
        "started_at": NOW + timedelta(seconds=number),
        "changed_at": NOW + timedelta(seconds=number),
    }
    return Pod.model_validate(plain | changes)


def a_volume(owner: Person, name: str = "models", volume_id: str = "vol1") -> Volume:
    """A network volume, not yet in any store."""
    return Volume(
        id=volume_id,
        workspace=owner.workspace,
        name=name,
        owner=owner.id,
        owner_name=owner.name,
        size=20 << 30,
        created_at=NOW,
    )


def a_template(owner: Person, name: str = "torch", template_id: str = "tpl1") -> SavedTemplate:
    """A saved template, not yet in any store."""
    return SavedTemplate(
        id=template_id,
        workspace=owner.workspace,
        name=name,
        owner=owner.id,
        owner_name=owner.name,
        said={"name": name, "image": "torch:2", "env": {"KEY": "s3cret"}},
        labels={"category": "CPU"},
        created_at=NOW,
    )
