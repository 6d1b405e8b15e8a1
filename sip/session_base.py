"""What every INVITE session has: who takes part, its dialog, its listener, and a way to send requests inside of it."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Protocol, cast

import structlog

from sip.address import Address
from sip.capabilities import SESSION_HEADERS
from sip.client_request import ClientCredentials, ClientRequest, SessionHost
from sip.dialog import Dialog
from sip.errors import SessionStateError
from sip.message import Headers, Request, Response
from sip.session_events import Direction, SessionEvent, SessionListener, SessionState
from sip.session_tables import SESSION, Move
from sip.session_timer import SessionTimer, has_option
from sip.transaction import ClientTransaction, ResponseCallback
from sip.transfer import Replaces
from sip.uri import NameAddress, secured

if TYPE_CHECKING:
    from sip.session import InviteSession

log = structlog.get_logger(__name__)

_DIALOG_IS_LOST = (408, 481)
"""Answers to a request in a dialog after which the dialog is over (RFC 3261 section 12.2.1.2)."""
_TELL_NOTHING = ("BYE", "NOTIFY", "PRACK", "SUBSCRIBE", "MESSAGE")
"""Requests whose loss does not end the dialog: for a PRACK the final response to the INVITE says it, NOTIFY and SUBSCRIBE are of
another use of the dialog (RFC 5057 section 5), and no text is worth a call.
"""


class Describer(Protocol):
    """One who can say what a session of ours was agreed to be."""

    def description(self) -> bytes:
        """Return our last description that was agreed to, in the same words."""
        ...


class SessionBase(abc.ABC):
    """The standing parts of a session; what can be done with it is in `InviteSession`."""

    __slots__ = (
        "__weakref__",
        "_contact",
        "_direct",
        "_over",
        "_request",
        "_secure",
        "call_id",
        "context",
        "credentials",
        "describer",
        "dialog",
        "direction",
        "host",
        "identity",
        "listener",
        "local_sdp",
        "local_tag",
        "peer_updates",
        "remote_offer",
        "replaces",
        "source",
        "state",
        "symmetric",
        "timer",
        "trunk",
    )

    def __init__(
        self, host: SessionHost, direction: Direction, request: Request, source: Address, *, symmetric: bool
    ) -> None:
        self.host = host
        self.direction = direction
        self.call_id = request.call_id
        self.source = source
        """Incoming: where the INVITE came from. Outgoing: where it was sent."""
        self.symmetric = symmetric
        """Whether the peer is always reached at its packets' source, whatever its Contact says."""
        self.listener: SessionListener | None = None
        """Who hears the events; set it in `Application.invite_received`."""
        self.context: Any = None
        """Free for the one who controls the call."""
        self.identity: str | None = None
        """Incoming: the user who proved who they are, or None."""
        self.trunk: str | None = None
        """Incoming: the trunk it came from, or None."""
        self.replaces: Replaces | None = None
        """Incoming: the dialog this one wants to take the place of (RFC 3891)."""
        self.remote_offer: bytes | None = None
        """Incoming: the session description of the INVITE, until the call is confirmed; None means that our answer has to bring the
        offer.
        """
        self.dialog: Dialog | None = None
        outgoing = direction is Direction.OUTGOING
        self.state = SessionState.CALLING if outgoing else SessionState.OFFERED
        self.local_tag = ""
        self.credentials: ClientCredentials | None = None
        """Whom to be when the peer challenges a request of ours."""
        self.timer: SessionTimer | None = None
        """What keeps the call from outliving its ends (RFC 4028), once it is answered."""
        self.peer_updates: bool | None = None
        """Whether the peer said that it takes UPDATE; None: ask `updates`."""
        self.local_sdp = request.body if outgoing else b""
        """Our last session description that the peer has as an offer or answer; empty before there is one, and in a confirmed call
        that has a `describer`.
        """
        self.describer: Describer | None = None
        """Who writes that description again when the call is to be refreshed, so that it need not be kept for as long as that lasts."""
        self._request: Request | None = request
        self._secure = request.uri.scheme == "sips"
        self._direct: bool | None = None
        self._contact = ""
        self._over = False

    @property
    def request(self) -> Request:
        """The INVITE that began it, as it was received or first sent.

        Raises:
            SessionStateError: the call is confirmed; from then on its dialog tells all, and the INVITE is not kept.
        """
        if self._request is None:
            raise SessionStateError("The INVITE of a confirmed call is not kept.")
        return self._request

    def forget_invite(self) -> None:
        """Let go of the INVITE, because the call is confirmed."""
        self._direct = self.direct
        self._request = self.remote_offer = None
        self.described(self.local_sdp)

    def described(self, sdp: bytes) -> None:
        """Note the description of ours that the peer has now."""
        self.local_sdp = b"" if self._request is None and self.describer is not None else sdp

    @property
    def direct(self) -> bool:
        """Whether the INVITE tells of nobody between the peer and us."""
        if self._direct is not None:
            return self._direct
        request = self.request
        routed = request.get("Route") is not None or request.get("Record-Route") is not None
        return not routed and len(request.get_all("Via")) == 1

    @property
    def remote_tag(self) -> str:
        """The peer's tag, or "" while it is not known."""
        return self.dialog.remote_tag if self.dialog is not None else ""

    @property
    def remote_identity(self) -> NameAddress:
        """The peer as From (incoming) or To (outgoing) names it."""
        return NameAddress.parse(self.dialog.remote) if self.dialog is not None else self.request.to

    @property
    def contact(self) -> str:
        """Our Contact in this session."""
        if not self._contact:
            contact = self.host.contact(self.source, self._user())
            self._contact = secured(contact) if self._secure else contact
        return self._contact

    def _user(self) -> str:
        """Return who we are in this session: whom an incoming INVITE asks for, or whose name an outgoing one bears."""
        if self.direction is Direction.INCOMING:
            return self.request.uri.user
        own = NameAddress.parse(self.dialog.local) if self.dialog is not None else self.request.from_
        return own.uri.user

    @property
    def max_forwards(self) -> int:
        """Incoming: how many further hops the caller allows; a call that is passed on gets one less (RFC 7332)."""
        value = (self.request.get("Max-Forwards") or "").strip()
        return min(int(value), 255) if value.isascii() and value.isdigit() and len(value) < 10 else 70

    @property
    def updates(self) -> bool:
        """Whether the peer takes UPDATE, as its Allow says."""
        if self.peer_updates is None and self._request is not None:
            values = self._request.get_all("Allow") if self.direction is Direction.INCOMING else []
            self.peer_updates = any("UPDATE" in value.upper() for value in values)
        return bool(self.peer_updates)

    def caller_has(self, option: str, header: str = "Supported") -> bool:
        """Incoming: whether the INVITE lists an option tag, as one that is supported or (`Require`) demanded."""
        if self.request.get(header) is None:
            return False
        return any(has_option(value, option) for value in self.request.get_all(header))

    @property
    def says_abilities(self) -> bool:
        """Incoming: whether the INVITE says what its sender can do, as RFC 3261 section 13.2.1 wants of every one: phones and carriers
        do, bare scripts do not.
        """
        return self.request.get("Allow") is not None or self.request.get("Supported") is not None

    def move(self, move: Move) -> bool:
        """Walk the session's table; False, with nothing changed, when the state has no rule for the event."""
        state = SESSION.step(self.state, move)
        if state is None:
            return False
        self.state = state
        return True

    @property
    def established(self) -> bool:
        """Whether it was answered and has not ended."""
        return self.state in (SessionState.ANSWERED, SessionState.CONFIRMED)

    def send(
        self,
        method: str,
        *,
        headers: Headers = (),
        content_type: str = "",
        body: bytes = b"",
        on_response: ResponseCallback | None = None,
    ) -> ClientRequest | None:
        """Send a request inside the dialog; None when there is none yet."""
        dialog = self.dialog
        if dialog is None:
            return None
        request = dialog.request(method, headers=headers, content_type=content_type, body=body)

        def responded(response: Response, transaction: ClientTransaction) -> None:
            """Pass the response on, and end the session where it says that the peer knows no such dialog (RFC 5057)."""
            if on_response is not None:
                on_response(response, transaction)
            if response.status in _DIALOG_IS_LOST and method not in _TELL_NOTHING:
                self.lost(response.status, response.reason)

        return ClientRequest(
            self.host,
            request,
            self.host.next_hop(dialog),
            responded,
            credentials=self.credentials,
            next_cseq=dialog.next_cseq,
        )

    def emit(self, event: SessionEvent) -> bool:
        """Tell the listener; return False when there is none, when it failed, or when the last word was said."""
        if self.listener is None or self._over:
            return False
        try:
            self.listener.session_event(cast("InviteSession", self), event)
        except Exception:
            log.exception("session_listener_failed", call_id=self.call_id, session_event=type(event).__name__)
            return False
        return True

    @abc.abstractmethod
    def lost(self, status: int, reason: str) -> None:
        """End the session because the peer is gone or has lost the call."""

    @abc.abstractmethod
    def repeat_offer(self) -> None:
        """Refresh the session with a re-INVITE that offers what holds already."""

    @abc.abstractmethod
    def proceed(self) -> None:
        """Do what waited for something that is over now."""

    def _headers(self) -> list[tuple[str, str]]:
        return [("Contact", self.contact), *SESSION_HEADERS]

    def __repr__(self) -> str:
        return f"<InviteSession {self.direction} {self.state} {self.call_id}>"
