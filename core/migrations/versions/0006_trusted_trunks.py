"""Trunks say whether they are believed who calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_trusted_trunks"
down_revision = "0005_trunks_and_routes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.add_column(sa.Column("trust_identity", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.drop_column("trust_identity")
