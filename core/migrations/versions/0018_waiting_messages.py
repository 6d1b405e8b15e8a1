"""How many messages wait for an extension."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_waiting_messages"
down_revision = "0017_rejected_packets"
branch_labels = None
depends_on = None

_COLUMNS = ("waiting_new", "waiting_old")


def upgrade() -> None:
    with op.batch_alter_table("extensions") as batch:
        for column in _COLUMNS:
            batch.add_column(sa.Column(column, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("extensions") as batch:
        for column in _COLUMNS:
            batch.drop_column(column)
