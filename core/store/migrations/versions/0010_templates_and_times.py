"""Templates that people save; and when each line was written that is kept of a pod's output."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "templates",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, sa.ForeignKey("people.id", name="fk_templates_owner"), nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.UniqueConstraint("workspace", "name", name="uq_templates_workspace_name"),
    )
    op.add_column("outputs", sa.Column("times", sa.Text))
