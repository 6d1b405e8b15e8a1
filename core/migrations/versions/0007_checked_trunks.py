"""Trunks may have to prove with a certificate who they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_checked_trunks"
down_revision = "0006_trusted_trunks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.add_column(sa.Column("tls_verify", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.drop_column("tls_verify")
