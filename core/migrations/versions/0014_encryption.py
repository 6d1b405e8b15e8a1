"""Whether the voice of an extension's phones, or of a trunk, is encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_encryption"
down_revision = "0013_keys"
branch_labels = None
depends_on = None

_TABLES = ("extensions", "trunks")


def upgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(sa.Column("encryption", sa.String(8), nullable=False, server_default="optional"))


def downgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column("encryption")
