"""What the command line says of each answer of the running server, and with which code it ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.key_store import TokenStore
from core.clock import SystemClock
from core.database import Database
from core.errors import InvalidInputError, RamalError
from core.settings import Settings
from core.settings_reader import load_settings
from ramal.doctor.findings import Severity
from ramal.doctor.outside import examine
from ramal.errors import ServerFailedError, ServerRefusedError
from ramal.route_tools import explain_route
from ramal.running_server import is_running
from tests.ramal.test_command_line import ramal
from tests.ramal.test_route_command import company_in
from tests.support.ports import free_port


@contextlib.contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Hold the data folder as a running server does."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.asynccontextmanager
async def answering(port: int, status: int, body: bytes) -> AsyncIterator[list[str]]:
    """Be a web server that answers everything alike; gives the first lines of what it is asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.partition("\r\n")[0])
        start = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(start.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield asked


def settings_of(folder: Path, port: int) -> Settings:
    return load_settings(None, {"RAMAL_WEB_PORT": str(port)}, data=folder)


async def refusal(folder: Path, status: int, content: Any) -> RamalError:
    """Ask a server that answers so where a call would go."""
    port = free_port()
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    with taken(folder):
        async with answering(port, status, body) as asked:
            with pytest.raises(RamalError) as raised:
                await explain_route(settings_of(folder, port), "1001", from_extension="", trunk="")
    assert asked == ["POST /api/v1/routes/test HTTP/1.1"]
    return raised.value


@pytest.mark.parametrize(
    ("status", "kind", "sentence", "hint"),
    [
        (401, ServerRefusedError, "does not know the token made for this question", "Give the settings"),
        (403, ServerRefusedError, "forbids it (403). The reason.", "What to do."),
        (404, ServerRefusedError, "does not know what was asked of it (404)", "Is it of another version?"),
        (405, ServerRefusedError, "does not know what was asked of it (405)", "Is it of another version?"),
        (409, ServerRefusedError, "cannot do it as things are (409). The reason.", "What to do."),
        (418, ServerRefusedError, "an answer that is none of Ramal's (418)", "Is it of another version?"),
        (422, InvalidInputError, "The reason.", "What to do."),
        (429, ServerFailedError, "was asked too often (429)", "Try again in a minute."),
        (500, ServerFailedError, "failed at it (500). The reason. Its log has it as request 17.", "Look at its log."),
        (503, ServerFailedError, "cannot do it at the moment (503). The reason.", "What to do."),
    ],
)
async def test_each_refusal_of_the_server_is_told_in_words(
    tmp_path: Path, status: int, kind: type[RamalError], sentence: str, hint: str
) -> None:
    await company_in(tmp_path)
    problem = {"detail": "The reason.", "hint": "What to do."} | ({"request_id": 17} if status == 500 else {})
    error = await refusal(tmp_path, status, problem)
    assert type(error) is kind
    assert sentence in error.message
    assert error.hint.startswith(hint)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/ramal.sqlite3")
    assert await TokenStore(database, SystemClock()).list(limit=9) == [], "the token it asked with is gone"
    await database.close()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff\xfe", b""])
async def test_what_answers_but_is_no_ramal_is_told(tmp_path: Path, body: bytes) -> None:
    await company_in(tmp_path)
    assert "none of Ramal's (200)" in (await refusal(tmp_path, 200, body)).message
    assert "failed at it (502)" in (await refusal(tmp_path, 502, body)).message


async def test_the_rule_that_is_broken_is_told_with_its_field_and_without_the_rest(tmp_path: Path) -> None:
    await company_in(tmp_path)
    problem = {"detail": "The request breaks a rule.", "errors": [{"field": "body.number", "message": "No number."}]}
    assert (await refusal(tmp_path, 422, problem)).message == "number: No number."
    assert (await refusal(tmp_path, 422, {"errors": ["odd"]})).message == "The server refuses the question."


async def test_a_server_that_is_silent_is_not_taken_for_none(tmp_path: Path) -> None:
    await company_in(tmp_path)
    settings = settings_of(tmp_path, free_port())
    with taken(tmp_path):
        with pytest.raises(ServerFailedError, match="but does not answer at http:"):
            await explain_route(settings, "1001", from_extension="", trunk="")
        (finding,) = await examine(settings)
    assert (finding.code, finding.severity) == ("server_silent", Severity.PROBLEM)


async def test_the_doctor_tells_a_refusal_from_silence(tmp_path: Path) -> None:
    await company_in(tmp_path)
    port = free_port()
    with taken(tmp_path):
        async with answering(port, 401, b"{}"):
            (finding,) = await examine(settings_of(tmp_path, port))
    assert (finding.code, finding.severity) == ("server_refused", Severity.PROBLEM)
    assert "it uses another database (401)" in finding.message


async def test_another_server_that_listens_there_is_not_asked(tmp_path: Path) -> None:
    await company_in(tmp_path)
    port = free_port()
    assert not is_running(tmp_path)
    async with answering(port, 500, b"{}") as asked:
        told = await explain_route(settings_of(tmp_path, port), "1001", from_extension="", trunk="")
    assert told["result"] == "extension"
    assert asked == []


@pytest.mark.parametrize(("status", "code"), [(403, 2), (409, 2), (429, 3), (500, 3)])
async def test_the_code_at_the_end_says_whether_asking_again_may_help(tmp_path: Path, status: int, code: int) -> None:
    await company_in(tmp_path)
    port = free_port()
    with taken(tmp_path):
        async with answering(port, status, b'{"detail": "The reason."}'):
            done = await asyncio.to_thread(
                ramal, "route", "test", "1001", "--data", str(tmp_path), RAMAL_WEB_PORT=str(port)
            )
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(f"ramal: The server at http://127.0.0.1:{port} ")
    assert "Traceback" not in done.stderr
