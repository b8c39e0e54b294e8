"""The steps in migrations/ lead to tables.py, once, and keep what is there."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Text, column, inspect, table, text
from sqlalchemy.exc import IntegrityError

from core.errors import Unavailable
from core.model import Pod, Role, Status
from core.store import Store, migrations
from core.store.database import Database
from core.store.tables import installation, metadata, people, pods
from tests.stores import DRAFT, NOW, a_pod


async def test_the_steps_lead_to_the_tables_that_the_code_declares(store: Store, database_url: str) -> None:
    def difference(connection: Connection) -> tuple[list[object], set[str]]:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        # Alembic compares neither primary keys nor the condition of a partial index.
        names = {str(inspect(connection).get_pk_constraint(table)["constrained_columns"]) + table for table in tables}
        return found, names

    tables = list(metadata.tables)
    wanted = {str([c.name for c in table.primary_key.columns]) + table.name for table in metadata.tables.values()}
    database = Database(database_url)
    async with database.read() as conn:
        found, names = await conn.run_sync(difference)
    await database.close()
    assert found == []
    assert names == wanted


def test_every_field_of_a_pod_has_a_column() -> None:
    assert set(Pod.model_fields) - {"owner_name"} == {column.name for column in pods.c} - {
        "network_volume",
        "price_per_hour",
    }


async def test_the_database_itself_refuses_two_live_pods_of_one_name(store: Store, database_url: str) -> None:
    ann = await store.person("default", "slack", "T1:UANN", "Ann", Role.MEMBER, NOW)
    await store.add_pod(a_pod(ann, 1), DRAFT, stem=None, limit=5)
    columns = ", ".join(column.name for column in pods.c if column.name not in ("id", "status"))
    copy = f"INSERT INTO pods (id, status, {columns}) SELECT :id, :status, {columns} FROM pods LIMIT 1"
    database = Database(database_url)
    async with database.write() as conn:
        await conn.execute(text(copy), {"id": "ended", "status": "TERMINATED"})
    with pytest.raises(IntegrityError):
        async with database.write() as conn:
            await conn.execute(text(copy), {"id": "second", "status": "ERROR"})
    await database.close()
    assert {pod.id for pod in await store.pods()} == {a_pod(ann, 1).id, "ended"}


async def test_opening_again_keeps_the_id_and_the_rows(database_url: str, tmp_path: Path) -> None:
    first = await Store.open(database_url, tmp_path / "key")
    ann = await first.person("default", "slack", "T1:UANN", "Ann", Role.MEMBER, NOW)
    pod, event = await first.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    await first.close()
    await first.close()
    again = await Store.open(database_url, tmp_path / "key")
    assert again.installation == first.installation
    assert await again.pods() == (pod,)
    assert await again.events(0) == (event,)
    await again.close()


async def test_output_that_was_kept_before_lines_had_times_is_shown_without(store: Store, database_url: str) -> None:
    ann = await store.person("default", "slack", "T1:UANN", "Ann", Role.MEMBER, NOW)
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    database = Database(database_url)
    async with database.write() as conn:
        old = {"pod_id": pod.id, "run": 1, "text": "one\n\nthree\n"}
        await conn.execute(text("INSERT INTO outputs (pod_id, run, text) VALUES (:pod_id, :run, :text)"), old)
    await database.close()
    lines = await store.output(pod.id, 1)
    assert [line.text for line in lines] == ["one", "", "three"]
    assert {line.at.year for line in lines} == {1970}


async def test_a_database_of_a_newer_podkeeper_is_left_alone(database_url: str, tmp_path: Path) -> None:
    await (await Store.open(database_url, tmp_path / "key")).close()
    database = Database(database_url)
    async with database.write() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(Unavailable, match="written by another version of Podkeeper") as refused:
        await Store.open(database_url, tmp_path / "key")
    assert "9999" in str(refused.value)


FIRST_SPEC = {
    "template": "hello",
    "image": "registry.example/hello:1",
    "args": [],
    "env": {"A": "b"},
    "ports": ["80/http", "22/tcp"],
    "cpu": 0.5,
    "memory": 67108864,
    "gpu": None,
    "container_disk": None,
    "volume": None,
    "volume_path": "/workspace",
    "network_volume": None,
    "ready": None,
    "idle": {"timeout": "PT30M"},
    "price_per_hour": 0.25,
}
"""A spec as the first version wrote it."""
LATER = NOW + timedelta(hours=1)
SINCE_FIRST = {"listens", "heartbeat_at", "keep_until", "kept_by", "warned_at", "proposed_at"}


def _first_version(connection: Connection) -> None:
    """The tables of the first version, with one running pod as it wrote them."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    connection.execute(installation.insert().values(id="0123456789ab", last_event=0))
    ann = {"id": "ann", "workspace": "default", "name": "Ann", "role": "member", "created_at": NOW}
    connection.execute(people.insert().values(ann))
    texts = {"spec": json.dumps(FIRST_SPEC), "upstreams": '{"80":{"host":"10.0.0.2","port":80}}', "gpus": "[]"}
    then = table("pods", *(column(c.name, Text if c.name in texts else c.type) for c in pods.c))
    times = dict.fromkeys(("created_at", "started_at", "ready_at", "last_active_at", "changed_at"), NOW)
    row = {"id": "a" * 14, "workspace": "default", "name": "hello-1", "owner": "ann", "via": "terminal"}
    rest = {"stoppable": True, "status": "RUNNING", "run": 3, "ref": "container"}
    connection.execute(then.insert().values(row | rest | texts | times))
    reading = {"key": f"{'a' * 14}-80", "run": 3, "generation": "g", "reading": '{"completed":7}'}
    columns = [column(name) for name in reading]
    connection.execute(table("traffic", *columns).insert().values(reading))


async def test_a_pod_of_the_first_version_is_read_kept_and_changed(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    await database.create(_first_version)
    await database.close()
    store = await Store.open(database_url, tmp_path / "key")
    (pod,) = await store.pods()
    assert (pod.status, pod.run, pod.last_active_at, pod.owner_name) == (Status.RUNNING, 3, NOW, "Ann")
    assert (dict(pod.spec.env), pod.spec.tcp_ports, dict(pod.listens)) == ({"A": "b"}, (22,), {})
    assert all(not getattr(pod, name) for name in SINCE_FIRST)
    assert (await store.page("default", None, None, None, 1))[1] == (1, 1, 0.25)
    assert await store.readings() == {}
    [run] = await store.runs("default", NOW, LATER)
    assert (run.pod_id, run.run, run.template, run.started_at, run.ready_at) == (pod.id, 3, "hello", NOW, NOW)
    assert (run.ended_at, run.cause) == (None, None)
    # What was looked at is still so, although the row says it in the words of the first version.
    spec = pod.spec.model_copy(update={"ports": pod.spec.ports[:1]})
    changed = await store.amend(pod.id, 3, {Status.RUNNING}, same={"spec": pod.spec}, spec=spec)
    assert changed is not None
    assert changed.spec == spec
    looked = {"keep_until": None, "heartbeat_at": None}
    assert await store.move(pod.id, 3, {Status.RUNNING}, Status.STOPPING, NOW, DRAFT, same=looked) is not None
    await store.close()
