"""Rooms for conferences; extensions that may supervise calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.database

revision = "0011_conferences"
down_revision = "0010_leg_quality"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conferences",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("pin", sa.String(length=12), nullable=False),
        sa.Column("max_members", sa.Integer(), nullable=False),
        sa.Column("created_at", core.database.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conferences")),
        sa.UniqueConstraint("number", name=op.f("uq_conferences_number")),
    )
    with op.batch_alter_table("extensions") as batch_op:
        batch_op.add_column(sa.Column("supervises", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("extensions") as batch_op:
        batch_op.drop_column("supervises")
    op.drop_table("conferences")
