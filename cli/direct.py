"""On the database itself, for what goes through no face: it takes turns with a service that runs."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from core.settings import Settings
    from core.store import Store

T = TypeVar("T")


async def on_store(act: "Callable[[Store, Settings], Awaitable[T]]") -> T:
    """Open the store of these settings, act, close it."""
    from core.parts import make_data_dir
    from core.settings import Settings
    from core.store import Store

    settings = Settings.load()
    make_data_dir(settings.data_dir)
    store = await Store.open(settings.database, settings.data_dir / "registry.key")
    try:
        return await act(store, settings)
    finally:
        await store.close()
