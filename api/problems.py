"""Every error leaves as RFC 9457 problem details: one shape, a stable type, and never a traceback."""

from __future__ import annotations

import http
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.errors import (
    ApiError,
    BadRequestError,
    BodyTooLargeError,
    FieldError,
    InvalidFieldsError,
    MethodNotAllowedError,
    NoSuchPathError,
    UnsupportedTypeError,
)
from api.patterns import in_words
from billing.errors import RateImportError
from core.errors import NotFoundError, RamalError, StorageError
from crm_bridge.errors import CrmUnavailableError
from pbx.errors import EntryExistsError, InvalidEntryError
from recordings.errors import RangeNotSatisfiableError

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_MOST_FIELDS: Final = 20
_MOST_LINES: Final = 1000


class ProblemField(BaseModel):
    """One field that breaks a rule."""

    field: str = Field(description="Where it is: `body.name`, `query.limit`.", examples=["body.price_per_minute"])
    message: str = Field(description="The rule it breaks.", examples=["Input should be a valid decimal"])


class Problem(BaseModel):
    """An error, as RFC 9457 problem details."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:ramal:problem:core.not_found",
                "title": "Not found",
                "status": 404,
                "detail": "There is no such recording.",
            }
        }
    )

    type: str = Field(description="Stable name of the kind of error: `urn:ramal:problem:` and its id.")
    title: str = Field(description="The kind of error in words; the same for every error of the type.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time, for the one who can act on it.")
    hint: str | None = Field(None, description="What to do about it.")
    errors: list[ProblemField] | None = Field(None, description="The fields that break a rule.")
    request_id: str | None = Field(None, description="Named in the server's log line of this error.")


def problem_response(error: RamalError, *, request_id: str | None = None) -> Response:
    """Return the error as an answer with its status and headers."""
    fields = _fields(error)
    content: dict[str, Any] = {
        "type": f"urn:ramal:problem:{error.id}",
        "title": error.id.rpartition(".")[2].replace("_", " ").capitalize(),
        "status": error.http_status,
        "detail": error.message,
    }
    if error.hint:
        content["hint"] = error.hint
    if fields:
        content["errors"] = [{"field": one.field, "message": one.message} for one in fields]
    if request_id:
        content["request_id"] = request_id
    headers = {"Cache-Control": "no-store"} | _headers(error)
    return JSONResponse(content, error.http_status, headers, media_type=MEDIA_TYPE)


def _headers(error: RamalError) -> dict[str, str]:
    if isinstance(error, ApiError):
        return error.headers
    if isinstance(error, RangeNotSatisfiableError):
        return {"Content-Range": f"bytes */{error.size}"}
    if isinstance(error, CrmUnavailableError) and error.retry_after is not None:
        return {"Retry-After": str(math.ceil(error.retry_after))}
    return {}


def _fields(error: RamalError) -> Sequence[FieldError]:
    if isinstance(error, ApiError):
        return error.errors
    if isinstance(error, RateImportError):
        return [FieldError(f"body.lines.{line.line}", line.reason) for line in error.lines[:_MOST_LINES]]
    if isinstance(error, InvalidEntryError | EntryExistsError):
        # The directory names the field first: “host: …”.
        field, colon, rule = error.message.partition(": ")
        return [FieldError(f"body.{field}", rule)] if colon and field.isidentifier() else ()
    return ()


def as_error(error: Exception) -> RamalError | None:
    """Return the error that tells a client of any exception, or None for one that nobody foresaw."""
    if isinstance(error, RamalError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors())
    if isinstance(error, HTTPException):
        return _of_status(error)
    if isinstance(error, OperationalError | InterfaceError | ConnectionError):
        return StorageError("The database cannot be used at the moment.", hint="Try again in a few seconds.")
    return None


def install(app: FastAPI) -> None:
    """Answer the exceptions of handlers and of routing as problems; `api.guard` answers all others."""

    async def answer(request: Request, error: Exception) -> Response:
        """Return the problem that the error is, or raise what is none."""
        known = as_error(error)
        if known is None:
            raise error
        if isinstance(known, MethodNotAllowedError):
            known.headers["Allow"] = ", ".join(_methods_at(request))
        if known.http_status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_failed", path=request.url.path, problem=known.id, error=known.message)
        return problem_response(known, request_id=request.scope.get("ramal.request_id"))

    for kind in (RamalError, RequestValidationError, HTTPException, OperationalError, InterfaceError):
        app.add_exception_handler(kind, answer)


def _methods_at(request: Request) -> list[str]:
    """Return the methods that the request's address takes; the router itself names those of the first route only."""
    asked = {"type": "http", "path": request.scope["path"], "root_path": "", "headers": []}
    return [
        method
        for method in _METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


def _invalid(errors: Sequence[Mapping[str, Any]]) -> RamalError:
    if any(error["type"] == "json_invalid" for error in errors):
        position = errors[0]["loc"][-1]
        return BadRequestError(f"The body is not valid JSON: {_rule(errors[0])} at character {position}.")
    if errors and all(error["loc"][:1] == ("path",) for error in errors):
        return NotFoundError("There is no such thing.", hint="The id in the address has a shape that no id has.")
    fields = [FieldError(_place(error["loc"]), _rule(error)) for error in errors[:_MOST_FIELDS]]
    named = "; ".join(f"{one.field}: {one.message}" for one in fields[:3])
    # A body stays bytes where its Content-Type says that it is no JSON.
    unread = any(tuple(error["loc"]) == ("body",) and isinstance(error.get("input"), bytes) for error in errors)
    hint = "Send the body with “Content-Type: application/json”." if unread else ""
    return InvalidFieldsError(f"The request breaks a rule. {named}.", hint=hint, errors=fields)


def _place(location: Sequence[str | int]) -> str:
    return ".".join(str(part)[:64] for part in location)


def _rule(error: Mapping[str, Any]) -> str:
    """Return the rule in words, without the value: it may be a password."""
    if error["type"] == "extra_forbidden":
        return "There is no such field"
    if error["type"] == "json_invalid":
        return str(error["ctx"]["error"])
    if error["type"] == "string_pattern_mismatch" and (words := in_words(error["ctx"]["pattern"])):
        return words
    return str(error["msg"]).removeprefix("Value error, ")


def _of_status(error: HTTPException) -> ApiError:
    kind, sentence = _STATUSES.get(error.status_code, (BadRequestError, "The request cannot be answered"))
    return kind(f"{sentence}.", headers=error.headers)


_STATUSES: Final[dict[int, tuple[type[ApiError], str]]] = {
    400: (BadRequestError, "The body cannot be read: it is not JSON in UTF-8, or nested too deeply"),
    404: (NoSuchPathError, "There is nothing at this address"),
    405: (MethodNotAllowedError, "This address does not take that method; the Allow header lists those it takes"),
    413: (BodyTooLargeError, "The body is too long"),
    415: (UnsupportedTypeError, "This address does not take a body of that type"),
}
