"""All tables of all rooms, gathered so that migrations can be written and compared."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from sqlalchemy import MetaData

from core.database import Base

MODULES: Final = (
    "core.consumer",
    "core.outbox",
    "core.company",
    "pbx.tables",
    "pbx.ban_records",
    "pbx.subscriptions",
    "pbx.cdrs.tables",
    "billing.tables",
    "crm_bridge.tables",
    "recordings.tables",
    "face_tracker.tables",
    "api.tables",
)


def all_tables() -> MetaData:
    """Return the metadata with every room's tables in it."""
    for name in MODULES:
        import_module(name)
    return Base.metadata
