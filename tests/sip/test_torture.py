"""Variations on the messages of RFC 4475: what is strange but right must be understood, what is wrong must be refused."""

from __future__ import annotations

import pytest

from sip.errors import MalformedMessageError
from sip.message import Request, response_to
from sip.parser import parse_message
from sip.uri import NameAddress, Uri

PLAIN = {
    "Via": "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKtorture",
    "From": "<sip:ana@example.com>;tag=f1",
    "To": "<sip:bia@example.org>",
    "Call-ID": "torture@192.0.2.1",
    "CSeq": "9 OPTIONS",
}


def write(start: str = "OPTIONS sip:bia@example.org SIP/2.0", body: str = "", **changes: str | None) -> bytes:
    """Write a plain request with some headers changed (`Call_ID=...`), or left out (None)."""
    headers = {**PLAIN, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([start, *lines, "", body]).encode()


def read(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    message.validate()
    return message


def test_escapes_are_equal_to_what_they_stand_for() -> None:
    escaped = Uri.parse("sip:%61n%61@EXAMPLE.com;%74ransport=tcp")
    assert (escaped.user, escaped.host) == ("ana", "example.com")
    assert Uri.parse("sip:sips%3Auser%40example.com@example.net").user == "sips:user@example.com"
    assert str(Uri.parse("sip:sips%3Auser%40example.com@example.net")) == "sip:sips%3Auser%40example.com@example.net"


def test_semicolons_and_question_marks_on_both_sides_of_the_at_sign() -> None:
    uri = Uri.parse("sip:user;par=u%40example.net@example.com?Subject=x%3By&Call-Info=%3Chttp://h%3E")
    assert (uri.user, uri.host) == ("user;par=u@example.net", "example.com")
    assert uri.header("Subject") == "x;y"


def test_very_long_values() -> None:
    long = "x" * 4000
    request = read(
        write(From=f'"{long}" <sip:ana@example.com;p={"v" * 1500}>;tag=f1', Unknown_Long=long, Call_ID=f"{long}@h")
    )
    assert len(request.from_.display_name) == 4000
    assert response_to(request, 200, to_tag="t").get("Call-ID") == f"{long}@h"


def test_the_highest_numbers_and_those_above() -> None:
    assert read(write(CSeq="2147483647 OPTIONS")).cseq[0] == 2**31 - 1
    response = parse_message(write("SIP/2.0 503 x", Retry_After="949302838503028349304023988", CSeq="1 OPTIONS"))
    assert response.get("Retry-After") is not None
    for wrong in ("36893488147419103232 OPTIONS", "-1 OPTIONS", "OPTIONS", "1"):
        with pytest.raises(MalformedMessageError):
            parse_message(write(CSeq=wrong))


@pytest.mark.parametrize(
    "data",
    [
        write("OPTIONS <sip:bia@example.org> SIP/2.0"),
        write("OPTIONS sip:bia@example.org; lr SIP/2.0"),
        write("OPTIONS sip:bia@example.org"),
        write("SIP/2.0 4294967301 better not break the receiver"),
        write("SIP/2.0 OK"),
        write(Via="SIP/2.0/UDP 192.0.2.15;;,;,,", To=None),
        write(Via=None),
        write(From='"Ana <sip:ana@example.com>;tag=f1'),
        write(To='"Bia" <sip:bia@example.org'),
        write(To="sip:bia@[::1"),
        write(Contact='"Joe" <sip:joe@example.org>;;;;;;;;;;, <'),
        write(Content_Length="-999"),
        write(Content_Length="9999", body="v=0"),
        write(CSeq="8 INVITE"),
        write(From="<sip:ana@example.com;tag=f1"),
        write(Call_ID=""),
    ],
)
def test_what_breaks_the_grammar_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        read(data)


def test_empty_list_items_are_passed_over() -> None:
    request = read(write(Contact=",, <sip:a@h>,,<sip:b@h> ,"))
    assert [contact.uri.user for contact in request.contacts] == ["a", "b"]


def test_a_date_or_an_expiry_that_is_none_harms_nobody() -> None:
    request = read(write(Date="Fri, 01 Jan 2010 16:00:00 EST", Expires="0 0l@company.com"))
    assert request.get("Expires") == "0 0l@company.com"


def test_a_name_that_is_not_utf_8_is_shown_as_well_as_can_be() -> None:
    data = write(From='"J\xf6rg" <sip:ana@example.com>;tag=f1').decode().encode("latin-1")
    request = read(data)
    assert request.from_.display_name == "J\N{REPLACEMENT CHARACTER}rg"
    assert NameAddress.parse(str(request.from_)) == request.from_
