"""The guard at the door, and a whole core behind it: scanners are kept out, honest phones beside them are not."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from core.clock import ManualClock
from sip.address import Address
from sip.authentication import authorise
from sip.bans import Ban, BanPolicy, parse_network
from sip.config import SipConfig
from sip.guard import Guard, GuardConfig
from sip.message import Request, Response
from tests.sip.by_hand import Server, request
from tests.sip.network import ANSWER, BOB, OFFER

SCANNER = Address("203.0.113.9", 5090)
PHONE = Address("203.0.113.9", 40_001)
"""An honest phone behind the same address as the scanner."""
FAILURES = 4
BANNING = GuardConfig(bans=BanPolicy(failures=FAILURES))


class Told:
    """Keeps what a guard tells."""

    def __init__(self) -> None:
        self.news: list[tuple[str, str]] = []

    def banned(self, ban: Ban) -> None:
        self.news.append(("banned", ban.network))

    def lifted(self, ban: Ban) -> None:
        self.news.append(("lifted", ban.network))


def guard(config: GuardConfig = BANNING, *known: Address) -> tuple[Guard, ManualClock]:
    clock = ManualClock()
    return Guard(config, clock, is_known=lambda source: source in known), clock


def registrar(config: GuardConfig = BANNING) -> Server:
    server = Server(SipConfig(guard=config))
    server.application.trunk = None
    server.application.users = {"alice": "secret", "bob": "secret"}
    return server


def ask(server: Server, source: Address, method: str = "REGISTER", *, user: str = "alice", cseq: int = 1) -> Request:
    del server
    uri = "sip:10.0.0.2" if method == "REGISTER" else "sip:bob@10.0.0.2"
    party = f"<sip:{user}@10.0.0.2>"
    message = request(method, uri=uri, body=OFFER if method == "INVITE" else b"", From=f"{party};tag=a")
    if method == "REGISTER":
        message.set("To", party)
    message.set("Contact", f"<sip:{user}@{source.host}:{source.port}>")
    message.set("CSeq", f"{cseq} {method}")
    return message


def prove(
    server: Server, source: Address, method: str = "REGISTER", *, user: str = "alice", password: str
) -> list[int]:
    """Send a request, answer its challenge, and return the statuses of both."""
    statuses = []
    asks, answers = ("Proxy-Authenticate", "Proxy-Authorization") if method == "INVITE" else ("", "")
    asks, answers = asks or "WWW-Authenticate", answers or "Authorization"
    first = server.send(ask(server, source, method, user=user), source)
    if not first:
        return []
    statuses.append(first[-1].status)
    again = ask(server, source, method, user=user, cseq=2)
    again.add(answers, authorise(first[-1].get_all(asks), user, password, method, again.uri, again.body))
    statuses += [response.status for response in server.send(again, source)[-1:]]
    return statuses


def test_wrong_passwords_ban_their_source_and_nothing_of_it_is_read_any_more() -> None:
    server = registrar()
    for _ in range(FAILURES):
        assert prove(server, SCANNER, password="wrong") == [401, 401]
    assert server.send(ask(server, SCANNER), SCANNER) == []
    assert server.send(request("OPTIONS"), SCANNER) == []
    assert server.core.guard.is_banned(SCANNER.host)
    assert server.core.guard.refused_banned == 2
    assert prove(server, Address("198.51.100.1", 5060), password="secret") == [401, 200]


def test_challenges_never_count_whatever_is_asked_and_however_often() -> None:
    server = registrar()
    for method in ("REGISTER", "INVITE", "OPTIONS", "BYE", "NONSENSE"):
        for _ in range(FAILURES * 3):
            assert server.send(ask(server, SCANNER, method), SCANNER)
    assert server.core.guard.active() == []


def test_credentials_for_a_nonce_of_somebody_else_count_against_nobody() -> None:
    # Otherwise anybody could have an office banned, by sending wrong passwords from its address without hearing the answers.
    server = registrar()
    for _ in range(FAILURES * 3):
        forged = ask(server, PHONE)
        challenge = 'Digest realm="ramal", nonce="' + secrets.token_hex(24) + '", algorithm=MD5, qop="auth"'
        forged.add("Authorization", authorise([challenge], "alice", "wrong", "REGISTER", forged.uri))
        answer = server.send(forged, PHONE)[-1]
        assert answer.status == 401
        assert "stale=true" in (answer.get("WWW-Authenticate") or "")
    assert server.core.guard.active() == []


def test_a_registered_phone_behind_the_address_of_a_scanner_keeps_working() -> None:
    server = registrar()
    assert prove(server, PHONE, password="secret") == [401, 200]
    for _ in range(FAILURES):
        prove(server, SCANNER, password="wrong")
    assert server.core.guard.is_banned(PHONE.host)
    assert server.send(ask(server, SCANNER), SCANNER) == []
    assert prove(server, PHONE, password="secret") == [401, 200]
    assert prove(server, PHONE, "INVITE", password="secret") == [407, 100]


def test_a_call_in_progress_goes_on_when_the_address_of_its_peer_is_banned() -> None:
    server = registrar()
    assert prove(server, PHONE, "INVITE", password="secret") == [407, 100]
    session = server.application.sessions[0]
    session.answer(ANSWER)
    server.network.run(0.05)
    for _ in range(FAILURES):
        prove(server, SCANNER, password="wrong")
    goodbye = request("BYE", tag=session.local_tag)
    goodbye.set("Call-ID", session.call_id)
    goodbye.set("CSeq", "3 BYE")
    assert server.status(goodbye, PHONE) == 200
    assert not session.established


def test_a_known_phone_that_tries_passwords_itself_is_spared_no_more() -> None:
    server = registrar()
    assert prove(server, PHONE, password="secret") == [401, 200]
    for _ in range(FAILURES):
        prove(server, PHONE, user="bob", password="wrong")
    assert server.send(ask(server, PHONE), PHONE) != []
    prove(server, PHONE, user="bob", password="wrong")
    assert server.send(ask(server, PHONE), PHONE) == []


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_unknown_users_and_wrong_passwords_look_alike(method: str) -> None:
    def refused(user: str, password: str) -> Response:
        server = registrar()
        asks = "Proxy-Authenticate" if method == "INVITE" else "WWW-Authenticate"
        first = server.send(ask(server, SCANNER, method, user=user), SCANNER)[-1]
        again = ask(server, SCANNER, method, user=user, cseq=2)
        proof = authorise(first.get_all(asks), user, password, method, again.uri, again.body)
        again.add(asks.replace("enticate", "orization"), proof)
        return server.send(again, SCANNER)[-1]

    wrong, unknown = refused("alice", "wrong"), refused("aleph", "wrong")
    assert (wrong.status, wrong.reason) == (unknown.status, unknown.reason)
    assert [name for name, _ in wrong.headers] == [name for name, _ in unknown.headers]
    assert len(wrong.encode()) == len(unknown.encode())


def test_a_ban_ends_and_is_told_and_lifted() -> None:
    door, clock = guard()
    told = Told()
    door.listener = told
    door.ban("203.0.113.9", 60, "noise")
    assert not door.admits(SCANNER)
    clock.advance(61)
    assert door.admits(SCANNER)
    assert not door.lift("203.0.113.9")
    door.ban("203.0.113.9", 60, "noise")
    assert door.lift("203.0.113.9")
    assert not door.lift("203.0.113.9")
    assert door.admits(SCANNER)
    door.ban("203.0.113.9", 60, "noise")
    door.spare([parse_network("203.0.113.0/24")])
    assert door.admits(SCANNER)
    assert told.news == [(what, "203.0.113.9") for what in ("banned", "banned", "lifted", "banned", "lifted")]


def test_trunks_are_neither_banned_nor_held_back() -> None:
    door, _ = guard(replace(BANNING, requests_per_second=1.0, burst=2.0))
    door.is_trunk = lambda host: host == SCANNER.host
    for _ in range(20):
        door.failed(SCANNER, "carrier")
        door.charge(SCANNER)
    assert door.admits(SCANNER)
    door.ban(SCANNER.host, 60, "by mistake")
    assert door.admits(SCANNER)
    assert not door.is_banned(SCANNER.host)


def test_who_asks_too_much_is_not_read_until_the_bucket_has_filled_again() -> None:
    door, clock = guard(replace(BANNING, requests_per_second=10.0, burst=5.0))
    for _ in range(5):
        assert door.admits(SCANNER)
        door.charge(SCANNER)
    assert not door.admits(SCANNER)
    assert door.admits(Address("203.0.113.10", 5090))
    clock.advance(0.1)
    assert door.admits(SCANNER)
    door.charge(SCANNER)
    assert not door.admits(SCANNER)
    assert door.refused_rate == 2


def test_the_neighbours_in_an_ipv6_network_share_a_bucket() -> None:
    door, _ = guard(replace(BANNING, requests_per_second=1.0, burst=3.0))
    for number in range(3):
        door.charge(Address(f"2001:db8::{number}", 5060))
    assert not door.admits(Address("2001:db8::ffff", 5060))
    assert door.admits(Address("2001:db8:0:1::1", 5060))


def test_a_known_phone_passes_when_its_neighbour_has_used_up_the_bucket() -> None:
    door, _ = guard(replace(BANNING, requests_per_second=1.0, burst=3.0), PHONE)
    for _ in range(3):
        door.charge(SCANNER)
    assert not door.admits(SCANNER)
    assert door.admits(PHONE)


def test_the_memory_of_the_limits_is_bounded() -> None:
    door, _ = guard(replace(BANNING, most_sources=100))
    for number in range(1000):
        door.charge(Address(f"10.0.{number // 250}.{number % 250}", 5060))
    assert door.watched == 100


def test_authenticated_requests_cost_a_source_nothing_but_their_challenge() -> None:
    server = registrar(replace(BANNING, requests_per_second=0.001, burst=9.0))
    for _ in range(8):
        assert prove(server, PHONE, password="secret") == [401, 200]


@pytest.mark.parametrize("agent", ["friendly-scanner", "sipvicious", "SIPCLI/1.8"])
def test_well_known_scanners_are_ignored_where_that_is_wanted(agent: str) -> None:
    noise = request("OPTIONS", User_Agent=agent)
    assert registrar(replace(BANNING, drop_scanners=True)).send(noise, SCANNER) == []
    assert registrar().status(noise, SCANNER) == 200
    assert (
        registrar(replace(BANNING, drop_scanners=True)).status(
            request("OPTIONS", User_Agent="Yealink SIP-T46S"), SCANNER
        )
        == 200
    )


def test_a_banned_source_is_not_heard_over_a_stream_either() -> None:
    server = registrar()
    stream = SCANNER._replace(transport="tcp")
    assert server.core.admits(stream)
    server.core.guard.ban(SCANNER.host, 60, "noise")
    assert not server.core.admits(stream)
    assert server.core.admits(BOB)
