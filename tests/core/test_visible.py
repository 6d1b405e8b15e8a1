"""What strangers write does nothing to the terminal that shows it."""

from __future__ import annotations

import logging

import pytest
import structlog

from core.logs import configure_logs
from core.visible import visible


def test_signs_that_cannot_be_printed_are_written_out() -> None:
    assert visible("Анна, São Paulo “1001”") == "Анна, São Paulo “1001”"
    assert visible("a\nb\tc") == "a\nb\tc"
    assert visible("\x1b[31m\r\x07\x9b\u202e\u2028\x00") == r"\x1b[31m\r\x07\x9b\u202e\u2028\x00"


def test_log_lines_for_people_hold_no_escape_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("console")
    try:
        structlog.get_logger().warning("authentication_failed", username="\x1b[2J1001", call_id="a\x9bb")
    finally:
        structlog.configure(**before)
        root.handlers[:], root.level = handlers, level
    line = capsys.readouterr().err
    assert r"\x1b[2J1001" in line
    assert line.rstrip("\n").isprintable()
