"""A call's record tells how many packets of a leg were not believed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_rejected_packets"
down_revision = "0016_answerers_and_tracks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cdr_legs") as batch:
        batch.add_column(sa.Column("packets_rejected", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("cdr_legs") as batch:
        batch.drop_column("packets_rejected")
