"""The key file, and that a secret shows up nowhere but in `credential`."""

import logging
import os
import threading
from pathlib import Path

import pytest

from core.errors import InvalidInput, Unavailable
from core.model import Credential, Role
from core.store import Store
from core.store.database import Database
from core.store.tables import registries
from core.store.vault import Vault
from tests.stores import DRAFT, NOW, a_pod, spec

SECRET = "hunter2-äö"


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    sealed = Vault.open(path).seal(SECRET)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [child.name for child in path.parent.iterdir()] == ["key"]
    assert Vault.open(path).unseal(sealed) == SECRET
    assert SECRET not in sealed


def test_many_who_make_it_at_once_have_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    start, vaults = threading.Barrier(8), list[Vault]()

    def make() -> None:
        start.wait()
        vaults.append(Vault.open(path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [vault.unseal(vaults[0].seal(SECRET)) for vault in vaults] == [SECRET] * 8


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    Vault.open(path)
    path.chmod(mode)
    with pytest.raises(InvalidInput, match=f"chmod 600 {path}"):
        Vault.open(path)


@pytest.mark.parametrize("content", [b"", b"not a key\n", b"\xff" * 44])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="holds no key"):
        Vault.open(path)


def test_a_key_file_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "key", tmp_path):
        with pytest.raises(Unavailable, match="key file"):
            Vault.open(path)


async def test_a_store_with_a_bad_key_file_does_not_open(database_url: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        await Store.open(database_url, key)


async def test_with_another_key_the_credential_must_be_added_again(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    await store.save_registry(Credential(host="ghcr.io", username="ann", secret=SECRET), NOW)
    other = await Store.open(database_url, tmp_path / "other")
    try:
        with pytest.raises(InvalidInput, match=r"podkeeper registry add ghcr\.io") as refused:
            await other.credential("ghcr.io")
        assert SECRET not in str(refused.value)
        assert [one.host for one in await other.registries()] == ["ghcr.io"]
    finally:
        await other.close()


async def test_a_secret_is_in_no_row_log_or_repr(
    store: Store, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    saved = await store.save_registry(Credential(host="ghcr.io", username="ann", secret=SECRET), NOW)
    found = await store.credential("ghcr.io")
    assert found is not None
    assert found.secret == SECRET
    ann = await store.person("default", "slack", "T1:UANN", "Ann", Role.MEMBER, NOW)
    pod = a_pod(ann, spec=spec(env={"TOKEN": SECRET}))
    added = await store.add_pod(pod, DRAFT, stem=None, limit=5)
    database = Database(database_url)
    async with database.read() as conn:
        rows = (await conn.execute(registries.select())).all()
    with pytest.raises(Exception, match="hidden") as failed:
        async with database.write() as conn:
            await conn.execute(registries.insert().values(host="ghcr.io", username="a", secret=SECRET, created_at=NOW))
    await database.close()
    for shown in (caplog.text, repr(saved), repr(found), repr(rows), repr(store), repr(added), str(failed.value)):
        assert SECRET not in shown


def test_the_key_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Vault.open(tmp_path / "key")
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
