"""`ramal bans`: by hand, beside the server or without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.errors import RamalError
from ramal.cli import cli


class Commands:
    """Runs `ramal bans` in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *arguments: str) -> str:
        result = CliRunner().invoke(cli, ["bans", *arguments, "--data", str(self._folder)])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    def listed(self) -> Any:
        return json.loads(self("list", "--json").splitlines()[-1])


@pytest.fixture
def bans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    # Logs would go on to the streams of the runner, which are closed after each command.
    monkeypatch.setattr("ramal.cli.configure_logs", lambda _format: None)
    return Commands(tmp_path)


def test_bans_are_added_listed_and_lifted(bans: Commands) -> None:
    assert "Nobody is banned." in bans("list")
    assert "2001:db8::/64 is banned for 10 min." in bans("add", "2001:db8::7", "--seconds", "600")
    bans("add", "203.0.113.7", "--reason", "fraud")
    assert {ban["network"]: ban["reason"] for ban in bans.listed()["bans"]} == {
        "2001:db8::/64": "By hand",
        "203.0.113.7": "fraud",
    }
    assert "fraud" in bans("list")
    assert "not banned any more" in bans("lift", "203.0.113.7")
    assert [ban["network"] for ban in bans.listed()["bans"]] == ["2001:db8::/64"]


def test_networks_are_allowed_and_taken_back(bans: Commands) -> None:
    assert "never banned" in bans("allow", "198.51.100.0/24", "--note", "office")
    assert "office" in bans("list")
    with pytest.raises(RamalError, match="allow-list"):
        bans("add", "198.51.100.9")
    bans("allow", "198.51.100.0/24", "--remove")
    assert bans.listed()["allowed"] == []


@pytest.mark.parametrize(
    "arguments", [("add", "office"), ("lift", "203.0.113.7"), ("lift", "x"), ("allow", "0.0.0.0/0")]
)
def test_what_is_no_address_or_not_banned_is_an_error_for_the_user(bans: Commands, arguments: tuple[str, str]) -> None:
    with pytest.raises(RamalError):
        bans(*arguments)


def test_what_a_stranger_called_himself_does_nothing_to_the_terminal(bans: Commands) -> None:
    bans("add", "203.0.113.7", "--reason", "Wrong passwords, last for “\x1b[2J\x1b]0;own\x07\x9b1m\u202e1001”")
    listed = bans("list")
    assert "\\x1b[2J\\x1b]0;own\\x07\\x9b1m\\u202e1001" in listed
    assert all(sign.isprintable() or sign == "\n" for sign in listed)
