"""Asking the server that runs on the same data folder, over its API, and what each answer means to the one who asked."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from api.key_store import TokenStore
from api.permissions import Role
from core.clock import SystemClock
from core.database import Database
from core.errors import InvalidInputError, RamalError
from core.settings import Settings
from ramal.errors import ServerFailedError, ServerRefusedError

_TOKEN_LIFE: Final = timedelta(minutes=2)
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to
_SAME_SETTINGS: Final = "Give the settings it was started with (--config, RAMAL_ variables)"
_OTHER_PROGRAM: Final = "Is it of another version? Restart it after an upgrade. Or does something else listen there?"
_MEANINGS: Final = {
    401: ("does not know the token made for this question: it uses another database", f"{_SAME_SETTINGS}."),
    403: ("forbids it", ""),
    404: ("does not know what was asked of it", _OTHER_PROGRAM),
    405: ("does not know what was asked of it", _OTHER_PROGRAM),
    409: ("cannot do it as things are", ""),
    429: ("was asked too often", "Try again in a minute."),
    503: ("cannot do it at the moment", ""),
}
"""What an HTTP status means, and what to do about it; where that is empty, the answer itself says what to do."""
_FAILED: Final = ("failed at it", "Look at its log.")
_STRANGE: Final = ("gives an answer that is none of Ramal's", _OTHER_PROGRAM)


@dataclass(slots=True, frozen=True)
class Question:
    """One request to the API."""

    method: str
    path: str
    """Below `/api/v1/`."""
    asker: str
    """The command, by which the audit trail and the list of tokens know it."""
    body: dict[str, Any] | None = None
    patience: float = 10.0
    """Seconds."""


def is_running(folder: Path) -> bool:
    """Tell whether a server has taken the data folder."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def base_url(settings: Settings) -> str:
    """Return where the web server of these settings is reached from this machine."""
    host = _ANY.get(settings.listen, settings.listen)
    return f"http://[{host}]:{settings.web.port}" if ":" in host else f"http://{host}:{settings.web.port}"


async def ask(settings: Settings, database: Database, question: Question) -> dict[str, Any]:
    """Return what the running server answers, asked with a token for this one question.

    Raises:
        InvalidInputError: what was asked breaks a rule (422).
        ServerRefusedError: the server does not do it (any other 4xx).
        ServerFailedError: the server is silent, too busy (429), or fails at it (5xx).
    """
    tokens = TokenStore(database, SystemClock())
    token, secret = await tokens.create(label=question.asker, role=Role.ADMINISTRATOR, life=_TOKEN_LIFE)
    base = base_url(settings)
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=question.patience, trust_env=False) as client:
            url = f"{base}/api/v1/{question.path}"
            answer = await client.request(question.method, url, json=question.body)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise ServerFailedError(
            f"A server runs on {settings.data}, but does not answer at {base} ({reason}).",
            hint=f"{_SAME_SETTINGS}; else look at its log, and restart it.",
        ) from error
    finally:
        await tokens.delete(token.id)
    content = _content(answer)
    if answer.status_code == httpx.codes.OK and content is not None:
        return content
    raise _error(base, answer, content or {})


def _content(answer: httpx.Response) -> dict[str, Any] | None:
    """Return the JSON object that the answer is; None where it is none."""
    try:
        content = answer.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _error(base: str, answer: httpx.Response, problem: dict[str, Any]) -> RamalError:
    """Return what an answer means that is not what was asked for."""
    status = answer.status_code
    told = str(problem.get("hint") or "")
    if status == httpx.codes.UNPROCESSABLE_ENTITY:
        return InvalidInputError(_broken_rule(problem), hint=told)
    broken = status >= httpx.codes.INTERNAL_SERVER_ERROR
    sentence, hint = _MEANINGS.get(status, _FAILED if broken else _STRANGE)
    message = f"The server at {base} {sentence} ({status}). {problem.get('detail') or ''}".rstrip()
    if broken and problem.get("request_id"):
        message += f" Its log has it as request {problem['request_id']}."
    kind = ServerFailedError if broken or status == httpx.codes.TOO_MANY_REQUESTS else ServerRefusedError
    # What a client of the API is told to do about a 401 or a 404 is of no use on a command line.
    return kind(message, hint=hint or told)


def _broken_rule(problem: dict[str, Any]) -> str:
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if isinstance(first, dict) and first.get("message"):
        return f"{str(first.get('field')).removeprefix('body.')}: {first['message']}"
    return str(problem.get("detail") or "The server refuses the question.")
