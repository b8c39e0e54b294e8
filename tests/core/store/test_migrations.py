"""The steps in migrations/ lead to tables.py, once, and keep what is there."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError

from core.errors import Unavailable
from core.model import Pod, Role
from core.store import Store
from core.store.database import Database
from core.store.tables import metadata, pods
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
    assert set(Pod.model_fields) - {"owner_name"} == {column.name for column in pods.c} - {"network_volume"}


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


async def test_a_database_of_a_newer_podkeeper_is_left_alone(database_url: str, tmp_path: Path) -> None:
    await (await Store.open(database_url, tmp_path / "key")).close()
    database = Database(database_url)
    async with database.write() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(Unavailable, match="written by another version of Podkeeper") as refused:
        await Store.open(database_url, tmp_path / "key")
    assert "9999" in str(refused.value)
