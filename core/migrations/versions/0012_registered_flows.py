"""Stored contacts keep their flow (reg-id) and their preference (q)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_registered_flows"
down_revision = "0011_conferences"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("registrations") as batch_op:
        batch_op.add_column(sa.Column("reg_id", sa.String(10), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("q", sa.Float(), nullable=False, server_default="1"))


def downgrade() -> None:
    with op.batch_alter_table("registrations") as batch_op:
        batch_op.drop_column("q")
        batch_op.drop_column("reg_id")
