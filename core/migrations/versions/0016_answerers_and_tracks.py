"""Who took a leg, person or machine; and which party is on which channel of a recording."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_answerers_and_tracks"
down_revision = "0015_subscriptions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cdr_legs") as batch_op:
        batch_op.add_column(sa.Column("answerer", sa.String(length=8), nullable=False, server_default=""))
    with op.batch_alter_table("recordings") as batch_op:
        batch_op.add_column(sa.Column("tracks", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    with op.batch_alter_table("recordings") as batch_op:
        batch_op.drop_column("tracks")
    with op.batch_alter_table("cdr_legs") as batch_op:
        batch_op.drop_column("answerer")
