"""Responses that nobody but their receiver looks at, written without being built first (RFC 3261 section 8.2.6)."""

from __future__ import annotations

from collections.abc import Sequence

from sip.headers import reason_phrase
from sip.message import Request, find_tag, response_to


def write_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str,
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Return the bytes of what `response_to` makes of the same arguments.

    The names of `headers` are canonical. What a request outside of calls has once is written straight from it; one with several
    lines of a name, or without what every message has, takes the long way.
    """
    lines = request.by_name() if status >= 300 or request.method == "REGISTER" else None
    if lines is not None:
        try:
            to = lines["To"]
            text = (
                f"SIP/2.0 {status} {reason or reason_phrase(status)}\r\nVia: {lines['Via']}\r\nFrom: {lines['From']}\r\n"
                f"To: {to if find_tag(to) else f'{to};tag={to_tag}'}\r\nCall-ID: {lines['Call-ID']}\r\nCSeq: {lines['CSeq']}\r\n"
            )
        except KeyError:
            pass
        else:
            for name, value in headers:
                text += f"{name}: {value}\r\n"
            text += "Content-Length: 0\r\n\r\n"
            breaks = len(headers) + 8
            # A line break inside a value would begin a header of somebody else's.
            if text.count("\n") == breaks and text.count("\r") == breaks:
                return text.encode("utf-8", "replace")
    return response_to(request, status, reason, to_tag=to_tag, headers=headers).encode()
