"""Dialogs: who talks to whom, in which order, and which way the requests go (RFC 3261 section 12)."""

from __future__ import annotations

from typing import Final

import structlog

from sip.address import DEFAULT_PORTS, Address, is_ip_address, is_reachable_from_afar
from sip.errors import MalformedMessageError
from sip.message import Headers, Request, Response
from sip.session_tables import OFFER_ANSWER, Exchange, Turn
from sip.uri import NameAddress, Uri

log = structlog.get_logger(__name__)

# By a name of its own, as in `sip.transaction`: each dialog begins with it.
_NOTHING: Final = Exchange.NOTHING


def reach(target: Uri, source: Address, *, symmetric: bool) -> Address:
    """Return where a request for `target` is sent, given where its owner's packets come from.

    A phone behind NAT writes an address in its Contact that means nothing here, so its packets' source is used instead:
    always with `symmetric` (our own users), else when the Contact is private and the source is another host. The same
    public host means the port of the source, too, because only that one is mapped. A connection that carried a request
    carries the answer's requests as well (RFC 5923). A name without a port is left to the DNS (RFC 3263): port 0 says so.
    """
    host = target.host
    if not target.is_sip or not host or symmetric:
        return source
    transport = target.transport
    if source.reliable and transport == source.transport and host == source.host:
        return source
    far = is_reachable_from_afar(host)
    if host != source.host and not far and (is_ip_address(host) or host.endswith(".invalid")):
        return source
    if host == source.host and far and transport == source.transport:
        return source
    usual = DEFAULT_PORTS.get(transport, 5060) if is_ip_address(host) else 0
    return Address(host, target.port or usual, transport)


class Dialog:
    """One dialog, early or confirmed, seen from our side. It builds the requests inside of it and checks the peer's."""

    __slots__ = (
        "call_id",
        "early",
        "exchange",
        "local",
        "local_cseq",
        "local_tag",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "route_set",
        "source",
        "symmetric",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        remote_target: Uri,
        route_set: tuple[str, ...],
        source: Address,
        local_cseq: int,
        remote_cseq: int | None,
        symmetric: bool,
    ) -> None:
        self.call_id = call_id
        self.local = local
        """Our From in requests, with our tag, as it is written."""
        self.local_tag = local_tag
        self.remote = remote
        """Our To in requests, with the peer's tag, as it is written."""
        self.remote_tag = remote_tag
        self.remote_target = remote_target
        self.route_set = route_set
        self.source = source
        """Where the peer's packets come from."""
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        """The highest number that the peer used, or None when it sent no request yet."""
        self.symmetric = symmetric
        self.early = True
        self.exchange: Exchange = _NOTHING
        """Where offer and answer stand."""

    @classmethod
    def as_server(cls, request: Request, local_tag: str, source: Address, *, symmetric: bool = False) -> Dialog:
        """Make the dialog of an INVITE we received (RFC 3261 section 12.1.1).

        A peer without a Contact, as RFC 2543 allowed, is reached at its From.

        Raises:
            MalformedMessageError: a Contact or Record-Route cannot be read.
        """
        contacts = request.contacts
        return cls(
            call_id=request.call_id,
            local=f"{request.get('To')};tag={local_tag}",
            local_tag=local_tag,
            remote=request.get("From") or "",
            remote_tag=request.from_tag,
            remote_target=contacts[0].uri if contacts else request.from_.uri,
            route_set=_routes(request),
            source=source,
            local_cseq=0,
            remote_cseq=request.cseq[0],
            symmetric=symmetric,
        )

    @classmethod
    def as_client(cls, request: Request, response: Response, source: Address, *, symmetric: bool = False) -> Dialog:
        """Make the dialog of an INVITE we sent, from a response with a To tag (RFC 3261 section 12.1.2).

        A peer that forgot its Contact is reached at the Request-URI.

        Raises:
            MalformedMessageError: a Contact or Record-Route cannot be read.
        """
        contacts = response.contacts
        return cls(
            call_id=request.call_id,
            local=request.get("From") or "",
            local_tag=request.from_tag,
            remote=response.get("To") or "",
            remote_tag=response.to_tag,
            remote_target=contacts[0].uri if contacts else request.uri,
            route_set=_routes(response)[::-1],
            source=source,
            local_cseq=request.cseq[0],
            remote_cseq=None,
            symmetric=symmetric,
        )

    def next_cseq(self) -> int:
        """Count up and return the number for the next request of ours."""
        self.local_cseq += 1
        return self.local_cseq

    def turn(self, turn: Turn) -> bool:
        """Move offer and answer on; False, with nothing changed, when it is not the turn of that."""
        state = OFFER_ANSWER.step(self.exchange, turn)
        if state is None:
            return False
        self.exchange = state
        return True

    def accepts(self, request: Request) -> bool:
        """Note the number of a request of the peer; return False when it is out of order (RFC 3261 section 12.2.2)."""
        number = request.cseq[0]
        if self.remote_cseq is not None and number < self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """Take over the Contact of an accepted re-INVITE or UPDATE, or of its 2xx (RFC 3261 section 12.2.1.2)."""
        try:
            contacts = message.contacts
        except MalformedMessageError:
            # The peer is still where it was.
            return
        if contacts:
            self.remote_target = contacts[0].uri

    def request(
        self, method: str, *, cseq: int | None = None, headers: Headers = (), content_type: str = "", body: bytes = b""
    ) -> Request:
        """Build a request inside the dialog, still without a Via (RFC 3261 section 12.2.1.1).

        `cseq` is given only for ACK, which has the number of its INVITE; else the next number is used.
        """
        target = self.remote_target
        routes = self.route_set
        if routes:
            first = NameAddress.parse(routes[0]).uri
            if first.parameter("lr") is None:
                # A strict router wants itself as Request-URI and the target as the last route.
                routes = (*routes[1:], f"<{target}>")
                target = first.with_(headers=())
        number = self.next_cseq() if cseq is None else cseq
        lines = [
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
        ]
        lines += [("Route", route) for route in routes]
        lines += headers
        if content_type:
            lines.append(("Content-Type", content_type))
        return Request(method, target, lines, body)

    @property
    def next_hop(self) -> Address:
        """Where requests inside the dialog are sent."""
        if self.route_set:
            return reach(NameAddress.parse(self.route_set[0]).uri, self.source, symmetric=False)
        return reach(self.remote_target, self.source, symmetric=self.symmetric)


def dialog_of_answer(request: Request, response: Response, source: Address, *, symmetric: bool = False) -> Dialog:
    """Make the dialog of a response to an INVITE of ours; one whose Contact or Record-Route is rubbish is answered at `source`."""
    try:
        return Dialog.as_client(request, response, source, symmetric=symmetric)
    except MalformedMessageError as error:
        log.info("malformed_answer", call_id=request.call_id, problem=error.message)
        lines = [pair for pair in response.headers if pair[0] not in ("Contact", "Record-Route")]
        plain = Response(response.status, response.reason, lines)
        return Dialog.as_client(request, plain, source, symmetric=symmetric)


def _routes(message: Request | Response) -> tuple[str, ...]:
    """Return the Record-Routes, of which each can be read: requests will be sent along them."""
    routes = message.get_list("Record-Route")
    for route in routes:
        _ = NameAddress.parse(route)
    return tuple(routes)
