"""The main job, end to end, as `make demo ARGS=--exit` shows it."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ramal.data_folder import DataFolder
from tests.support.postgres import postgres_server

ROOT = Path(__file__).parents[2]


def demo(*arguments: str, base: int, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ramal.cli import main; main()", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=170,
        cwd=ROOT,
        check=False,
        env={**os.environ, "RAMAL_PORT_BASE": str(base), **environment},
    )


def check(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """See that the demo went well and that its summary says all that happened; return the summary."""
    assert result.returncode == 0, result.stderr[-3000:] + result.stdout[-1000:]
    summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert summary["ok"] is True
    assert (summary["answered_by"], summary["transferred_to"]) == ("1001", "1002")
    assert len(summary["cdrs"]) == 4
    charges = {charge["kind"]: charge for charge in summary["charges"]}
    assert Decimal(charges["landline"]["amount"]) == Decimal("0.72")
    assert Decimal(charges["mobile"]["amount"]) == Decimal("1.57")
    assert {charge["currency"] for charge in summary["charges"]} == {"RUB"}
    assert {charge["billed_seconds"] for charge in summary["charges"]} == {60}
    assert summary["recording"]["channels"] == 2
    assert summary["recording"]["seconds"] > 15
    assert summary["visits"] == {"visitors": 1, "visits": 2, "returning": 1}
    assert summary["mqtt_events"] > 50
    assert summary["lead_id"] != summary["contact_id"]
    return summary


@pytest.mark.timeout(180)
def test_the_main_job_works_from_the_first_ring_to_the_last_kopeck(tmp_path: Path) -> None:
    result = demo("--exit", "--data", str(tmp_path / "demo"), base=48_000)
    summary = check(result)
    assert summary["web"] == "http://127.0.0.1:48002"


@pytest.mark.timeout(240)
def test_the_main_job_works_on_postgresql_as_well(tmp_path: Path) -> None:
    with postgres_server() as url:
        check(demo("--exit", "--data", str(tmp_path / "demo"), base=48_200, RAMAL_DATABASE_URL=url))


def test_the_folder_of_a_demo_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".ramal-demo").touch()
    folder = DataFolder(tmp_path)
    (tmp_path / "ramal.sqlite3").write_text("in use")
    result = demo("--exit", "--data", str(tmp_path), base=48_100)
    folder.close()
    assert result.returncode == 2
    assert "Another Ramal runs on the data folder" in result.stderr
    assert (tmp_path / "ramal.sqlite3").read_text() == "in use"


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = demo("--exit", "--data", str(tmp_path / "file" / "demo"), base=48_100)
    assert result.returncode == 2
    assert result.stderr.startswith("ramal: ")


def test_a_folder_that_is_no_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    result = demo("--exit", "--data", str(tmp_path), base=48_100)
    assert result.returncode == 2
    assert "not empty" in result.stderr
    assert (tmp_path / "precious.txt").read_text() == "mine"
