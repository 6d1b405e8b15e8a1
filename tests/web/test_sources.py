"""Whether the web app's sources fit the server, and its lock file fits every machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.app import openapi_description

WEB = Path(__file__).resolve().parents[2] / "web"


def run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the web app's tools in its folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command, cwd=WEB, env={**os.environ, "PATH": path}, input=given, capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def _tools() -> None:
    if not (WEB / "node_modules").is_dir():
        pytest.fail("The web app's packages are not installed: call `make web`.")


def test_the_shapes_are_those_that_the_server_describes() -> None:
    done = run("node", "node_modules/openapi-typescript/bin/cli.js", given=json.dumps(openapi_description()))
    assert done.returncode == 0, done.stderr
    written = (WEB / "src" / "api" / "schema.ts").read_text()
    assert done.stdout == written, "They differ: call `npm --prefix web run types`, then look at what does not fit."


def test_the_lock_file_names_no_place_to_load_from() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
