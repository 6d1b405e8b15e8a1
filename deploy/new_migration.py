"""Writes a migration from the difference between the newest one and the tables as declared.

Usage: .venv/bin/python -m deploy.new_migration "what changes" NAME
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from ramal.tables import all_tables

FOLDER = Path(__file__).parent.parent / "core" / "migrations"


def main(message: str, name: str) -> None:
    """Write `core/migrations/versions/NAME.py`; NAME is the revision's id."""
    all_tables()
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/empty.sqlite3")
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(FOLDER))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=name)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
