"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("last_event", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
    )
    op.create_table(
        "identities",
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("external", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "external", name="pk_identities"),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_identities_person"),
    )
    op.create_table(
        "volumes",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volumes"),
        sa.ForeignKeyConstraint(["owner"], ["people.id"], name="fk_volumes_owner"),
        sa.UniqueConstraint("workspace", "name", name="uq_volumes_workspace_name"),
    )
    op.create_table(
        "pods",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("network_volume", sa.Text),
        sa.Column("stoppable", sa.Boolean, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("ref", sa.Text),
        sa.Column("upstreams", sa.Text, nullable=False),
        sa.Column("gpus", sa.Text, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("lease_until", WHEN),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("started_at", WHEN),
        sa.Column("ready_at", WHEN),
        sa.Column("last_active_at", WHEN),
        sa.Column("ended_at", WHEN),
        sa.Column("changed_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pods"),
        sa.ForeignKeyConstraint(["owner"], ["people.id"], name="fk_pods_owner"),
        sa.ForeignKeyConstraint(["network_volume"], ["volumes.id"], name="fk_pods_network_volume", ondelete="SET NULL"),
    )
    live = sa.text("status <> 'TERMINATED'")
    op.create_index(
        "pods_live_name", "pods", ["workspace", "name"], unique=True, sqlite_where=live, postgresql_where=live
    )
    op.create_index("pods_status", "pods", ["status"])
    op.create_table(
        "claims",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("pod_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name="pk_claims"),
        sa.ForeignKeyConstraint(["pod_id"], ["pods.id"], name="fk_claims_pod_id"),
    )
    op.create_index("claims_pod", "claims", ["pod_id"])
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("pod_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
    )
    op.create_index("events_pod", "events", ["pod_id", "seq"])
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_cursors"),
    )
    op.create_table(
        "traffic",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("generation", sa.Text, nullable=False),
        sa.Column("reading", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_traffic"),
    )
    op.create_table(
        "once",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_once"),
    )
    op.create_table(
        "registries",
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_registries"),
    )
