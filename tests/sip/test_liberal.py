"""Calls of senders that write what is odd, old or not quite right, but can mean one thing only: they are taken."""

from __future__ import annotations

import pytest

from sip.address import Address
from sip.errors import MalformedMessageError
from sip.parser import parse_message
from tests.sip.network import OFFER, Network, PhoneApplication

PEER = Address("192.0.2.1", 5060)
HEADERS = {
    "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx",
    "Max-Forwards": "70",
    "From": "<sip:a@192.0.2.1>;tag=1",
    "To": "<sip:b@10.0.0.2>",
    "Call-ID": "c1",
    "CSeq": "1 INVITE",
    "Contact": "<sip:a@192.0.2.1:5060>",
    "Content-Type": "application/sdp",
    "Content-Length": str(len(OFFER)),
}


def invite(target: str = "sip:b@10.0.0.2", *, version: str = "SIP/2.0", **changes: str | None) -> bytes:
    headers = {**HEADERS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    rows = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"INVITE {target} {version}", *rows, "", ""]).encode() + OFFER


def compact() -> bytes:
    short = {
        "Via": "v",
        "From": "f",
        "To": "t",
        "Call-ID": "i",
        "Contact": "m",
        "Content-Type": "c",
        "Content-Length": "l",
    }
    data = invite()
    for name, letter in short.items():
        data = data.replace(f"\r\n{name}:".encode(), f"\r\n{letter}:".encode())
    return data


HEAD = invite().split(b"\r\n\r\n")[0]
BARE = HEAD.replace(b"\r\n", b"\n")

ODD = {
    "compact names": compact(),
    "names in capitals": invite()
    .replace(b"Via:", b"VIA:")
    .replace(b"Call-ID:", b"CALL-ID :")
    .replace(b"CSeq:", b"CSEQ\t:"),
    "no Max-Forwards": invite(Max_Forwards=None),
    "an empty Max-Forwards": invite(Max_Forwards=""),
    "no Contact": invite(Contact=None),
    "a wildcard for a Contact": invite(Contact="*"),
    "a Contact without angle brackets": invite(Contact="sip:a@192.0.2.1:5060;transport=udp;expires=60"),
    "two Contacts": invite(Contact="<sip:a@192.0.2.1>, <sip:b@192.0.2.1>"),
    "no Content-Type": invite(Content_Type=None),
    "a Content-Type in capitals": invite(Content_Type="Application/SDP; charset=UTF-8"),
    "no Content-Length": invite(Content_Length=None),
    "Content-Length twice": invite(**{"content-length": str(len(OFFER))}),
    "a Content-Length that counts the line ends double": invite(Content_Length=str(len(OFFER) + 6)),
    "line feeds only": BARE + b"\n\n" + OFFER.replace(b"\r\n", b"\n"),
    "line feeds in the head": BARE + b"\r\n\r\n" + OFFER,
    "line ends of both kinds": HEAD + b"\n\r\n" + OFFER,
    "line ends of both kinds, the other way": HEAD + b"\r\n\n" + OFFER,
    "line breaks before it": b"\r\n\r\n" + invite(),
    "a zero behind it": invite() + b"\x00",
    "folded lines": invite(Via="SIP/2.0/UDP\r\n 192.0.2.1:5060\r\n\t;branch=z9hG4bKx", Subject="a\r\n  b"),
    "a telephone number": invite("tel:+4912345", To="<tel:+4912345>", From="<tel:+4912346>;tag=1"),
    "a local telephone number": invite("tel:12345;phone-context=+49"),
    "a number with a user parameter": invite("sip:+4912345@10.0.0.2;user=phone"),
    "a star code": invite("sip:*21*123#@10.0.0.2", To="<sip:*21*123#@10.0.0.2>"),
    "a target without a user": invite("sip:10.0.0.2"),
    "an empty parameter and an empty port": invite("sip:b@10.0.0.2:;"),
    "a scheme in capitals and a version in small letters": invite("SIP:b@10.0.0.2", version="sip/2.0"),
    "nobody": invite(From='"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'),
    "a caller without a tag": invite(From="<sip:a@192.0.2.1>"),
    "a caller without angle brackets": invite(From="sip:a@192.0.2.1;tag=1"),
    "a name of words and commas": invite(From="Da Silva, José <sip:a@192.0.2.1>;tag=1"),
    "a name in Latin-1": invite(Subject="x").replace(b"Subject: x", b"Subject: \xe9\xff"),
    "an address of IPv6": invite(Via="SIP/2.0/UDP [2001:db8::1];branch=z9hG4bKx", Contact="<sip:a@[2001:db8::1]:5060>"),
    "an address of IPv6 without brackets": invite(Via="SIP/2.0/UDP 2001:db8::1;branch=z9hG4bKx"),
    "names with underscores": invite(Via="SIP/2.0/UDP my_host:5060;branch=z9hG4bKx", Contact="<sip:a@my_host.local>"),
    "semicolons at the end": invite(
        Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;", From="<sip:a@192.0.2.1>;tag=1;", Contact="<sip:a@192.0.2.1>;"
    ),
    "a branch of RFC 2543": invite(Via="SIP/2.0/UDP 192.0.2.1:5060"),
    "an empty rport": invite(Via="SIP/2.0/UDP 192.0.2.1:5060;rport=;branch=z9hG4bKx"),
    "tabs and many blanks": invite(CSeq="1\t   INVITE  ", Call_ID="c1  ", Subject="a\t\tb"),
    "headers that nobody knows": invite(X_Foo="bar: <>;,", P_Charging_Vector="icid-value=1", Organization=""),
    "empty lists": invite(Allow="", Supported="", Require=""),
    "dates and times that are none": invite(Date="garbage", Expires="abc", Session_Expires="x"),
    "options that only a proxy has to know": invite(Proxy_Require="something"),
    "a Route to us": invite(Route="<sip:10.0.0.2;lr>"),
    "flags with values": invite(Route="<sip:10.0.0.2;lr=on>", Record_Route="<sip:192.0.2.9;lr=true;ftag=1>"),
    "a transport in capitals": invite("sip:b@10.0.0.2;transport=UDP", Contact="<sip:a@192.0.2.1;transport=UDP>"),
    "a secure target": invite("sips:b@10.0.0.2"),
    "two hops in a line": invite(
        Via="SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKy"
    ),
    "a hop in small letters": invite(Via="sip/2.0/udp 192.0.2.1 : 5060 ; branch = z9hG4bKx"),
    "a name with brackets and dots": invite(From="J. Smith (home) <sip:a@192.0.2.1>;tag=1"),
    "a Content-Length that is too small": invite(Content_Length=str(len(OFFER))) + b"and more",
    "a number with its parameters outside": invite(From="sip:+4912345@192.0.2.1;user=phone;tag=1"),
    "a number and its way": invite("sip:+4912345;npdi;rn=+4999@10.0.0.2;user=phone"),
    "a preference that is none": invite(Contact="<sip:a@192.0.2.1>;q=high;expires=soon"),
    "commas for nothing": invite(Supported=",,100rel,,", Allow="INVITE,,ACK,"),
}


