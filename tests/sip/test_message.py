"""Messages: read from the wire, answered, built, cut out of streams; and whatever else a network may bring."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import MalformedMessageError
from sip.framing import KeepAlive, StreamItem, StreamParser
from sip.headers import Via
from sip.message import Request, Response, response_to
from sip.parser import MAX_HEAD, MAX_HEADERS, parse_message
from sip.uri import NameAddress, Uri

INVITE = b"""INVITE sip:1002@ramal.example SIP/2.0\r
v: SIP/2.0/UDP 192.168.1.7:5060;rport;branch=z9hG4bK1, SIP/2.0/TCP hop.example;branch=z9hG4bK0\r
Record-Route: <sip:edge.example;lr>\r
Max-Forwards: 70\r
f: "Ana, da loja" <sip:1001@ramal.example>;tag=a1\r
t: <sip:1002@ramal.example>\r
i: abc@192.168.1.7\r
CSEQ: 7 INVITE\r
m: <sip:1001@192.168.1.7>, "x, y" <sip:1001@10.0.0.1;transport=tcp>;q=0.1\r
subject: a long\r
  story\r
x-loja: 5\r
c: application/sdp;charset=utf-8\r
l: 4\r
\r
v=0\n"""


def invite() -> Request:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    return message


def stream(*chunks: bytes) -> list[StreamItem]:
    parser = StreamParser()
    return [item for chunk in chunks for item in parser.feed(chunk)]


def test_a_request_is_read_with_compact_names_lists_and_folded_lines() -> None:
    request = invite()
    assert request.method == "INVITE"
    assert request.uri == Uri("sip", "1002", "ramal.example")
    assert request.call_id == "abc@192.168.1.7"
    assert request.cseq == (7, "INVITE")
    assert (request.via.host, request.via.port, request.via.branch) == ("192.168.1.7", 5060, "z9hG4bK1")
    assert request.from_.display_name == "Ana, da loja"
    assert (request.from_tag, request.to_tag) == ("a1", "")
    assert [contact.uri.host for contact in request.contacts] == ["192.168.1.7", "10.0.0.1"]
    assert request.get("SUBJECT") == "a long story"
    assert request.get("X-Loja") == "5"
    assert request.content_type == "application/sdp"
    assert request.body == b"v=0\n"


def test_a_response_is_made_of_the_lines_of_its_request() -> None:
    response = response_to(invite(), 180, to_tag="b2", headers=[("Contact", "<sip:me@h>")])
    assert response.status == 180
    assert response.reason == "Ringing"
    assert response.get_list("Via") == invite().get_list("Via")
    assert response.to_tag == "b2"
    assert response.get("Record-Route") == "<sip:edge.example;lr>"
    assert b"Content-Length: 0\r\n\r\n" in response.encode()
    assert response_to(invite(), 486, to_tag="b2").get("Record-Route") is None


def test_a_tag_that_stands_inside_a_name_or_uri_is_none() -> None:
    request = invite()
    request.set("To", '"a;tag=no" <sip:x@h;tag=no>')
    assert request.to_tag == ""
    assert response_to(request, 200, to_tag="yes").to_tag == "yes"


def test_an_existing_to_tag_is_kept() -> None:
    request = invite()
    request.set("To", "<sip:x@h>;tag=old")
    assert response_to(request, 200, to_tag="new").to_tag == "old"


def test_a_changed_header_is_understood_anew() -> None:
    request = invite()
    assert request.cseq == (7, "INVITE")
    request.set("cseq", "8 INVITE")
    request.remove("Contact")
    request.add("m", "<sip:new@h>")
    assert request.cseq == (8, "INVITE")
    assert [str(contact) for contact in request.contacts] == ["<sip:new@h>"]
    assert len(request.get_all("CSeq")) == 1


def test_the_real_source_is_written_into_the_topmost_via() -> None:
    request = invite()
    request.note_source("203.0.113.5", 1024)
    assert request.via.parameter("rport") == "1024"
    assert request.via.parameter("received") == "203.0.113.5"
    again = parse_message(request.encode())
    assert again.via == request.via
    assert again.get_list("Via")[1] == "SIP/2.0/TCP hop.example;branch=z9hG4bK0"


def test_a_via_without_rport_gets_received_only_when_it_differs() -> None:
    request = invite()
    request.set("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1")
    request.note_source("10.0.0.1", 5060)
    assert request.via.parameter("received") is None
    request.note_source("10.0.0.2", 5060)
    assert request.via.parameter("received") == "10.0.0.2"


def test_a_built_request_can_be_read_back() -> None:
    request = Request.build(
        "MESSAGE",
        Uri("sip", "1001", "h"),
        via=Via("UDP", "::1", 5060, (("branch", "z9hG4bK9"),)),
        from_=NameAddress("Лавка", Uri("sip", "a", "h"), (("tag", "1"),)),
        to="<sip:1001@h>",
        call_id="x",
        cseq=1,
        headers=[("k", "replaces")],
        content_type="text/plain",
        body="Привет".encode(),
    )
    again = parse_message(request.encode())
    assert isinstance(again, Request)
    assert again.headers[:-1] == request.headers
    assert again.from_.display_name == "Лавка"
    assert again.get("Supported") == "replaces"
    assert again.get("Content-Length") == "12"


def test_a_line_break_in_a_value_starts_no_new_header() -> None:
    request = invite()
    request.set("Subject", "x\r\nRoute: <sip:evil@h>\n\nbody")
    again = parse_message(request.encode())
    assert again.get("Route") is None
    assert again.get("Subject") == "x Route: <sip:evil@h> body"
    assert again.body == request.body


def test_bare_line_feeds_are_read_too() -> None:
    request = parse_message(INVITE.replace(b"\r\n", b"\n"))
    assert request.call_id == "abc@192.168.1.7"
    assert request.body == b"v=0\n"


def test_what_follows_the_body_of_a_datagram_is_dropped() -> None:
    assert parse_message(INVITE + b"junk").body == b"v=0\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"l: 4", b"l: 6"),
        (b"l: 4", b"l: -4"),
        (b"l: 4", b"l: 4\r\nContent-Length: 3"),
        (b"7 INVITE", b"7 ACK"),
        (b"7 INVITE", b"seven INVITE"),
        (b"7 INVITE", b"2147483648 INVITE"),
        (b"SIP/2.0/UDP ", b"SIP/2.0/UDP"),
        (b"i: abc@192.168.1.7\r\n", b""),
        (b"INVITE sip", b"INV ITE sip"),
        (b"INVITE sip", b"INV(TE sip"),
        (b"x-loja: 5", b"x-loja"),
        (b"x-loja: 5", b"x(loja: 5"),
        (b"x-loja: 5", b"x-loja: \x00"),
        (b"\r\n\r\n", b"\r\n"),
        (b" SIP/2.0\r\n", b"\r\n"),
    ],
)
def test_a_broken_message_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse_message(INVITE.replace(old, new, 1))


def test_a_broken_request_that_can_be_answered_comes_with_the_error() -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_message(INVITE.replace(b"l: 4", b"l: 400"))
    assert caught.value.request is not None
    assert b"400 Bad Request" in response_to(caught.value.request, caught.value.status).encode()


def test_another_version_of_sip_is_answered_505() -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_message(INVITE.replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1))
    assert caught.value.status == 505
    assert caught.value.request is not None


def test_validating_a_request_touches_what_was_left_for_later() -> None:
    request = parse_message(INVITE.replace(b"<sip:1001@192.168.1.7>", b"<sip:1001@192.168.1.7"))
    assert isinstance(request, Request)
    with pytest.raises(MalformedMessageError) as caught:
        request.validate()
    assert caught.value.request is request


def test_sizes_and_counts_are_bounded() -> None:
    for hostile in (
        INVITE.replace(b"x-loja: 5", b"x-loja: " + b"5" * MAX_HEAD),
        INVITE.replace(b"x-loja: 5", b"a: 1\r\n" * MAX_HEADERS + b"b: 1"),
        INVITE.replace(b"l: 4", b"l: 70000") + b"x" * 70000,
    ):
        with pytest.raises(MalformedMessageError) as caught:
            parse_message(hostile)
        assert caught.value.status == 513


LONG_HEADS = (
    INVITE.replace(b"x-loja: 5", b"x-loja: " + b"5" * MAX_HEAD),
    INVITE.replace(b"x-loja: 5", b"a: 1\r\n" * MAX_HEADERS + b"b: 1"),
    INVITE.replace(b"x-loja: 5", b"a: 1\r\n" * MAX_HEAD + b"b: 1").replace(b"\r\n", b"\n"),
)


@pytest.mark.parametrize("hostile", [*LONG_HEADS, INVITE.replace(b"l: 4", b"l: 70000") + b"x" * 70000])
def test_a_request_that_is_too_large_is_known_as_far_as_an_answer_needs(hostile: bytes) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_message(hostile)
    (broken,) = stream(hostile)
    assert isinstance(broken, MalformedMessageError)
    whole = parse_message(INVITE)
    for error in (caught.value, broken):
        assert error.status == 513
        assert error.request is not None
        assert (error.request.via, error.request.call_id, error.request.cseq) == (whole.via, whole.call_id, whole.cseq)


@pytest.mark.parametrize(
    "hostile",
    [
        b"x" * (MAX_HEAD + 1),
        b"INVITE sip:a SIP/2.0\r\nVia: " + b"x" * MAX_HEAD,
        b"a: 1\r\n" * MAX_HEAD,
        *(head.replace(b"INVITE", b"ACK") for head in LONG_HEADS),
        *(head.replace(b"i: ", b"j: ") for head in LONG_HEADS),
        *(head.replace(head[: head.index(b"\n")], b"SIP/2.0 200 OK\r") for head in LONG_HEADS[:2]),
        INVITE.replace(b"INVITE", b"ACK").replace(b"l: 4", b"l: 70000"),
        INVITE.replace(b"i: ", b"j: ").replace(b"l: 4", b"l: 70000"),
    ],
)
def test_what_is_too_large_and_no_request_is_not_answered(hostile: bytes) -> None:
    (broken,) = stream(hostile)
    assert isinstance(broken, MalformedMessageError)
    assert (broken.status, broken.request) == (513, None)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fall(data: bytes) -> None:
    for candidate in (data, INVITE[:200] + data, data + INVITE, INVITE.replace(b"story", data)):
        try:
            message = parse_message(candidate)
            message.encode()
            if isinstance(message, Request):
                message.validate()
        except MalformedMessageError:
            continue


@given(st.lists(st.tuples(st.integers(0, len(INVITE) - 1), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_are_read_or_refused_and_what_is_read_can_be_written(flips: list[tuple[int, int]]) -> None:
    data = bytearray(INVITE)
    for index, value in flips:
        data[index] = value
    try:
        message = parse_message(bytes(data))
    except MalformedMessageError:
        return
    again = parse_message(message.encode())
    assert again.get_all("Via") == message.get_all("Via")
    assert again.body == message.body
    try:
        _ = (message.from_, message.to, message.contacts)
    except MalformedMessageError:
        return


def test_a_response_is_read_with_and_without_reason() -> None:
    for line, reason in ((b"SIP/2.0 200 Tudo bem", "Tudo bem"), (b"SIP/2.0 200 ", ""), (b"SIP/2.0 200", "")):
        response = parse_message(INVITE.replace(b"INVITE sip:1002@ramal.example SIP/2.0", line, 1))
        assert isinstance(response, Response)
        assert (response.status, response.reason) == (200, reason)


@given(st.lists(st.integers(0, 3 * len(INVITE) + 4), max_size=6))
def test_a_stream_is_cut_the_same_wherever_it_is_torn(cuts: list[int]) -> None:
    whole = INVITE + b"\r\n\r\n" + INVITE + INVITE
    edges = [0, *sorted(cuts), len(whole)]
    items = stream(*[whole[start:end] for start, end in itertools.pairwise(edges)])
    assert [item.body for item in items if isinstance(item, Request)] == [b"v=0\n"] * 3
    assert not [item for item in items if isinstance(item, MalformedMessageError)]


def test_keep_alives_are_told_from_messages() -> None:
    items = stream(b"\r\n\r\n", b"\r\n", INVITE)
    assert items[:2] == [KeepAlive.PING, KeepAlive.PONG]
    assert isinstance(items[2], Request)


def test_a_malformed_message_in_an_intact_frame_leaves_the_stream_usable() -> None:
    first, second = stream(INVITE.replace(b"7 INVITE", b"7 ACK") + INVITE)
    assert isinstance(first, MalformedMessageError)
    assert isinstance(second, Request)


def test_a_lost_frame_ends_the_stream_after_what_was_good() -> None:
    parser = StreamParser()
    items = parser.feed(INVITE + b"no header at all\r\n\r\n" + INVITE)
    assert [type(item) for item in items] == [Request, MalformedMessageError]
    assert parser.broken
    assert parser.feed(INVITE) == []


@pytest.mark.parametrize(
    "head", [b"x" * (MAX_HEAD + 1), INVITE.replace(b"l: 4", b"l: 99999999"), INVITE.replace(b"l: 4", b"l: x")]
)
def test_a_stream_that_would_never_end_is_given_up(head: bytes) -> None:
    parser = StreamParser()
    items = parser.feed(head)
    assert isinstance(items[-1], MalformedMessageError)
    assert parser.broken


def test_a_length_that_is_none_can_be_answered() -> None:
    (broken,) = stream(INVITE.replace(b"l: 4", b"l: x"))
    assert isinstance(broken, MalformedMessageError)
    assert (broken.status, broken.request is not None) == (400, True)


def test_the_first_blank_line_ends_a_head_however_the_bytes_arrive() -> None:
    data = INVITE.replace(b"\r\n\r\n", b"\n\n\r\n", 1) + INVITE
    one_by_one = StreamParser()
    pieces = [item for at in range(len(data)) for item in one_by_one.feed(data[at : at + 1])]
    assert repr(stream(data)) == repr(pieces)


@given(st.lists(st.binary(max_size=120), max_size=6))
def test_no_stream_makes_the_parser_fall(chunks: list[bytes]) -> None:
    stream(INVITE[:100], *chunks, INVITE)
