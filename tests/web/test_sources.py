"""Whether the web app's sources fit the server, and its lock file fits every machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from api.app import openapi_description

WEB = Path(__file__).resolve().parents[2] / "web"


async def run(*command: str, given: str) -> tuple[int, str, str]:
    """Run a command of the web app's tools in its folder; return its code, output and errors."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *command, cwd=WEB, env={**os.environ, "PATH": path}, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate(given.encode())
    return process.returncode or 0, output.decode(), errors.decode()


@pytest.fixture(autouse=True)
def _tools() -> None:
    if not (WEB / "node_modules").is_dir():
        pytest.fail("The web app's packages are not installed: call `make web`.")


# In the loop of the other tests' server, which would stand still meanwhile and turn calls away afterwards.
@pytest.mark.asyncio(loop_scope="session")
async def test_the_shapes_are_those_that_the_server_describes() -> None:
    description = json.dumps(await asyncio.to_thread(openapi_description))
    code, output, errors = await run("node", "node_modules/openapi-typescript/bin/cli.js", given=description)
    assert code == 0, errors
    written = (WEB / "src" / "api" / "schema.ts").read_text()
    assert output == written, "They differ: call `npm --prefix web run types`, then look at what does not fit."


def test_the_lock_file_names_no_place_to_load_from() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
