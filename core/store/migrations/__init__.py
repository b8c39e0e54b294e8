"""The way from any older schema to `tables.py`, one file a step in `versions/`.

Run by `Store.open`; there is no alembic.ini and no command. A new step is written by hand as
`versions/NNNN_what_it_does.py` with `down_revision` set to the one before; tests/core/store/test_migrations.py
says whether the steps lead to exactly what `tables.py` declares.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from core.errors import Unavailable


def upgrade(connection: Connection) -> None:
    """Bring the schema up to date inside the caller's transaction, which must keep other writers out."""
    config = Config()
    # Config is an INI parser: a percent sign in the path would be read as an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            f"The database was written by another version of Podkeeper ({error}). Nothing was changed in it. "
            "Run the version that wrote it or a newer one, or point PODKEEPER_DATABASE_URL at another database."
        ) from error
