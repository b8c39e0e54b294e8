"""The hands of the house: a task for each row that is under way."""

from core.launcher.launcher import Launcher
from core.launcher.orders import Terms, keepalive_token, listens
from core.launcher.output import newest
from core.launcher.routes import routes_of
from core.launcher.words import without

__all__ = ["Launcher", "Terms", "keepalive_token", "listens", "newest", "routes_of", "without"]
