"""The Asterisk that is measured beside: its configuration, what its console says, and a machine that has none."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from bench import compare
from bench.asterisk import Asterisk, AsteriskError, active_channels, installed, write_configuration
from bench.server import CARRIER, COMPANY_NUMBER, EXTENSION


def test_a_machine_without_asterisk_gets_no_figures_and_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASTERISK", str(tmp_path / "asterisk"))
    assert not installed()
    assert compare.measure() == {}
    assert "ASTERISK" in capsys.readouterr().out


def test_the_asterisk_that_the_variable_names_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "asterisk"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o700)
    monkeypatch.setenv("ASTERISK", str(binary))
    assert installed()


def test_the_configuration_stays_in_its_folder_and_on_loopback(tmp_path: Path) -> None:
    main = write_configuration(tmp_path / "made", port=22_000, password="a-long-password")
    folders = configparser.ConfigParser(delimiters=("=>", "="))
    folders.read(main)
    assert all(Path(folder).is_dir() for folder in folders["directories"].values())
    assert all(Path(folder).is_relative_to(tmp_path) for folder in folders["directories"].values())
    pjsip = (main.parent / "pjsip.conf").read_text()
    assert "bind = 127.0.0.1:22000\n" in pjsip
    assert f"match = {CARRIER}\n" in pjsip
    assert f"username = {EXTENSION}\npassword = a-long-password\n" in pjsip
    assert f"exten => {COMPANY_NUMBER},1,Dial(PJSIP/{EXTENSION})\n" in (main.parent / "extensions.conf").read_text()
    assert "require = chan_pjsip.so\n" in (main.parent / "modules.conf").read_text()
    assert not [path for path in main.parent.iterdir() if "{" in path.read_text()]


def test_records_of_answered_calls_are_counted_once_there_are_any(tmp_path: Path) -> None:
    write_configuration(tmp_path / "made", port=22_000, password="a-long-password")
    asterisk = Asterisk(tmp_path / "made", 0, 22_000, "a-long-password")
    assert asterisk.answered_records() == 0
    record = '"","+79160000001","{number}","from-carrier",1,0,"{disposition}","DOCUMENTATION"\n'
    lines = [record.format(number=COMPANY_NUMBER, disposition=word) for word in ("ANSWERED", "NO ANSWER", "ANSWERED")]
    (tmp_path / "made" / "log" / "cdr-csv" / "Master.csv").write_text("".join(lines))
    assert asterisk.answered_records() == 2


@pytest.mark.parametrize(
    ("answer", "channels"),
    [
        ("0 active channels\n0 active calls\n7 calls processed\n", 0),
        ("1 active channel\n1 active call\n1 call processed\n", 1),
        ("800 active channels\n400 active calls\n", 800),
    ],
)
def test_the_number_of_channels_is_read_from_the_console(answer: str, channels: int) -> None:
    assert active_channels(answer) == channels


def test_a_console_that_says_something_else_is_an_error() -> None:
    with pytest.raises(AsteriskError, match="no number"):
        active_channels("No such command\n")
