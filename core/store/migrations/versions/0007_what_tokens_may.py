"""What a personal token may do, and what waits for a person's yes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Tokens from before could do all that their person may.
    op.add_column("tokens", sa.Column("scope", sa.Text, nullable=False, server_default="admin"))
    op.create_table(
        "confirmations",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("person", sa.Text, sa.ForeignKey("people.id", name="fk_confirmations_person"), nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", WHEN, nullable=False),
        sa.Column("expires_at", WHEN, nullable=False),
        sa.Column("answer", sa.Boolean),
        sa.PrimaryKeyConstraint("code", name="pk_confirmations"),
        sa.UniqueConstraint("person", "action", "subject", name="uq_confirmations_person_action_subject"),
    )
