"""How each leg sounded, ten seconds a sample."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_leg_quality"
down_revision = "0009_followed_redirects"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cdr_quality",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leg_id", sa.String(length=36), nullable=False),
        sa.Column("samples", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["cdrs.call_id"], name=op.f("fk_cdr_quality_call_id_cdrs")),
        sa.PrimaryKeyConstraint("call_id", "sequence", name=op.f("pk_cdr_quality")),
    )


def downgrade() -> None:
    op.drop_table("cdr_quality")
