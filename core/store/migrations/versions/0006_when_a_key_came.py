"""Once-only keys by age: what is forgotten with every new one is found without reading them all."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("once_at", "once", ["at"])
