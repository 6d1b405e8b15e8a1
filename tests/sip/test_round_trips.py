"""What is written can be read again and says the same: Via, name-addresses, digests, requests and responses."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sip.authentication import DigestAuthenticator, HA1s, Verified, authorise
from sip.headers import Via, canonical_name, parse_pairs, split_list
from sip.message import Request, Response
from sip.parser import parse_message
from sip.uri import NameAddress, Uri

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~"

tokens = st.text(TOKEN, min_size=1, max_size=12)
printable = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)
hosts = st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "example.com", "a-b.example"])
ports = st.none() | st.integers(0, 65535)
plain_values = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", max_size=10)
parameters = st.lists(
    st.tuples(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8), plain_values), max_size=4
).map(tuple)
uris = st.builds(Uri, st.sampled_from(["sip", "sips"]), printable, hosts, ports, parameters)
values = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=60).map(
    lambda text: text.strip(" \t")
)
headers = st.lists(st.tuples(tokens.map(lambda name: f"X-{name}"), values), max_size=8)
bodies = st.binary(max_size=200)
statuses = st.integers(100, 699)


@given(st.sampled_from(["UDP", "TCP", "TLS", "WS", "WSS", "SCTP"]), hosts, ports, parameters)
def test_via(transport: str, host: str, port: int | None, rest: tuple[tuple[str, str], ...]) -> None:
    via = Via(transport, host, port, rest)
    assert Via.parse(str(via)) == via


@given(printable.map(str.strip), uris, parameters)
def test_name_addresses(name: str, uri: Uri, rest: tuple[tuple[str, str], ...]) -> None:
    address = NameAddress(name, uri, rest)
    again = NameAddress.parse(str(address))
    assert (again.display_name.split(), again.uri, again.parameters) == (name.split(), uri, rest)


@given(st.lists(st.builds(NameAddress, printable.map(str.strip), uris, parameters), min_size=1, max_size=4))
def test_lists_of_name_addresses_in_one_line(addresses: list[NameAddress]) -> None:
    items = split_list(", ".join([str(address) for address in addresses]))
    assert [NameAddress.parse(item).uri for item in items] == [address.uri for address in addresses]


@given(tokens, uris, headers, bodies)
def test_requests(method: str, uri: Uri, further: list[tuple[str, str]], body: bytes) -> None:
    request = Request.build(
        method,
        uri,
        via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        from_="<sip:a@example.com>;tag=1",
        to="<sip:b@example.com>",
        call_id="1@example.com",
        cseq=1,
        headers=further,
        body=body,
    )
    again = parse_message(request.encode())
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == (method, uri, body)
    assert again.headers[6:-1] == [(canonical_name(name), value) for name, value in further]


@given(statuses, values, headers, bodies)
def test_responses(status: int, reason: str, further: list[tuple[str, str]], body: bytes) -> None:
    lines = [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("From", "<sip:a@example.com>;tag=1"),
        ("To", "<sip:b@example.com>;tag=2"),
        ("Call-ID", "1@example.com"),
        ("CSeq", "1 INVITE"),
        *further,
    ]
    again = parse_message(Response(status, reason, lines, body).encode())
    assert isinstance(again, Response)
    assert (again.status, again.reason, again.body) == (status, reason, body)
    assert again.headers[5:-1] == [(canonical_name(name), value) for name, value in further]


@given(st.dictionaries(tokens.map(str.lower), printable, max_size=6))
def test_pairs_of_challenges_and_credentials(pairs: dict[str, str]) -> None:
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in pairs.items()}
    assert parse_pairs(", ".join([f'{name}="{value}"' for name, value in escaped.items()])) == pairs


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20), printable, uris, bodies)
def test_digests_that_answer_a_challenge_are_taken(username: str, password: str, uri: Uri, body: bytes) -> None:
    authenticator = DigestAuthenticator("ramal", b"0123456789abcdef")
    challenges = authenticator.challenge(NOW)
    answer = authorise(challenges, username, password, "INVITE", uri, body)
    stored = HA1s.derive(username, "ramal", password)
    verdict = authenticator.verify(answer, "INVITE", uri, lambda name: stored if name == username else None, NOW)
    assert verdict == Verified(username)
