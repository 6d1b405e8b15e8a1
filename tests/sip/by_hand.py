"""Requests written by hand, as a script or a broken phone writes them, and one core that answers them."""

from __future__ import annotations

import secrets

from sip.address import Address
from sip.config import SipConfig
from sip.core import SipCore
from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import SessionState
from tests.sip.network import ALICE, ANSWER, BOB, OFFER, Network, Packet, PhoneApplication

PASSWORD = "secret"


class Server:
    """One core that a test sends requests to by hand."""

    def __init__(self, config: SipConfig | None = None) -> None:
        self.network = Network()
        self.application = PhoneApplication()
        self.core: SipCore = self.network.add("10.0.0.2", self.application, config=config)

    def send(self, request: Request, source: Address = ALICE) -> list[Response]:
        before = len(self.network.sent)
        self.network.carry(Packet(request.encode(), source, BOB))
        self.network.run(0.05)
        messages = [packet.message for packet in self.network.sent[before + 1 :]]
        return [message for message in messages if isinstance(message, Response)]

    def status(self, request: Request, source: Address = ALICE) -> int:
        return self.send(request, source)[-1].status


def request(
    method: str, *, uri: str = "sip:bob@10.0.0.2", tag: str = "", body: bytes = b"", via: str = "", **headers: str
) -> Request:
    lines = [
        ("Via", via or f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport"),
        ("Max-Forwards", "70"),
        ("From", "<sip:alice@10.0.0.2>;tag=a"),
        ("To", f"<sip:bob@10.0.0.2>{';tag=' + tag if tag else ''}"),
        ("Call-ID", secrets.token_hex(6)),
        ("CSeq", f"1 {method}"),
        ("Contact", "<sip:alice@10.0.0.1:5060>"),
    ]
    message = Request(method, uri, lines, body)
    for name, value in headers.items():
        message.set(name.replace("_", "-"), value)
    return message


def another(method: str, invite: Request) -> Request:
    """Return the ACK or CANCEL of an INVITE as a script writes it that makes a branch for each of its requests."""
    made = Request(method, invite.uri, list(invite.headers))
    made.set("CSeq", f"{invite.cseq[0]} {method}")
    made.set("Via", f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport")
    return made


def in_call(server: Server) -> tuple[Request, InviteSession]:
    """Have a call answered and confirmed; return its INVITE with our tag, as a pattern for what follows, and its session."""
    server.application.on_invite = lambda session: session.answer(ANSWER)
    invite = request("INVITE", body=OFFER)
    assert server.status(invite) == 200
    session = server.application.sessions[-1]
    invite.set("To", f"<sip:bob@10.0.0.2>;tag={session.local_tag}")
    server.send(another("ACK", invite))
    assert session.state is SessionState.CONFIRMED
    return invite, session
