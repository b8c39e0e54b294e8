"""The hands of the house: a task for each row that is under way."""

from core.launcher.launcher import Launcher
from core.launcher.orders import devices
from core.launcher.routes import routes_of

__all__ = ["Launcher", "devices", "routes_of"]
