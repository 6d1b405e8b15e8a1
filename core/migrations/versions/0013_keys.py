"""How keys go to trunks and extensions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_keys"
down_revision = "0012_registered_flows"
branch_labels = None
depends_on = None

_TABLES = ("extensions", "trunks")


def upgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(sa.Column("dtmf", sa.String(length=8), nullable=False, server_default="rfc4733"))


def downgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column("dtmf")
