"""Trunks say whether calls go where their 3xx say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_followed_redirects"
down_revision = "0008_trunk_realms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.add_column(sa.Column("follow_redirects", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    with op.batch_alter_table("trunks") as batch_op:
        batch_op.drop_column("follow_redirects")
