"""Subscriptions outlive a crash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_subscriptions"
down_revision = "0014_encryption"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sip_subscriptions",
        sa.Column("node", sa.String(32), primary_key=True),
        sa.Column("call_id", sa.String(256), primary_key=True),
        sa.Column("tag", sa.String(32), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sip_subscriptions")
