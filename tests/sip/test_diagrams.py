"""The page with the state machines: it is what the tables say, and every table is on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sip import diagrams, session_tables, subscription_tables
from sip.transaction_tables import MACHINES

PAGE = Path(__file__).parents[2] / "docs" / "sip-state-machines.md"


def test_the_page_of_the_documentation_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == diagrams.page(), "run: python -m sip.diagrams docs/sip-state-machines.md"


def test_every_rule_of_every_table_is_an_arrow() -> None:
    drawings = [drawing for _, chapter in diagrams.CHAPTERS for drawing in chapter]
    assert diagrams.page().count(" --> ") == sum(len(drawing.rules) + len(drawing.initial) for drawing in drawings)
    assert {machine.name for machine in MACHINES} <= {drawing.name for drawing in drawings}


def test_every_module_of_tables_is_drawn() -> None:
    for module in (session_tables, subscription_tables):
        rules = [getattr(value, "rules", value) for value in vars(module).values()]
        tables = [table for table in rules if isinstance(table, dict) and isinstance(next(iter(table), None), tuple)]
        drawn = [drawing.rules for _, chapter in diagrams.CHAPTERS for drawing in chapter]
        assert tables
        assert all(table in drawn for table in tables)


def test_no_label_holds_what_would_end_it() -> None:
    for line in diagrams.page().splitlines():
        if " --> " in line:
            assert re.fullmatch(r"    (\[\*\]|\w+) --> \w+(: [^:;]+)?", line), line


def test_the_page_goes_to_a_file_or_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert diagrams.main([str(tmp_path / "page.md")]) == 0
    assert diagrams.main([]) == 0
    assert (tmp_path / "page.md").read_text() == capsys.readouterr().out
    assert diagrams.main([str(tmp_path / "missing" / "page.md")]) == 1
    assert diagrams.main(["a", "b"]) == 2
    assert "usage" in capsys.readouterr().err
