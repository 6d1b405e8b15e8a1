"""Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3)."""

from __future__ import annotations

from core.identifiers import random_hex
from sip.errors import MalformedMessageError
from sip.message import Request, Response

MAGIC_COOKIE = "z9hG4bK"
Key = tuple[str | int, ...]
"""Client: branch, method. Server: branch, sent-by, method (ACK counts as INVITE), Call-ID, number."""


def client_key(response: Response) -> Key:
    """Return the key of the client transaction that a response belongs to (RFC 3261 section 17.1.3)."""
    return response.via.branch, response.cseq[1]


def server_key(request: Request, method: str | None = None) -> Key:
    """Return the key of the server transaction that a request belongs to (RFC 3261 section 17.2.3).

    Call-ID and number are part of it, for scripts write one branch for all that they send.
    `method` looks for another transaction of the same hop: "INVITE" finds the one that a CANCEL means.
    """
    key = request.server_key
    if key is None:
        via = request.via
        branch = via.branch
        if not branch.startswith(MAGIC_COOKIE) or branch == MAGIC_COOKIE:
            # An RFC 2543 peer: its branch means nothing, so the rest of the request has to tell.
            branch = request.from_tag
        try:
            call_id, number = request.call_id, request.cseq[0]
        except MalformedMessageError:
            # It is refused, and its repetitions are.
            call_id, number = "", 0
        started = "INVITE" if request.method == "ACK" else request.method
        key = request.server_key = branch, via.sent_by, started, call_id, number
    return key if method is None else (*key[:2], method, *key[3:])


def new_branch() -> str:
    """Return a branch that no one used before."""
    return MAGIC_COOKIE + random_hex(10)
