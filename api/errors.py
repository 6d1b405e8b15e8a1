"""What can go wrong between a client and the rooms behind the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import Fault, RamalError


@dataclass(slots=True, frozen=True)
class FieldError:
    """One field that breaks a rule: its place (`body.lines.3`, `query.limit`), and the rule in words."""

    field: str
    message: str


class ApiError(RamalError):
    """Any error that the API itself finds; `headers` go with the answer."""

    id = "api.error"
    fault = Fault.CALLER
    http_status = 400

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class BadRequestError(ApiError):
    """The request itself cannot be read."""

    id = "api.bad_request"


class InvalidFieldsError(ApiError):
    """Fields of the request break a rule; `errors` names them."""

    id = "api.invalid_fields"
    http_status = 422


class NotSignedInError(ApiError):
    """The request carries no valid session or token."""

    id = "api.not_signed_in"
    http_status = 401

    def __init__(self, message: str = "You are not signed in.", *, hint: str = "") -> None:
        hint = hint or "Sign in with POST /api/v1/session, or send a token as “Authorization: Bearer …”."
        super().__init__(message, hint=hint, headers={"WWW-Authenticate": 'Bearer realm="ramal"'})


class WrongCredentialsError(ApiError):
    """User name and password don't belong together; which of them is wrong is not told."""

    id = "api.wrong_credentials"
    http_status = 401


class TooManyAttemptsError(ApiError):
    """Too many wrong passwords; wait `seconds`."""

    id = "api.too_many_attempts"
    http_status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(
            "Too many wrong passwords.",
            hint=f"Wait {seconds} seconds, then try again.",
            headers={"Retry-After": str(seconds)},
        )


class ForbiddenError(ApiError):
    """The role does not allow this."""

    id = "api.forbidden"
    http_status = 403


class CrossSiteError(ApiError):
    """Another site's page tried to write with this user's session."""

    id = "api.cross_site"
    http_status = 403


class NoSuchPathError(ApiError):
    """There is nothing at this address."""

    id = "api.no_such_path"
    http_status = 404


class MethodNotAllowedError(ApiError):
    """The address does not take that method; the Allow header lists those it takes."""

    id = "api.method_not_allowed"
    http_status = 405


class UnsupportedTypeError(ApiError):
    """The address does not take a body of that type."""

    id = "api.unsupported_type"
    http_status = 415


class BodyTooLargeError(ApiError):
    """The body is longer than this address takes."""

    id = "api.body_too_large"
    http_status = 413


class BodyTooSlowError(ApiError):
    """The body did not come whole in time."""

    id = "api.body_too_slow"
    http_status = 408


class IdempotencyConflictError(ApiError):
    """The Idempotency-Key was used for something else, or what it was used for has not ended."""

    id = "api.idempotency_conflict"
    http_status = 409


class UnavailableError(ApiError):
    """A part that this address needs is switched off or not ready."""

    id = "api.unavailable"
    fault = Fault.OURS
    http_status = 503
