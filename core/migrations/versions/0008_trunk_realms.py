"""Trunks may name the only realm that their password is proved for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_trunk_realms"
down_revision = "0007_checked_trunks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.add_column(sa.Column("realm", sa.String(length=200), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.drop_column("realm")
