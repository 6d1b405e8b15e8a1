"""Bodies: the session description wherever it stands, and what cannot be taken."""

from __future__ import annotations

import pytest

from sip.bodies import body_problem, by_preference, sdp_of
from sip.message import Request
from sip.uri import NameAddress
from tests.sip.network import OFFER

MIXED = 'multipart/mixed; boundary="edge one"'


def message(content_type: str | None, body: bytes, **headers: str) -> Request:
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if content_type is not None:
        lines.append(("Content-Type", content_type))
    return Request("INVITE", "sip:a@h", lines, body)


def part(*headers: str, body: bytes, boundary: bytes = b"edge one") -> bytes:
    return (
        b"--" + boundary + b"\r\n" + "".join(f"{header}\r\n" for header in headers).encode() + b"\r\n" + body + b"\r\n"
    )


def closed(*parts: bytes, boundary: bytes = b"edge one") -> bytes:
    return b"preamble\r\n" + b"".join(parts) + b"--" + boundary + b"--\r\nepilogue\r\n"


SDP = part("content-type:application/sdp ; charset=utf-8", body=OFFER)


@pytest.mark.parametrize(
    "body",
    [
        closed(part("Content-Type: application/isup", body=b"\x01\r\n\r\n\x00"), SDP),
        closed(SDP, part("Content-Type: text/plain", body=b"v=1")),
        closed(part(body=b"v=0 is no type"), SDP),
        closed(part("Content-Type: application/sdp", "Content-Disposition: early-session", body=b"v=0\r\n"), SDP),
        closed(
            part(
                "Content-Type: multipart/alternative;boundary=inner",
                body=closed(part("Content-Type: application/sdp", body=OFFER, boundary=b"inner"), boundary=b"inner"),
            )
        ),
    ],
)
def test_a_description_is_found_among_other_parts(body: bytes) -> None:
    assert sdp_of(message(MIXED, body)) == OFFER


def test_bare_line_feeds_between_the_parts_do_no_harm() -> None:
    found = sdp_of(message(MIXED, closed(SDP).replace(b"\r\n", b"\n")))
    assert found is not None
    assert found.strip() == OFFER.replace(b"\r\n", b"\n").strip()


def test_a_part_that_is_never_closed_is_still_read() -> None:
    assert (sdp_of(message(MIXED, SDP)) or b"").rstrip() == OFFER.rstrip()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", closed(SDP)),
        ('multipart/mixed; boundary="other"', closed(SDP)),
        (MIXED, closed(part("Content-Type: text/plain", body=OFFER))),
        (MIXED, b""),
        ("text/plain", OFFER),
    ],
)
def test_where_there_is_no_description_none_is_found(content_type: str, body: bytes) -> None:
    assert sdp_of(message(content_type, body)) is None


def test_bodies_within_bodies_are_followed_only_so_far() -> None:
    body = OFFER
    kind = "application/sdp"
    for depth in range(6):
        name = f"b{depth}".encode()
        body, kind = (
            closed(part(f"Content-Type: {kind}", body=body, boundary=name), boundary=name),
            f"multipart/mixed;boundary=b{depth}",
        )
    assert sdp_of(message(kind, body)) is None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (message("application/sdp", OFFER), 0),
        (message(None, OFFER), 0),
        (message(None, b""), 0),
        (message(MIXED, closed(SDP)), 0),
        (message("application/sdp", OFFER, Accept="application/sdp, application/dtmf-relay"), 0),
        (message("application/sdp", OFFER, Accept="*/*;q=0.3"), 0),
        (message("application/sdp", OFFER, Accept=""), 0),
        (message("application/sdp", OFFER, Accept="text/html"), 406),
        (message("application/sdp", OFFER, Content_Encoding="identity"), 0),
        (message("application/sdp", OFFER, Content_Encoding="gzip"), 415),
        (message("application/isup", b"x"), 415),
        (message("application/isup", b"x", Content_Disposition="signal; handling = optional"), 0),
    ],
)
def test_bodies_that_cannot_be_taken_have_their_status(request_: Request, status: int) -> None:
    assert body_problem(request_) == status


def test_contacts_are_taken_in_the_order_of_their_preference() -> None:
    values = ["<sip:a@h>;q=0.1", "<sip:b@h>", "<sip:c@h>;q=0.7", "<sip:d@h>;q=nonsense", "<sip:e@h>;q=0"]
    assert [uri.user for uri in by_preference([NameAddress.parse(value) for value in values])] == list("bdcae")


def test_a_body_of_no_type_is_a_description_where_it_reads_like_one() -> None:
    assert sdp_of(message(None, OFFER)) == OFFER
    assert sdp_of(message(None, b"Content-Length: 0\r\n\r\n")) is None
