"""The 49 messages of RFC 4475, byte for byte, with the verdict that the RFC gives each.

What the RFC calls valid is understood; what it calls invalid is answered as it says, or dropped where it is a response.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sip.address import Address
from sip.errors import MalformedMessageError
from sip.message import Request, Response, response_to
from sip.parser import parse_message
from sip.peer_audio import understand
from sip.register_request import account_of
from sip.sdp import SessionDescription
from sip.session import InviteSession
from tests.sip.network import Network, PhoneApplication

FOLDER = Path(__file__).with_name("rfc4475")
PEER = Address("192.0.2.1", 5060)


@dataclass
class Outcome:
    """What became of a message."""

    answers: list[bytes]
    calls: list[InviteSession]

    @property
    def first(self) -> str:
        return self.answers[0].split(b"\r\n")[0].decode() if self.answers else ""

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1]) if self.first else 0

    def header(self, name: str) -> str:
        """Return a header of the answer as it stands: an answer may have to repeat what is wrong in the request."""
        rows = self.answers[0].decode().split("\r\n")
        return next((row.partition(": ")[2] for row in rows if row.startswith(f"{name}: ")), "")


def data(name: str) -> bytes:
    return (FOLDER / f"{name}.dat").read_bytes()


def received(name: str) -> Outcome:
    """Give the message to a stack that takes calls from everyone and knows no users."""
    network, application = Network(), PhoneApplication()
    core = network.add("10.0.0.2", application)
    core.receive(data(name), PEER)
    for session in application.sessions:
        session.reject(480)
    network.run(140)
    assert core.transactions.live == core.transactions.finished == len(core.sessions) == 0
    return Outcome([packet.data for packet in network.sent], application.sessions)


def registered(name: str) -> Response:
    """Carry out a REGISTER as if its sender had been authenticated."""
    core = Network().add("10.0.0.2", PhoneApplication())
    asked = request(name)
    status, headers, reason = core.inbound.registrations.register(account_of(asked), asked, PEER)
    return response_to(asked, status, reason, to_tag="tag", headers=headers)


def request(name: str) -> Request:
    message = parse_message(data(name))
    assert isinstance(message, Request)
    message.validate()
    return message


def response(name: str) -> Response:
    message = parse_message(data(name))
    assert isinstance(message, Response)
    return message


def test_rfc4475_is_whole() -> None:
    assert len(list(FOLDER.glob("*.dat"))) == 49


# 3.1.1: valid messages.


def test_rfc4475_wsinv() -> None:
    message = request("wsinv")
    assert (message.to.uri.user, message.to_tag, message.to.tag) == ("vivekg", "1918181833n", "1918181833n")
    assert (message.from_.display_name, message.from_tag) == ('J Rosenberg \\"', "98asjd8")
    assert message.get("Max-Forwards") == "0068"
    assert message.cseq == (9, "INVITE")
    assert (message.via.host, message.via.branch) == ("192.0.2.2", "390skdjuw")
    assert len(message.get_list("Via")) == 3
    assert message.get("Subject") == ""
    assert message.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    (contact,) = message.contacts
    assert contact.display_name == 'Quoted string ""'
    assert contact.parameters == (("newparam", "newvalue"), ("secondparam", ""), ("q", "0.33"))
    assert len(message.body) == 150
    # It names a dialog that is not there.
    assert received("wsinv").status == 481


def test_rfc4475_intmeth() -> None:
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to.display_name == "BEL: NUL: DEL:"
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_tag == "_token~1'+`*%!-."
    assert message.get("extensionHeader-!.%*+_`'~") == "\ufeff\u5927\u505c\u96fb"
    outcome = received("intmeth")
    assert (outcome.status, "INVITE" in outcome.header("Allow")) == (501, True)
    # The answer shows the caller what it sent.
    assert "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" in outcome.header("To")


def test_rfc4475_esc01() -> None:
    message = request("esc01")
    assert (message.uri.user, message.uri.host) == ("sips:user@example.com", "example.net")
    assert message.to.uri.user == "user"
    assert message.from_.uri.user == "I have spaces"
    (contact,) = message.contacts
    assert contact.uri.user == "caller"
    assert len(received("esc01").calls) == 1


def test_rfc4475_escnull() -> None:
    message = request("escnull")
    assert [str(contact.uri) for contact in message.contacts] == [
        "sip:%00@host5.example.com",
        "sip:%00%00@host5.example.com",
    ]
    assert received("escnull").status == 401
    answer = registered("escnull")
    assert answer.status == 200
    assert len(answer.contacts) == 2


def test_rfc4475_esc02() -> None:
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to.display_name == "%Z%45"
    assert [contact.uri.user for contact in message.contacts] == ["alias1", "alias3"]
    assert received("esc02").status == 501


def test_rfc4475_lwsdisp() -> None:
    assert request("lwsdisp").from_.display_name == "caller"
    assert received("lwsdisp").status == 200


def test_rfc4475_longreq() -> None:
    message = request("longreq")
    assert len(message.get_list("Via")) == 34
    assert message.to.uri.port == 6000
    assert len(message.from_.tag) == 155
    outcome = received("longreq")
    assert len(outcome.calls) == 1
    assert outcome.answers[0].count(b"Via: ") == 34


def test_rfc4475_dblreq() -> None:
    outcome = received("dblreq")
    # One datagram, one message: what follows the REGISTER is dropped.
    assert (outcome.status, outcome.calls) == (401, [])
    assert outcome.header("CSeq") == "8 REGISTER"


def test_rfc4475_semiuri() -> None:
    message = request("semiuri")
    assert (message.uri.user, message.uri.host, message.uri.parameters) == (
        "user;par=u@example.net",
        "example.com",
        (),
    )
    assert received("semiuri").status == 200


def test_rfc4475_transports() -> None:
    outcome = received("transports")
    assert outcome.status == 200
    for transport in (b"UDP", b"SCTP", b"TLS", b"UNKNOWN", b"TCP"):
        assert b"Via: SIP/2.0/" + transport in outcome.answers[0]


def test_rfc4475_mpart01() -> None:
    message = request("mpart01")
    assert (len(message.body), message.content_type) == (553, "multipart/mixed")
    assert message.body.count(b"--7a9cbec02ceef655") == 3
    assert received("mpart01").status >= 200


def test_rfc4475_unreason() -> None:
    message = response("unreason")
    assert message.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert received("unreason").answers == []


def test_rfc4475_noreason() -> None:
    assert (response("noreason").status, response("noreason").reason) == (100, "")
    assert received("noreason").answers == []


# 3.1.2: invalid messages.


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("badinv01", 400),
        ("clerr", 400),
        ("ncl", 400),
        ("scalar02", 400),
        ("quotbal", 400),
        ("ltgtruri", 400),
        ("lwsruri", 400),
        ("escruri", 400),
        ("regbadct", 400),
        ("badvers", 505),
        ("mismatch01", 400),
        ("mismatch02", 400),
    ],
)
def test_rfc4475_invalid_requests_are_refused(name: str, status: int) -> None:
    outcome = received(name)
    assert (outcome.status, outcome.calls) == (status, [])
    sent = data(name).decode()
    assert outcome.header("CSeq") in sent
    assert outcome.header("Call-ID") in sent


def test_rfc4475_lwsstart() -> None:
    message = request("lwsstart")
    assert (message.method, str(message.uri)) == ("INVITE", "sip:user@example.com")
    assert len(received("lwsstart").calls) == 1


def test_rfc4475_trws() -> None:
    assert str(request("trws").uri) == "sip:remote-target@example.com"
    assert received("trws").status == 200


@pytest.mark.parametrize(
    "line", [" INVITE sip:a@b SIP/2.0", "INVITE\tsip:a@b\tSIP/2.0", "INVITE sip:a@b;x y SIP/2.0", "   "]
)
def test_a_start_line_of_other_parts_than_three_is_refused(line: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_message(data("lwsstart").replace(b"INVITE  sip:user@example.com  SIP/2.0", line.encode()))


@pytest.mark.parametrize("name", ["scalarlg", "bigcode"])
def test_rfc4475_invalid_responses_are_dropped(name: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_message(data(name))
    assert received(name).answers == []


def test_rfc4475_baddate() -> None:
    # A date in another zone may be passed over; the call is none the worse for it.
    assert len(received("baddate").calls) == 1


def test_rfc4475_badaspec() -> None:
    # Blanks inside angle brackets may be overlooked.
    assert request("badaspec").to.uri.user == "t.watson"
    assert received("badaspec").status == 200


def test_rfc4475_baddn() -> None:
    # A name of words and commas without quotes may be taken as it is meant.
    assert request("baddn").from_.display_name == "Bell, Alexander"
    assert received("baddn").status == 200


# 3.2: transaction layer semantics.


def test_rfc4475_badbranch() -> None:
    network = Network()
    core = network.add("10.0.0.2", PhoneApplication())
    core.receive(data("badbranch"), PEER)
    # The bare cookie says nothing: another request with it is another transaction.
    core.receive(data("badbranch").replace(b"CSeq: 8", b"CSeq: 9"), PEER)
    assert [packet.message.cseq[0] for packet in network.sent] == [8, 9]


# 3.3: application layer semantics.


def test_rfc4475_insuf() -> None:
    outcome = received("insuf")
    assert (outcome.first, outcome.calls) == ("SIP/2.0 400 There is no From.", [])


@pytest.mark.parametrize("name", ["unkscm", "novelsc"])
def test_rfc4475_unknown_schemes_are_refused_with_416(name: str) -> None:
    assert not request(name).uri.is_sip
    assert received(name).status == 416


def test_rfc4475_unksm2() -> None:
    message = request("unksm2")
    assert [message.to.uri.scheme, message.from_.uri.scheme, message.contacts[0].uri.scheme] == ["isbn", "http", "name"]
    assert received("unksm2").status == 400


def test_rfc4475_bext01() -> None:
    outcome = received("bext01")
    assert outcome.status == 420
    assert outcome.header("Unsupported") == "nothingSupportsThis, nothingSupportsThisEither"


def test_rfc4475_invut() -> None:
    outcome = received("invut")
    assert (outcome.status, outcome.calls) == (415, [])
    assert "application/sdp" in outcome.header("Accept")


def test_rfc4475_regaut01() -> None:
    # Credentials of a kind that nobody knows are none.
    assert received("regaut01").status == 401


def test_rfc4475_multi01() -> None:
    assert received("multi01").status == 400


def test_rfc4475_mcl01() -> None:
    assert received("mcl01").status == 400


def test_rfc4475_bcast() -> None:
    # It belongs to nothing that was sent, and is sent on nowhere.
    assert response("bcast").status == 200
    assert received("bcast").answers == []


def test_rfc4475_zeromf() -> None:
    # The one who is asked may answer himself although the request may go no further.
    assert received("zeromf").status == 200


def test_rfc4475_cparam01() -> None:
    (contact,) = registered("cparam01").contacts
    assert str(contact.uri) == "sip:+19725552222@gw1.example.net"


def test_rfc4475_cparam02() -> None:
    (contact,) = registered("cparam02").contacts
    assert str(contact.uri) == "sip:+19725552222@gw1.example.net;unknownparam"


def test_rfc4475_regescrt() -> None:
    (contact,) = registered("regescrt").contacts
    assert contact.uri.header("Route") == "<sip:sip.example.com>"


def test_rfc4475_sdp01() -> None:
    # The caller takes no answer that could be given.
    outcome = received("sdp01")
    assert (outcome.status, outcome.calls) == (406, [])
    assert "application/sdp" in outcome.header("Accept")


# 3.4: backward compatibility.


def test_rfc4475_inv2543() -> None:
    message = request("inv2543")
    audio = understand(SessionDescription.parse(message.body))
    assert (audio.codec.name, audio.remote) == ("PCMU", ("192.0.2.5", 49217))
    outcome = received("inv2543")
    (session,) = outcome.calls
    assert session.dialog is not None
    assert session.dialog.remote_target.host == "ift.client.example.net"
    assert outcome.header("From") == "<sip:+13035551111@ift.client.example.net;user=phone>"
