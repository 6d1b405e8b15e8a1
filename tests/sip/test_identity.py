"""Identity, privacy and diversion as peers write them, and as we write them."""

from __future__ import annotations

import pytest

from sip import identity
from sip.identity import Diverted
from sip.message import Request
from sip.uri import Uri

FROM = '"Ana" <sip:+551133334444@carrier.example>;tag=a'


def invite(*headers: tuple[str, str], from_: str = FROM) -> Request:
    return Request("INVITE", "sip:1001@192.0.2.1", [("From", from_), ("To", "<sip:1001@192.0.2.1>"), *headers])


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ([("P-Asserted-Identity", "<sip:+74951112233@x>")], "+74951112233"),
        ([("P-Asserted-Identity", '"Co, Ltd" <sip:x>, <tel:+74951112233;phone-context=a>')], "+74951112233"),
        ([("P-Preferred-Identity", "<sip:2@x>"), ("P-Asserted-Identity", "<sip:1@x>")], "1"),
        ([("P-Preferred-Identity", "sip:2@x")], "2"),
        ([("Remote-Party-ID", '"A" <sip:3@x>;party=calling;privacy=off')], "3"),
        ([("Remote-Party-ID", "<sip:3@x>;party=called")], None),
        ([("P-Asserted-Identity", "<<<")], None),
        ([("P-Asserted-Identity", "<sip:a%ff@x>"), ("P-Asserted-Identity", "<sip:4@x>")], "4"),
        ([], None),
    ],
)
def test_who_is_asserted_to_call(headers: list[tuple[str, str]], user: str | None) -> None:
    address = identity.asserted_identity(invite(*headers))
    assert (address.uri.user if address else None) == user


@pytest.mark.parametrize(
    ("headers", "from_", "private"),
    [
        ([("Privacy", "id")], FROM, True),
        ([("Privacy", "Header; critical")], FROM, True),
        ([("Privacy", "user")], FROM, True),
        ([("Privacy", "none")], FROM, False),
        ([("Privacy", "none")], "<sip:anonymous@anonymous.invalid>;tag=a", False),
        ([("Privacy", "history")], FROM, False),
        ([], "<sip:anonymous@anonymous.invalid>;tag=a", True),
        ([], '"Anonymous" <sip:Anonymous@carrier.example>;tag=a', True),
        ([("Remote-Party-ID", "<sip:3@x>;party=calling;privacy=full")], FROM, True),
        ([("Remote-Party-ID", "<sip:3@x>;privacy=off")], FROM, False),
        ([], FROM, False),
    ],
)
def test_who_wants_to_stay_unknown(headers: list[tuple[str, str]], from_: str, private: bool) -> None:
    assert identity.wants_privacy(invite(*headers, from_=from_)) is private


def test_most_requests_say_nothing_of_it() -> None:
    assert not identity.speaks_of_identity(invite(("Subject", "hello")))
    assert identity.speaks_of_identity(invite(("Privacy", "none")))
    assert identity.speaks_of_identity(invite(from_="<sip:anonymous@anonymous.invalid>"))


def test_diversion_is_read_from_the_first_to_the_last() -> None:
    request = invite(
        ("Diversion", "<sip:+3@x>;reason=no-answer;counter=1"),
        ("Diversion", '"B" <sip:+2@x>;reason="User-Busy", <sip:+1@x>, <<<, <sip:x>;reason=unconditional'),
    )
    assert identity.diversions(request) == (
        Diverted("+1", "unknown"),
        Diverted("+2", "user-busy"),
        Diverted("+3", "no-answer"),
    )


def test_history_is_read_where_there_is_no_diversion() -> None:
    request = invite(
        ("History-Info", "<sip:+1@x>;index=1, <sip:+2@x;cause=486>;index=1.1;mp=1"),
        ("History-Info", "<sip:+2@x?Privacy=history>;index=1.1.1"),
        ("History-Info", "<sip:+3@x;cause=302>;index=1.1.2"),
    )
    assert identity.diversions(request) == (Diverted("+1", "user-busy"), Diverted("anonymous", "unconditional"))


def test_what_we_write_is_read_back() -> None:
    told = (Diverted("1001", "user-busy"), Diverted("1002", "no-answer"))
    headers = list(identity.diversion_headers(told, Uri("sip", "1003", "pbx.example")))
    assert headers == [
        ("Diversion", "<sip:1002@pbx.example>;reason=no-answer;counter=1"),
        ("Diversion", "<sip:1001@pbx.example>;reason=user-busy;counter=1"),
        (
            "History-Info",
            "<sip:1001@pbx.example>;index=1, <sip:1002@pbx.example;cause=486>;index=1.1;mp=1, "
            "<sip:1003@pbx.example;cause=408>;index=1.1.1;mp=1.1",
        ),
    ]
    assert identity.diversions(invite(*headers)) == told
    assert identity.diversions(invite(headers[2])) == told
    assert identity.diversion_headers((), Uri("sip", "1003", "pbx.example")) == ()


def test_endless_histories_are_read_in_part() -> None:
    assert len(identity.diversions(invite(*[("Diversion", f"<sip:{n}@x>") for n in range(50)]))) == 10


def test_a_reason_that_is_no_word_is_none() -> None:
    told = '<sip:1@x>;reason="unknown;x, <sip:+19005551234@evil>"'
    assert identity.diversions(invite(("Diversion", told))) == (Diverted("1", "unknown"),)
    assert identity.diversions(invite(("Diversion", '<sip:1@x>;reason="user-busy"'))) == (Diverted("1", "user-busy"),)