@pytest.mark.parametrize("name", ODD)
def test_the_call_is_taken(name: str) -> None:
    network, application = Network(), PhoneApplication(lambda session: session.progress(180))
    core = network.add("10.0.0.2", application)
    core.receive(ODD[name], PEER)
    (session,) = application.sessions
    assert session.remote_offer is not None
    assert session.remote_offer.split() == OFFER.split()
    assert network.what[-1] == "180 INVITE"


@pytest.mark.parametrize("method", ["invite", "Invite", "register", "FOO"])
def test_methods_are_told_apart_by_their_case_and_what_is_none_is_not_met_with_silence(method: str) -> None:
    """Methods are case-sensitive (RFC 3261 section 7.1); whoever writes one otherwise is told which there are."""
    network, application = Network(), PhoneApplication()
    core = network.add("10.0.0.2", application)
    core.receive(invite().replace(b"INVITE", method.encode()), PEER)
    assert network.what == [f"501 {method}"]
    assert "INVITE" in network.sent[0].message.get_list("Allow")
    assert not application.sessions


def test_whoever_writes_a_line_that_is_none_is_told_so_wherever_the_line_stands() -> None:
    network, application = Network(), PhoneApplication()
    core = network.add("10.0.0.2", application)
    core.receive(invite().replace(b"Via:", b"Route\r\nVia:"), PEER)
    assert network.what == ["400 INVITE"]
    assert not application.sessions


def test_a_line_that_is_none_in_a_response_is_passed_over() -> None:
    response = parse_message(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nnonsense\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:b@c>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n: none\r\n\r\n"
    )
    assert [name for name, _ in response.headers] == ["Via", "From", "To", "Call-ID", "CSeq"]


def test_a_datagram_that_ends_with_its_last_header_is_taken_when_no_body_has_to_follow() -> None:
    whole = invite(Content_Type=None, Content_Length="0").split(b"\r\n\r\n")[0] + b"\r\n"
    assert parse_message(whole).get("Content-Length") == "0"
    assert parse_message(whole.replace(b"\r\n", b"\n")).body == b""
    for broken in (whole[:-2], whole.replace(b"Content-Length: 0", b"Content-Length: 5")):
        with pytest.raises(MalformedMessageError):
            parse_message(broken)
