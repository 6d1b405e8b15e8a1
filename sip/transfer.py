"""Transfers: REFER, the NOTIFYs that tell how it went, and Replaces (RFC 3515, 3891, 3892, 4488)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip.capabilities import SUPPORTED
from sip.errors import MalformedMessageError
from sip.headers import parse_seconds, reason_phrase
from sip.message import Request, Response, response_to
from sip.session_events import ReferProgressed
from sip.uri import NameAddress, Uri

if TYPE_CHECKING:
    from sip.session import InviteSession
    from sip.timers import Timer
    from sip.transaction import ClientTransaction, ServerTransaction

SIPFRAG = "message/sipfrag"
SUBSCRIPTION_SECONDS: Final = 180
"""How long a peer is told of its transfer, unless it asks for more."""
_WANTS_NO_MORE: Final = frozenset((403, 404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604))
"""Answers to a NOTIFY after which there is nobody to be told (RFC 6665 section 4.2.2)."""
_STATUS_LINE = re.compile(rb"\s*SIP/2\.0\s+([1-6]\d\d)(?:[ \t]+([^\r\n]*))?", re.IGNORECASE)


@dataclass(slots=True, frozen=True)
class Replaces:
    """Which dialog a new INVITE takes the place of (RFC 3891 section 6.1), as the one who is asked sees it."""

    call_id: str
    to_tag: str
    """The tag of the one who is asked: the local tag of its dialog."""
    from_tag: str
    """The tag of the party that is replaced: the remote tag of its dialog."""
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Replaces:
        """Read a Replaces value, from its own header or (decoded) from the header part of a Refer-To URI.

        Raises:
            MalformedMessageError: it lacks the Call-ID or one of the two tags.
        """
        call_id, *pieces = [piece.strip() for piece in text.split(";")]
        tags: dict[str, str] = {}
        for piece in pieces:
            name, _, value = piece.partition("=")
            tags[name.strip().lower()] = value.strip()
        to_tag, from_tag = tags.get("to-tag", ""), tags.get("from-tag", "")
        if not call_id or " " in call_id or not to_tag or not from_tag:
            raise MalformedMessageError("A Replaces does not name a call and its two tags.")
        return cls(call_id, to_tag, from_tag, "early-only" in tags)

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def replaces_of(request: Request) -> Replaces | None:
    """Return what an INVITE says it replaces, or None.

    Raises:
        MalformedMessageError: there are two Replaces (RFC 3891 section 3), or the one cannot be read.
    """
    values = request.get_list("Replaces")
    if not values:
        return None
    if len(values) > 1:
        raise MalformedMessageError("There are two Replaces.", request=request)
    return Replaces.parse(values[0])


@dataclass(slots=True, eq=False)
class Refer:
    """A REFER that a peer sent inside a session; answered with the session's `accept_refer` or `reject_refer`."""

    target: NameAddress
    """The Refer-To, without the headers of its URI."""
    replaces: Replaces | None
    """The dialog that the call to the target shall take the place of: an attended transfer."""
    referred_by: NameAddress | None
    """Who asks, as the Referred-By says (RFC 3892)."""
    subscription: str
    """The Event of its NOTIFYs."""
    wants_notify: bool
    """False when the peer said `Refer-Sub: false` (RFC 4488)."""
    transaction: ServerTransaction | None
    finished: bool = False
    """Whether the last NOTIFY went out."""
    told: tuple[int, str] = (100, "")
    """What the last NOTIFY said: status and reason."""
    expiry: Timer | None = None
    """Ends the subscription when nobody refreshes it."""

    @property
    def uri(self) -> Uri:
        """Whom to call."""
        return self.target.uri


def parse_refer(request: Request, transaction: ServerTransaction | None = None, *, first: bool = True) -> Refer:
    """Read a REFER. Any REFER but the first of a dialog is told apart by its CSeq (RFC 3515 section 2.4.6).

    Raises:
        MalformedMessageError: it has not exactly one Refer-To, or that cannot be read.
    """
    values = request.get_list("Refer-To")
    if len(values) != 1:
        raise MalformedMessageError("A REFER needs one Refer-To.", request=request)
    value = values[0].strip()
    if "?" in value and "<" not in value:
        # Without its angle brackets the question mark would not be of the URI (RFC 3261 section 20.10); it cannot be of anything else.
        value = f"<{value}>"
    address = NameAddress.parse(value)
    replaces = address.uri.header("Replaces")
    return Refer(
        target=address.with_(uri=address.uri.with_(headers=())),
        replaces=Replaces.parse(replaces) if replaces is not None else None,
        referred_by=_referred_by(request),
        subscription="refer" if first else f"refer;id={request.cseq[0]}",
        wants_notify=(request.get("Refer-Sub") or "").strip().lower() != "false",
        transaction=transaction,
    )


