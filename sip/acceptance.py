"""Whether a request that begins something can be taken as it is written (RFC 3261 section 8.2)."""

from __future__ import annotations

from typing import NamedTuple

from sip.bodies import body_problem
from sip.capabilities import ACCEPT_HEADERS, ALLOW, ALLOWED_METHODS, SUPPORTED_OPTIONS
from sip.errors import MalformedMessageError
from sip.message import Headers, Request

_UNDERSTOOD_SCHEMES = ("sip", "sips", "tel")


class Objection(NamedTuple):
    """Why a request is refused."""

    status: int
    headers: Headers = ()
    """What the response says of it."""


def objection_to(request: Request) -> Objection | None:
    """Return why a request outside of a dialog cannot be taken, looked for in the order of RFC 3261 section 8.2; None: it can.

    Raises:
        MalformedMessageError: its URI asks for headers, or its Max-Forwards is no number.
    """
    method = request.method
    if method not in ALLOWED_METHODS:
        return Objection(501, [("Allow", ALLOW)])
    uri = request.uri
    if uri.scheme not in _UNDERSTOOD_SCHEMES:
        return Objection(416)
    if uri.headers:
        raise MalformedMessageError("The Request-URI asks for headers.", request=request)
    if method == "INVITE" and not _may_go_on(request):
        return Objection(483)
    if method == "INVITE" and (status := body_problem(request)):
        return Objection(status, ACCEPT_HEADERS)
    unknown = unknown_options(request)
    if unknown:
        return Objection(420, [("Unsupported", ", ".join(unknown))])
    return None


def unknown_options(request: Request) -> list[str]:
    """Return the option tags that a peer requires and that mean nothing here (RFC 3261 section 8.2.2.3)."""
    if request.get("Require") is None:
        return []
    return [tag for tag in request.get_list("Require") if tag.lower() not in SUPPORTED_OPTIONS]


def _may_go_on(request: Request) -> bool:
    """Tell whether Max-Forwards lets a call that we would route on pass (RFC 7332: a B2BUA counts as a hop)."""
    value = (request.get("Max-Forwards") or "70").strip()
    if not (value.isascii() and value.isdigit()):
        raise MalformedMessageError("The Max-Forwards is not a number.", request=request)
    return value.lstrip("0") != ""
