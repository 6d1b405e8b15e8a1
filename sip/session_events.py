"""What an INVITE session tells its listener, as facts in the past."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sip.session import InviteSession
    from sip.transfer import Refer
    from sip.uri import Uri


class Direction(enum.StrEnum):
    """Who sent the INVITE."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class SessionState(enum.StrEnum):
    """Where a session stands."""

    CALLING = "calling"
    """Outgoing: the INVITE was sent, nothing but 100 came back."""
    OFFERED = "offered"
    """Incoming: the INVITE came, nothing but 100 was sent."""
    EARLY = "early"
    """A provisional response above 100 went one way or the other."""
    CANCELLING = "cancelling"
    """Outgoing: given up before it was answered; the peer's last word is waited for."""
    ANSWERED = "answered"
    """A 2xx went one way or the other, the ACK did not yet."""
    CONFIRMED = "confirmed"
    ENDED = "ended"


@dataclass(slots=True, frozen=True)
class Progressed:
    """Outgoing: a provisional response above 100 came; with SDP it is early media, or the peer's offer when the INVITE had
    none, and then `accept_offer` is due."""

    status: int
    reason: str
    sdp: bytes | None


@dataclass(slots=True, frozen=True)
class Answered:
    """Outgoing: a 2xx came. `sdp` is the answer; or the peer's offer when the INVITE had none, and then `accept_offer`
    is due. None: what was agreed before the answer stays (RFC 3262).
    """

    sdp: bytes | None


@dataclass(slots=True, frozen=True)
class Rejected:
    """Outgoing: the call was refused, or not delivered at all (408, 503). The session is over."""

    status: int
    reason: str
    retry_after: int | None = None
    """Seconds, when the peer says when to try again."""
    contacts: tuple[Uri, ...] = ()
    """Where else to try, with a 3xx, best first."""
    cause: str = ""
    """The Reason header as it came (RFC 3326, RFC 6432), to be passed on, or empty."""


@dataclass(slots=True, frozen=True)
class Cancelled:
    """Incoming: the caller gave up before the answer. The session is over."""

    reason: str = ""
    """The text of the Reason header, such as "Call completed elsewhere", or empty."""
    cause: str = ""
    """The Reason header as it came."""


@dataclass(slots=True, frozen=True)
class Confirmed:
    """Incoming: the ACK of our 2xx arrived."""


@dataclass(slots=True, frozen=True)
class Ended:
    """The session is over after it was answered, or because `hang_up` was called."""

    by_peer: bool
    reason: str = ""
    status: int = 200
    """200 for an ordinary end, else why it broke: 408 no ACK or no answer to a request, 481 the peer has lost the
    call.
    """
    cause: str = ""
    """The Reason header of the peer's BYE as it came."""


@dataclass(slots=True, frozen=True)
class Offered:
    """A re-INVITE or UPDATE of the peer: `accept_offer` or `reject_offer` is due. None: the peer wants our offer."""

    sdp: bytes | None


@dataclass(slots=True, frozen=True)
class OfferAnswered:
    """Our offer was answered: in the 2xx of our re-INVITE, or in the ACK when the peer had asked for our offer."""

    sdp: bytes


@dataclass(slots=True, frozen=True)
class OfferRejected:
    """Our re-INVITE was refused; what was agreed before stays."""

    status: int


@dataclass(slots=True, frozen=True)
class Referred:
    """The peer asks us to transfer the call: `accept_refer` or `reject_refer` is due."""

    refer: Refer


@dataclass(slots=True, frozen=True)
class ReferProgressed:
    """What became of our own REFER: 202 when it was accepted, then what the peer's NOTIFYs say."""

    status: int
    reason: str
    final: bool
    """Whether nothing more will be told."""


@dataclass(slots=True, frozen=True)
class DigitReceived:
    """A key pressed on the phone that arrived as SIP INFO."""

    digit: str
    duration_ms: int


@dataclass(slots=True, frozen=True)
class TextReceived:
    """A text that the peer sends in the call (RFC 3428)."""

    text: str
    answer: Callable[[int], None]
    """Call it once, with the final status."""


SessionEvent = (
    Progressed
    | Answered
    | Rejected
    | Cancelled
    | Confirmed
    | Ended
    | Offered
    | OfferAnswered
    | OfferRejected
    | Referred
    | ReferProgressed
    | DigitReceived
    | TextReceived
)


class SessionListener(Protocol):
    """What hears of a session. Called synchronously; it may call the session's methods, and must not block."""

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        """Take one event. Exactly one of Rejected, Cancelled and Ended is the last."""
        ...
