"""Whether a phone registered without a NAT in between."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019_direct_contacts"
down_revision = "0018_waiting_messages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("registrations") as batch:
        batch.add_column(sa.Column("direct", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("registrations") as batch:
        batch.drop_column("direct")