def _referred_by(request: Request) -> NameAddress | None:
    """Return who asks, where that is told and can be read: it is for information only (RFC 3892 section 2.1)."""
    try:
        return NameAddress.parse(request.get("Referred-By") or "")
    except MalformedMessageError:
        return None


def refer_to(uri: Uri, replaces: Replaces | None = None) -> str:
    """Return the Refer-To that asks for a call to `uri`, in the place of another dialog if given."""
    return f"<{uri.with_header('Replaces', str(replaces)) if replaces is not None else uri}>"


def parse_sipfrag(body: bytes) -> tuple[int, str]:
    """Read the status line of a NOTIFY about a REFER (RFC 3420).

    Raises:
        MalformedMessageError: it does not begin with one.
    """
    match = _STATUS_LINE.match(body)
    if match is None:
        raise MalformedMessageError("The body of a NOTIFY is not a status line.")
    return int(match[1]), (match[2] or b"").decode("utf-8", "replace").strip()


class Transfers:
    """The REFERs of one session, in both directions."""

    __slots__ = ("_asked", "_received", "_session", "_subscriptions")

    def __init__(self, session: InviteSession) -> None:
        self._session = session
        self._received = 0
        self._asked = 0
        self._subscriptions: list[Refer] = []
        """The transfers that the peer is still told of."""

    @property
    def active(self) -> bool:
        """Whether the peer is still told of a transfer."""
        return bool(self._subscriptions)

    @property
    def asked_for(self) -> bool:
        """Whether the peer has sent a REFER that could be read."""
        return self._received > 0

    def receive(self, request: Request, transaction: ServerTransaction) -> Refer | None:
        """Take a REFER of the peer; answers 400 and returns None when it cannot be read."""
        try:
            refer = parse_refer(request, transaction, first=not self._received)
        except MalformedMessageError as error:
            transaction.respond(response_to(request, 400, error.message))
            return None
        self._received += 1
        return refer

    def accept(self, refer: Refer) -> None:
        """Answer 202 and send the first NOTIFY, which RFC 3515 section 2.4.4 wants at once."""
        transaction, refer.transaction = refer.transaction, None
        if transaction is None:
            return
        headers = [("Contact", self._session.contact)]
        if not refer.wants_notify:
            headers.append(("Refer-Sub", "false"))
        transaction.respond(response_to(transaction.request, 202, headers=headers))
        if refer.wants_notify:
            self._subscriptions.append(refer)
            self._prolong(refer, SUBSCRIPTION_SECONDS)
            self.notify(refer, 100, "")

    def reject(self, refer: Refer, status: int) -> None:
        """Answer with an error; nothing follows."""
        transaction, refer.transaction = refer.transaction, None
        if transaction is not None:
            refer.finished = True
            transaction.respond(response_to(transaction.request, status))

    def notify(self, refer: Refer, status: int, reason: str) -> None:
        """Tell the one who asked how it goes; a final status is the last word."""
        if refer.finished or refer.transaction is not None or not refer.wants_notify:
            return
        refer.told = (status, reason)
        if status >= 200:
            self._end(refer)
        self._tell(refer, "terminated;reason=noresource" if refer.finished else f"active;expires={self._left(refer)}")

    def _tell(self, refer: Refer, state: str) -> None:
        status, reason = refer.told
        headers = [("Contact", self._session.contact), ("Event", refer.subscription), ("Subscription-State", state)]
        line = f"SIP/2.0 {status} {reason or reason_phrase(status)}\r\n"

        def told(response: Response, transaction: ClientTransaction) -> None:
            """Tell no more to a peer that wants no more."""
            # One that is merely not heard may hear the next one (RFC 6665 section 4.2.2).
            if response.status in _WANTS_NO_MORE and not transaction.local_failure:
                self._end(refer)

        self._session.send(
            "NOTIFY",
            headers=headers,
            content_type=f"{SIPFRAG};version=2.0",
            body=line.encode(),
            on_response=told,
        )

    def subscribe(self, request: Request, transaction: ServerTransaction) -> None:
        """Take a SUBSCRIBE of the peer: it refreshes what its REFER began, or wants to hear no more (RFC 3515 section 2.4.4)."""
        event = (request.get("Event") or "").replace(" ", "").lower()
        if event.partition(";")[0] != "refer":
            transaction.respond(response_to(request, 489, headers=[("Allow-Events", "refer")]))
            return
        refer = self._subscription(event)
        if refer is None:
            transaction.respond(response_to(request, 481))
            return
        try:
            seconds = min(parse_seconds(request.get("Expires") or str(SUBSCRIPTION_SECONDS)), SUBSCRIPTION_SECONDS)
        except MalformedMessageError as error:
            transaction.respond(response_to(request, 400, error.message))
            return
        headers = [("Contact", self._session.contact), ("Expires", str(seconds))]
        transaction.respond(response_to(request, 200, headers=headers))
        if seconds:
            self._prolong(refer, seconds)
            self._tell(refer, f"active;expires={seconds}")
        else:
            self._expired(refer)

    def _subscription(self, event: str) -> Refer | None:
        """Return the transfer that an Event means; without an id the oldest one."""
        for refer in self._subscriptions:
            if event in (refer.subscription, "refer"):
                return refer
        return None

    def _left(self, refer: Refer) -> int:
        """Return how many seconds the subscription has left."""
        if refer.expiry is None:
            return SUBSCRIPTION_SECONDS
        return max(round(refer.expiry.deadline - self._session.host.timers.clock.monotonic()), 1)

    def _prolong(self, refer: Refer, seconds: int) -> None:
        if refer.expiry is not None:
            refer.expiry.cancel()
        refer.expiry = self._session.host.timers.schedule(seconds, self._expired, refer)

    def _expired(self, refer: Refer) -> None:
        if not refer.finished:
            self._end(refer)
            self._tell(refer, "terminated;reason=timeout")

    def _end(self, refer: Refer) -> None:
        refer.finished = True
        if refer in self._subscriptions:
            self._subscriptions.remove(refer)
        if refer.expiry is not None:
            refer.expiry.cancel()
            refer.expiry = None

    def ask(self, uri: Uri, replaces: Replaces | None, referred_by: str, *, told: bool) -> None:
        """Ask the peer to call `uri`; the session tells ReferProgressed, of a peer that need not tell how it goes the first only."""
        headers = [("Contact", self._session.contact), ("Refer-To", refer_to(uri, replaces))]
        if referred_by:
            headers.append(("Referred-By", referred_by))
        if not told:
            headers += [("Refer-Sub", "false"), ("Supported", SUPPORTED)]
        self._asked += 1
        self._session.send("REFER", headers=headers, on_response=self._answered)

    def _answered(self, response: Response, _transaction: ClientTransaction) -> None:
        if response.status < 200:
            return
        # Refer-Sub says that no NOTIFY will follow (RFC 4488 section 4.2).
        silent = response.status >= 300 or (response.get("Refer-Sub") or "").strip().lower() == "false"
        if silent:
            self._asked -= 1
        self._session.emit(ReferProgressed(response.status, response.reason, final=silent))

    def receive_notify(self, request: Request, transaction: ServerTransaction) -> None:
        """Take a NOTIFY of the peer about a REFER of ours; 481 when there is none."""
        event = (request.get("Event") or "").partition(";")[0].strip().lower()
        if event != "refer" or not self._asked:
            transaction.respond(response_to(request, 489 if event != "refer" else 481))
            return
        try:
            status, reason = parse_sipfrag(request.body)
        except MalformedMessageError as error:
            transaction.respond(response_to(request, 400, error.message))
            return
        transaction.respond(response_to(request, 200))
        ended = (request.get("Subscription-State") or "").strip().lower().startswith("terminated")
        if ended or status >= 200:
            self._asked -= 1
        self._session.emit(ReferProgressed(status, reason, final=ended or status >= 200))
