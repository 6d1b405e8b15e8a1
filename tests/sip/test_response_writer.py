"""Responses written straight from a request: the same as those that are built first."""

from __future__ import annotations

import pytest

from sip.message import Request, Response, response_to
from sip.parser import parse_message
from sip.response_writer import write_response

HEADERS = [("Contact", "<sip:1001@A:5060>;expires=60"), ("Date", "Thu, 01 Jan 2026 00:00:00 GMT")]
LINES = (
    "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1",
    "From: Añá <sip:1001@ramal.example>;tag=1",
    "To: <sip:1001@ramal.example>",
    "Call-ID: a",
    "CSeq: 1 REGISTER",
    "Contact: <sip:1001@A:5060>",
    "Content-Length: 0",
)


def request(*lines: str) -> Request:
    method = next(line for line in lines if line.startswith("CSeq")).rpartition(" ")[2]
    message = parse_message("\r\n".join([f"{method} sip:ramal.example SIP/2.0", *lines, "", ""]).encode())
    assert isinstance(message, Request)
    return message


def read(data: bytes) -> Response:
    message = parse_message(data)
    assert isinstance(message, Response)
    return message


def in_dialog(line: str) -> str:
    return line.replace("REGISTER", "INVITE").replace(
        "To: <sip:1001@ramal.example>", "To: <sip:1001@ramal.example>;tag=2"
    )


@pytest.mark.parametrize(
    "lines",
    [
        LINES,
        tuple(reversed(LINES)),
        ("Via: SIP/2.0/TCP proxy.example;branch=z9hG4bK0", *LINES),
        (*LINES[:2], "To: <sip:1001@ramal.example>;tag=mine", *LINES[3:]),
        (*[in_dialog(line) for line in LINES], "Record-Route: <sip:proxy.example;lr>"),
    ],
    ids=["usual", "other order", "behind a proxy", "with a tag", "in a call"],
)
@pytest.mark.parametrize("status", [200, 401])
def test_it_says_what_a_response_that_is_built_says(lines: tuple[str, ...], status: int) -> None:
    asked = request(*lines)
    written = read(write_response(asked, status, to_tag="abc", headers=HEADERS))
    built = read(response_to(asked, status, to_tag="abc", headers=HEADERS).encode())
    assert (written.status, written.reason, written.body) == (built.status, built.reason, b"")
    assert sorted(written.headers) == sorted(built.headers)
    assert written.get_all("Via") == asked.get_all("Via")


def test_what_comes_from_where_it_does_not_say_is_told_so() -> None:
    asked = request(*LINES)
    asked.note_source("192.0.2.9", 5070)
    assert read(write_response(asked, 401, to_tag="abc")).via.parameter("received") == "192.0.2.9"


def test_a_line_break_in_a_value_starts_no_new_header() -> None:
    data = write_response(request(*LINES), 400, "Bad\r\nX-Evil: 1", to_tag="abc", headers=[("Server", "a\nX-Evil: 2")])
    answer = read(data)
    assert answer.get("X-Evil") is None
    assert answer.get("Server") == "a X-Evil: 2"


def test_a_request_that_lacks_what_every_message_has_is_answered_with_what_it_has() -> None:
    asked = request(*LINES)
    asked.remove("From")
    asked.index()
    assert b"From:" not in write_response(asked, 400, to_tag="abc")
