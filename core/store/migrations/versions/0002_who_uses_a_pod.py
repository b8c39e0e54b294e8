"""Promises, warnings, heartbeats and TCP ports of pods; what is remembered of a pod port, look by look."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("heartbeat_at", "keep_until", "warned_at", "proposed_at"):
        op.add_column("pods", sa.Column(name, WHEN))
    op.add_column("pods", sa.Column("kept_by", sa.Text))
    op.add_column("pods", sa.Column("listens", sa.Text, nullable=False, server_default="{}"))
    # What was counted until now is lost: at the next look each port is taken for one that was used just then.
    op.drop_table("traffic")
    op.create_table(
        "traffic",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("reading", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_traffic"),
    )
