"""What each pod wrote last, for when its container is gone; and prices that can be summed up."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outputs",
        sa.Column("pod_id", sa.Text, sa.ForeignKey("pods.id", name="fk_outputs_pod_id"), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pod_id", name="pk_outputs"),
    )
    op.add_column("pods", sa.Column("price_per_hour", sa.Float))
    pods = sa.table("pods", sa.column("id"), sa.column("spec"), sa.column("price_per_hour"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(pods.c.id, pods.c.spec)).all():
        price = json.loads(row.spec).get("price_per_hour")
        if price is not None:
            connection.execute(pods.update().where(pods.c.id == row.id).values(price_per_hour=price))
