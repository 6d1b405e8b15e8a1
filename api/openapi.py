"""The OpenAPI description: every operation with its errors, and how one signs in."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE, Problem, ProblemField
from api.security import COOKIE

_DESCRIPTION: Final = """
The API of Ramal. Sign in with `POST /api/v1/session` (a cookie for browsers) or send a token as `Authorization: Bearer …`.

- Times are RFC 3339 in UTC, durations are seconds, money is a decimal string with an ISO 4217 `currency`, numbers are E.164.
- Lists take `limit` and `cursor` and answer `items` and `next_cursor`.
- Errors are RFC 9457 problem details. Unknown fields and query parameters are refused.
- `POST` takes an `Idempotency-Key`: the same key and body gives the same answer and no second effect for 24 hours.
- `GET /api/v1/events` is a WebSocket with live events (cookie, bearer token, or `?token=`).
"""
_OPEN: Final = {("/api/v1/session", "post")}
_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_KEY_HEADER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key and body gives the same answer and no second effect.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description of the application."""
    schema = get_openapi(
        title="Ramal",
        version=app.version,
        summary="Contact-center and IP-telephony engine",
        description=_DESCRIPTION,
        routes=app.routes,
        servers=[{"url": "/"}],
    )
    components = schema.setdefault("components", {})
    models = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        models.pop(unused, None)
    models["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    models["Problem"].pop("$defs", None)
    models["ProblemField"] = ProblemField.model_json_schema()
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    schema["security"] = [{"token": []}, {"session": []}]
    for path, operations in schema["paths"].items():
        for method in _METHODS & operations.keys():
            _complete(path, method, operations[method])
    return schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    responses["default"] = {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if (path, method) in _OPEN:
        operation["security"] = []
    elif method == "post":
        operation.setdefault("parameters", []).append(_KEY_HEADER)
