"""What a run of the tests tells when it is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_a_run_that_is_killed_names_its_test_and_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "test_fault.py").write_text("import os\n\ndef test_it():\n    os.abort()\n")
    ran = subprocess.run(
        [sys.executable, "-m", "tests", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest", str(tmp_path)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 128 + 6
    assert "test_fault.py" in ran.stdout
    assert "line 4 in test_it" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("Killed by SIGABRT in ")
