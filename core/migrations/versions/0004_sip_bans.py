"""Sources that SIP keeps out, and the networks that it never keeps out, outlive a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.database

revision = "0004_sip_bans"
down_revision = "0003_forwarding"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sip_bans",
        sa.Column("network", sa.String(length=48), nullable=False),
        sa.Column("since", core.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", core.database.UtcDateTime(timezone=True), nullable=False),
        sa.Column("offences", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("network", name=op.f("pk_sip_bans")),
    )
    op.create_table(
        "sip_allowed_networks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("network", sa.String(length=49), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("created_at", core.database.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sip_allowed_networks")),
        sa.UniqueConstraint("network", name=op.f("uq_sip_allowed_networks_network")),
    )


def downgrade() -> None:
    op.drop_table("sip_allowed_networks")
    op.drop_table("sip_bans")
