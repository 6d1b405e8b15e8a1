"""The cases of RFC 5118: IPv6 addresses wherever they can stand, with the verdict that the RFC gives each."""

from __future__ import annotations

import pytest

from sip.address import Address
from sip.errors import MalformedMessageError
from sip.headers import Via
from sip.message import Request
from sip.offer_answer import MediaNegotiation
from sip.parser import parse_message
from sip.peer_audio import understand
from sip.sdp import SessionDescription
from sip.uri import NameAddress, Uri
from tests.sip.network import Network, PhoneApplication

PEER = Address("2001:db8::9:1", 5060)


def write(method: str, target: str, body: str = "", **changes: str) -> bytes:
    headers = {
        "To": "sip:user@example.com",
        "From": "sip:user@example.com;tag=81x2",
        "Via": "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111",
        "Call-ID": "SSG9559905523997077@hlau_4100",
        "Max-Forwards": "70",
        "Contact": '"Caller" <sip:caller@[2001:db8::1]>',
        "CSeq": f"98176 {method}",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    rows = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} SIP/2.0\r\n{rows}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    message.validate()
    return message


def test_rfc5118_4_1_a_reference_in_the_request_uri() -> None:
    message = request(write("REGISTER", "sip:[2001:db8::10]"))
    assert (message.uri.host, message.uri.port) == ("2001:db8::10", None)
    assert (message.via.host, message.via.port) == ("2001:db8::9:1", None)
    assert message.contacts[0].uri.host == "2001:db8::1"


def test_rfc5118_4_2_an_address_without_delimiters_is_refused_with_400() -> None:
    network = Network()
    core = network.add("10.0.0.2", PhoneApplication())
    core.receive(write("REGISTER", "sip:2001:db8::10"), PEER)
    assert network.what == ["400 REGISTER"]


def test_rfc5118_4_3_what_looks_like_a_port_inside_the_delimiters_is_none() -> None:
    uri = request(write("REGISTER", "sip:[2001:db8::10:5070]")).uri
    assert (uri.host, uri.port) == ("2001:db8::10:5070", None)


def test_rfc5118_4_4_a_port_stands_behind_the_delimiters() -> None:
    uri = request(write("REGISTER", "sip:[2001:db8::10]:5070")).uri
    assert (uri.host, uri.port) == ("2001:db8::10", 5070)
    assert str(uri) == "sip:[2001:db8::10]:5070"


@pytest.mark.parametrize("received", ["[2001:db8::9:255]", "2001:db8::9:255"])
def test_rfc5118_4_5_the_received_parameter_with_and_without_delimiters(received: str) -> None:
    via = f"SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3-111"
    message = request(write("BYE", "sip:[2001:db8::10]", Via=via))
    assert message.via.parameter("received") == received
    assert message.via.branch == "z9hG4bKas3-111"


def test_rfc5118_4_5_our_own_received_parameter_has_no_delimiters() -> None:
    message = request(write("BYE", "sip:[2001:db8::10]"))
    message.note_source("2001:db8::9:255", 5060)
    assert message.get("Via") == "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111;received=2001:db8::9:255"


SDP = (
    "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=Live video feed\r\n"
    "c=IN IP6 2001:db8::20\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


def test_rfc5118_4_6_addresses_in_a_description() -> None:
    message = request(write("INVITE", "sip:user@[2001:db8::10]", SDP, Content_Type="application/sdp"))
    assert understand(message.body).remote == ("2001:db8::20", 6000)
    local = MediaNegotiation("2001:db8::30", 20000, session_id=1)
    local.answer(message.body)
    answer = local.description()
    assert b"c=IN IP6 2001:db8::30\r\n" in answer
    assert b" IN IP6 2001:db8::30\r\ns=-" in answer


def test_rfc5118_4_7_addresses_of_both_families_in_headers() -> None:
    vias = "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144"
    message = request(write("BYE", "sip:user@host.example.net", Via=vias))
    assert [Via.parse(item).host for item in message.get_list("Via")] == ["2001:db8::9:1", "192.0.2.1"]
    assert message.via.port == 6050


def test_rfc5118_4_8_addresses_of_both_families_in_a_description() -> None:
    both = SDP + "m=audio 6000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n"
    description = SessionDescription.parse(both.encode())
    assert [description.address_of(media) for media in description.media] == [
        "2001:db8::20",
        "192.0.2.1",
        "2001:db8::1",
    ]


def test_rfc5118_4_9_mapped_addresses() -> None:
    vias = "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19"
    message = request(write("INVITE", "sip:user@example.com", Via=vias, Contact='"T" <sip:t@[::ffff:192.0.2.2]>'))
    assert (message.via.host, message.via.port) == ("::ffff:192.0.2.10", 19823)
    assert message.contacts[0].uri.host == "::ffff:192.0.2.2"
    mapped = SDP.replace("c=IN IP6 2001:db8::20", "c=IN IP6 ::ffff:192.0.2.2")
    assert understand(mapped.encode()).remote == ("::ffff:192.0.2.2", 6000)


def test_rfc5118_4_10_three_colons_in_a_row_harm_nobody() -> None:
    # A sender that followed the grammar of RFC 3261 to the letter wrote this; understood or refused, but no more.
    try:
        uri = Uri.parse("sip:user@[2001:db8:::192.0.2.1]")
    except MalformedMessageError:
        return
    assert NameAddress.parse(f"<{uri}>").uri == uri
