"""Extensions forward by the reason, are left in peace and say whether a second call may ring; records tell who sent a call on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_forwarding"
down_revision = "0002_given_up_messages"
branch_labels = None
depends_on = None

_EXTENSIONS = (
    ("forward_busy_to", sa.String(length=40), ""),
    ("forward_no_answer_to", sa.String(length=40), ""),
    ("forward_no_answer_seconds", sa.Integer(), "0"),
    ("forward_unavailable_to", sa.String(length=40), ""),
    ("do_not_disturb", sa.Boolean(), sa.false()),
    ("call_waiting", sa.Boolean(), sa.true()),
)


def upgrade() -> None:
    with op.batch_alter_table("extensions") as batch_op:
        for name, kind, default in _EXTENSIONS:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=default))
    with op.batch_alter_table("cdr_legs") as batch_op:
        batch_op.add_column(sa.Column("forwarded_by", sa.String(length=32), nullable=False, server_default=""))
    with op.batch_alter_table("cdrs") as batch_op:
        batch_op.add_column(sa.Column("diverted_from", sa.String(length=64), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("cdrs") as batch_op:
        batch_op.drop_column("diverted_from")
    with op.batch_alter_table("cdr_legs") as batch_op:
        batch_op.drop_column("forwarded_by")
    with op.batch_alter_table("extensions") as batch_op:
        for name, _kind, _default in reversed(_EXTENSIONS):
            batch_op.drop_column(name)
