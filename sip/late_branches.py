"""Branches of a forked INVITE that answer when the fork is over: their calls are ended at once (RFC 3261 section 13.2.2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sip.address import Address
from sip.client_request import ClientRequest
from sip.dialog import dialog_of_answer
from sip.message import Request, Response
from sip.parser import parse_message
from sip.transaction import ignore_response

if TYPE_CHECKING:
    from sip.core import SipCore

_MOST_BRANCHES = 4096
"""Branches whose ACK is kept at a time; further ones are left to give up."""


class LateBranches:
    """The branches that answered late, each for as long as it may repeat itself."""

    __slots__ = ("_acknowledgements", "_core", "_send")

    def __init__(self, core: SipCore, send: Callable[[bytes, Address], None]) -> None:
        self._core = core
        self._send = send
        self._acknowledgements: dict[tuple[str, str], tuple[bytes, Address]] = {}
        """By Call-ID and the branch's tag."""

    def answered(self, response: Response, acknowledgement: bytes, destination: Address) -> bool:
        """End the call of such a branch by ACK and BYE; False where the answer is the one that was taken before.

        Args:
            response: the 2xx.
            acknowledgement: the ACK of the final response that was taken, which may be a refusal.
            destination: where that was sent.
        """
        request = parse_message(acknowledgement)
        if not isinstance(request, Request) or request.to_tag == response.to_tag:
            return False
        key = (response.call_id, response.to_tag)
        known = self._acknowledgements.get(key)
        if known is not None:
            self._send(*known)
            return True
        if len(self._acknowledgements) >= _MOST_BRANCHES:
            return True
        core = self._core
        session = core.sessions.get((response.call_id, response.from_tag))
        symmetric = session is not None and session.symmetric
        dialog = dialog_of_answer(request, response, destination, symmetric=symmetric)
        hop = core.next_hop(dialog)
        acknowledged = core.send_acknowledgement(dialog.request("ACK", cseq=request.cseq[0]), hop)
        self._acknowledgements[key] = (acknowledged, hop)
        core.timers.schedule(core.timing.limit, self._acknowledgements.pop, key, None)
        ClientRequest(core, dialog.request("BYE"), hop, ignore_response, next_cseq=dialog.next_cseq)
        return True
