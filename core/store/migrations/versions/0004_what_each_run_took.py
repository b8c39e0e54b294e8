"""What each run of each pod took: when it was asked for, when it answered, when it was over, and why."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    made = op.create_table(
        "runs",
        sa.Column("pod_id", sa.Text, sa.ForeignKey("pods.id", name="fk_runs_pod_id"), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("started_at", WHEN, nullable=False),
        sa.Column("ready_at", WHEN),
        sa.Column("ended_at", WHEN),
        sa.Column("cause", sa.Text),
        sa.PrimaryKeyConstraint("pod_id", "run", name="pk_runs"),
    )
    op.create_index("runs_template", "runs", ["template", "started_at"])
    op.create_index("runs_ended", "runs", ["ended_at"])
    # Of former runs nothing is known any more; the last one of each pod is in its row.
    names = ("id", "run", "spec", "status", "started_at", "ready_at", "ended_at", "changed_at", "cause")
    known = sa.table("pods", *(sa.column(name, WHEN if name.endswith("_at") else None) for name in names))
    resting = ("EXITED", "ERROR", "TERMINATED")
    # The row of a terminated pod says when it was terminated, which may be long after its last run was over.
    events = sa.table("events", *(sa.column(n, WHEN if n == "at" else None) for n in ("pod_id", "run", "kind", "at")))
    over = sa.select(events.c.pod_id, events.c.run, sa.func.min(events.c.at).label("at"))
    over = over.where(events.c.kind.in_(("pod.exited", "pod.ended", "pod.failed"))).group_by("pod_id", "run")
    ends = {(event.pod_id, event.run): event.at for event in op.get_bind().execute(over)}
    rows = [
        {
            "pod_id": pod.id,
            "run": pod.run,
            "template": json.loads(pod.spec)["template"],
            "started_at": pod.started_at,
            "ready_at": pod.ready_at,
            "ended_at": ends.get((pod.id, pod.run)) or pod.ended_at or (pod.changed_at if pod.status in resting else None),
            "cause": pod.cause if pod.ended_at or pod.status in resting else None,
        }
        for pod in op.get_bind().execute(sa.select(known).where(known.c.started_at.is_not(None)))
    ]
    op.bulk_insert(made, rows)
