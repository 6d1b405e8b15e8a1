"""The errors of SIP: what a peer sent that cannot be used, and what cannot be agreed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.errors import Fault, RamalError

if TYPE_CHECKING:
    from sip.message import Request


class SipError(RamalError):
    """Any error of the SIP room. `sip_status` is what a request that caused it is answered with."""

    id = "sip.error"
    fault = Fault.OURS
    http_status = 500
    sip_status: ClassVar[int] = 500


class MalformedMessageError(SipError):
    """A message, or a header or body in it, breaks the grammar. Nothing else is raised for what a peer sent."""

    id = "sip.malformed_message"
    fault = Fault.PEER
    http_status = 502
    sip_status = 400

    def __init__(self, message: str, *, status: int = 400, request: Request | None = None) -> None:
        """Tell what is wrong.

        Args:
            message: the rule that was broken.
            status: the answer that fits best; 400, or 505 for another version of SIP, or 513 for one too large.
            request: the request as far as it could be read, when it can be answered at all.
        """
        super().__init__(message)
        self.status = status
        self.request = request


class MalformedSdpError(MalformedMessageError):
    """A session description breaks RFC 8866."""

    id = "sip.malformed_sdp"


class NotAcceptableHereError(SipError):
    """Offer and answer have nothing in common: no codec that both speak, or no audio at all (488)."""

    id = "sip.not_acceptable_here"
    fault = Fault.PEER
    http_status = 502
    sip_status = 488

    def __init__(self, message: str, *, warning: int = 305) -> None:
        """Tell what is missing; `warning` is the code of RFC 3261 section 20.43 that says it to machines."""
        super().__init__(message)
        self.warning = warning


class UnusableChallengeError(SipError):
    """A peer asks for credentials in a way that is not spoken here."""

    id = "sip.unusable_challenge"
    fault = Fault.PEER
    http_status = 502
    sip_status = 502


class SessionStateError(SipError):
    """A session cannot do this in its state or direction: a mistake of the caller, not a race."""

    id = "sip.session_state"
    fault = Fault.CALLER
    http_status = 409


class TransportError(SipError):
    """A socket cannot be opened, or a peer cannot be reached."""

    id = "sip.transport"
    fault = Fault.PEER
    http_status = 502
    sip_status = 503
