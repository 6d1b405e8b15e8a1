"""Trunks with several hosts, limits and rules; patterns for inbound numbers and routes, and when and by whom a route may be used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_trunks_and_routes"
down_revision = "0004_sip_bans"
branch_labels = None
depends_on = None

_TRUNKS = (
    ("backup_hosts", sa.JSON(), "[]"),
    ("domain", sa.String(255), ""),
    ("codecs", sa.JSON(), "[]"),
    ("caller_id_policy", sa.String(8), "default"),
    ("caller_id_format", sa.String(8), "+e164"),
    ("asserted_identity", sa.Boolean(), sa.false()),
    ("max_calls", sa.Integer(), "0"),
    ("max_calls_in", sa.Integer(), "0"),
    ("max_calls_out", sa.Integer(), "0"),
    ("calls_per_second", sa.Integer(), "0"),
    ("responses", sa.JSON(), "{}"),
    ("strip", sa.Integer(), "0"),
    ("prepend", sa.String(20), ""),
    ("ping_seconds", sa.Integer(), "30"),
)
_ROUTES = (
    ("pattern", sa.String(40), ""),
    ("hours", sa.JSON(), "[]"),
    ("extensions", sa.JSON(), "[]"),
)
_TABLES = {"trunks": _TRUNKS, "outbound_routes": _ROUTES}


def upgrade() -> None:
    for table, columns in _TABLES.items():
        with op.batch_alter_table(table) as batch_op:
            for name, kind, default in columns:
                batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=default))
    with op.batch_alter_table("inbound_numbers") as batch_op:
        batch_op.alter_column("number", type_=sa.String(40), existing_type=sa.String(20), existing_nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("inbound_numbers") as batch_op:
        batch_op.alter_column("number", type_=sa.String(20), existing_type=sa.String(40), existing_nullable=False)
    for table, columns in _TABLES.items():
        with op.batch_alter_table(table) as batch_op:
            for name, _kind, _default in reversed(columns):
                batch_op.drop_column(name)
