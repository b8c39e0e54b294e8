"""What there is to have: kinds of GPU and vCPUs, with prices and how many are free."""

from core.engines.base import Engine
from core.engines.offers import Offers, of_devices
from core.store import Store


class Inventory:
    """Of the engine, whoever asks."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine

    async def offers(self, count: int = 1) -> Offers:
        """`count`: how many GPUs somebody wants together. Unavailable when the engine does not answer."""
        offers = await self._engine.offers()
        if not self._engine.features.devices:
            return offers
        taken = await self._store.claimed("gpu")
        return offers.model_copy(update={"gpus": of_devices(await self._engine.gpus(), taken, count)})
