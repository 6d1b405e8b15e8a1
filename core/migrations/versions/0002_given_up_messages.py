"""Messages to the outside that nobody will ever take are given up, so that those behind them go on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.database

revision = "0002_given_up_messages"
down_revision = "0001_first_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.add_column(sa.Column("given_up_at", core.database.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.drop_column("given_up_at")
