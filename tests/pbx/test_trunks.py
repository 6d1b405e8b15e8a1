"""Whose calls come from where, which trunks are worth trying, and how many calls they carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from core.bus import EventBus, LiveEvent
from core.clock import ManualClock
from pbx import snapshot
from pbx.entries import Transport, Trunk
from pbx.trunks import Trunks
from sip.address import Address, is_ip_address
from sip.message import Request, Response
from sip.resolver import Target, direct
from sip.stack import SipStack
from sip.transport.tls import TlsPeer
from tests.pbx.test_routing import extension, trunk

PROVED = Address("192.0.2.1", 33333, "tls")
"""A connection whose peer showed a certificate for its address."""


class Asked:
    """Stands for the transaction of a request that a server answered, or not."""

    def __init__(self, destination: Address, *, local_failure: bool) -> None:
        self.destination = destination
        self.local_failure = local_failure
        self.request = Request("REGISTER", "sip:carrier", [("CSeq", "1 REGISTER")])


class Watched:
    """Stands for the SIP stack and its core: takes requests, and answers them when a test says so."""

    def __init__(self) -> None:
        self.core = self.timers = self.names = self
        self.asked: list[str] = []
        self.connection_watchers: list[Any] = []
        self.clock = ManualClock()
        self.answers: list[tuple[Callable[[Response, Any], None], Address]] = []
        self.known: dict[str, tuple[Address, ...]] = {}

    def request(self, method: str, *_arguments: Any, on_response: Any, destination: Address, **_values: Any) -> None:
        self.asked.append(f"{method} {destination.host}")
        self.answers.append((on_response, destination))

    def answer(self, status: int, *, host: str = "", local: bool = False) -> None:
        """Answer the latest request of each kind to a host, or to all."""
        pending, self.answers = self.answers, []
        for on_response, destination in pending:
            if host in ("", destination.host):
                on_response(Response(status, "As the test says", []), Asked(destination, local_failure=local))
            else:
                self.answers.append((on_response, destination))

    def contact(self, *_arguments: Any) -> str:
        return "<sip:ramal@192.0.2.99>"

    def local_address(self, _destination: Address) -> Address:
        return Address("192.0.2.99", 5060)

    def addresses_of(self, host: str) -> frozenset[str]:
        if is_ip_address(host):
            return frozenset((host,))
        return frozenset(address.host for address in self.known.get(host, ()))

    def when_located(self, target: Target, then: Callable[[tuple[Address, ...]], None]) -> None:
        then(direct(target) or self.known.get(target.host, ()))

    async def locate(self, target: Target) -> tuple[Address, ...]:
        return direct(target) or self.known.get(target.host, ())

    def proved(self, source: Address) -> str:
        return "192.0.2.1" if source == PROVED else ""

    def schedule(self, *_arguments: Any) -> Watched:
        return self

    def cancel(self) -> None:
        pass


class Seconds:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Made:
    """Trunks that watch a directory, with all that a test wants to see of them."""

    def __init__(self, *entries: Trunk, known: dict[str, tuple[Address, ...]] | None = None) -> None:
        self.seconds = Seconds()
        self.sip = Watched()
        self.sip.known = known or {}
        self.bus = EventBus()
        self.events: list[LiveEvent] = []
        self.bus.listen(self.events.append)
        self.trunks = Trunks(cast(SipStack, self.sip), self.bus, monotonic=self.seconds)
        self.update(*entries)

    def update(self, *entries: Trunk) -> None:
        self.snapshot = snapshot.build(extensions=[extension("1001")], trunks=entries)
        self.trunks.update(self.snapshot)

    def identify(self, user: str, source: Address) -> str | None:
        return self.trunks.identify(self.snapshot, invite(user), source)


def invite(user: str) -> Request:
    lines = [("From", f"<sip:{user}@example.com>;tag=a"), ("To", "<sip:+74951112233@example.com>")]
    return Request("INVITE", "sip:+74951112233@example.com", lines)


def by_address() -> tuple[Trunk, ...]:
    networks = ("203.0.113.0/24",)
    carrier = replace(
        trunk("carrier"),
        allow_from=networks,
        backup_hosts=("192.0.2.7:5099", "sip.carrier.example"),
    )
    other = replace(trunk("other"), host="198.51.100.1", port=5080)
    return carrier, other, replace(trunk("off", enabled=False), host="198.51.100.9")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (PROVED, "carrier"),
        (Address("192.0.2.1", 44444, "tls"), None),
        (Address("192.0.2.1", 5060, "udp"), None),
        (Address("203.0.113.77", 33333, "tls"), None),
    ],
)
def test_a_trunk_that_has_to_prove_who_it_is_calls_by_the_connection_that_did_only(
    source: Address, name: str | None
) -> None:
    carrier, other, _ = by_address()
    made = Made(replace(carrier, transport=Transport.TLS, tls_verify=True), other)
    assert made.identify("+79161112233", source) == name
    assert made.identify("+79161112233", Address("198.51.100.1", 5080)) == "other"


def test_over_tls_a_trunk_is_expected_at_its_addresses_by_the_name_it_was_set_up_with() -> None:
    name = "sip.carrier.example"
    known: dict[str, tuple[Address, ...]] = {name: (Address("192.0.2.8", 5061, "tls"),)}
    over_tls = replace(trunk("carrier"), host=name, transport=Transport.TLS)
    for checked in (True, False):
        made = Made(replace(over_tls, tls_verify=checked), replace(trunk("other"), host="192.0.2.9"), known=known)
        assert made.trunks.tls_peer("192.0.2.8") == TlsPeer(name, checked=checked)
        # The other one is spoken to by UDP: who comes from there over TLS may be anybody.
        assert made.trunks.tls_peer("192.0.2.9") is None
        assert made.trunks.tls_peer("192.0.2.10") is None


@pytest.mark.parametrize(
    ("user", "source", "name"),
    [
        ("+79161112233", Address("192.0.2.1", 5060), "carrier"),
        ("+79161112233", Address("192.0.2.1", 31000), "carrier"),
        ("+79161112233", Address("203.0.113.77", 5060), "carrier"),
        ("+79161112233", Address("192.0.2.7", 5060), "carrier"),
        ("+79161112233", Address("192.0.2.8", 5062), "carrier"),
        ("1001", Address("192.0.2.8", 5062), "carrier"),
        ("1001", Address("192.0.2.8", 5063), None),
        ("1001;phone-context=office", Address("192.0.2.8", 5063), None),
        ("1001", Address("192.0.2.7", 5099), "carrier"),
        ("1001", Address("192.0.2.7", 5060), None),
        ("+79161112233", Address("198.51.100.1", 5080, "tcp"), "other"),
        ("+79161112233", Address("198.51.100.9", 5060), None),
        ("+79161112233", Address("8.8.8.8", 5060), None),
        ("+79161112233", Address("192.0.2.1", 5060, "wss"), None),
        ("+79161112233", Address("203.0.113.77", 5060, "ws"), None),
        ("1001", Address("203.0.113.77", 5060), None),
        ("1001", Address("192.0.2.1", 5060), "carrier"),
        ("1002", Address("not-an-address", 5060), None),
    ],
)
def test_a_call_comes_from_the_trunk_whose_address_it_has(user: str, source: Address, name: str | None) -> None:
    made = Made(*by_address(), known={"sip.carrier.example": (Address("192.0.2.8", 5062),)})
    assert made.identify(user, source) == name
    assert made.identify(user, source) == name


def test_whose_call_it_is_follows_a_change_of_the_directory_and_of_the_dns() -> None:
    known: dict[str, tuple[Address, ...]] = {"sip.carrier.example": (Address("192.0.2.8", 5060),)}
    made = Made(replace(trunk("carrier"), host="sip.carrier.example", port=0), known=known)
    moved, gone = Address("192.0.2.55", 5060), Address("192.0.2.8", 5060)
    assert made.identify("+79161112233", gone) == "carrier"
    assert made.identify("+79161112233", moved) is None
    known["sip.carrier.example"] = (moved,)
    made.sip.answer(200)
    made.trunks._watches["carrier"].hosts[0].ping._ask()  # type: ignore[union-attr]
    assert made.identify("+79161112233", moved) == "carrier"
    made.update()
    assert made.identify("+79161112233", moved) is None


async def test_only_watched_trunks_are_usable_and_a_server_that_failed_is_passed_over_for_a_while() -> None:
    made = Made()
    carrier = trunk("carrier")
    assert made.trunks.refusal(carrier) == "is switched off"
    made.update(carrier)
    assert made.sip.asked == ["OPTIONS 192.0.2.1"]
    assert made.trunks.refusal(carrier) == ""
    assert made.trunks.state("carrier") == ("unknown", "")
    assert made.trunks.state("off") == ("disabled", "")
    server = Address("192.0.2.1", 5060)
    assert await made.trunks.servers(carrier) == [server]
    made.trunks.call_failed(carrier, server)
    assert "gave no sign" in made.trunks.refusal(carrier)
    assert await made.trunks.servers(carrier) == []
    made.seconds.now = 31.0
    assert made.trunks.refusal(carrier) == ""
    made.trunks.call_failed(carrier, server)
    made.sip.answer(200)
    assert made.trunks.refusal(carrier) == "", "it showed life"


async def test_a_trunk_that_is_never_asked_is_passed_over_after_a_call_that_failed() -> None:
    carrier = replace(trunk("carrier"), ping_seconds=0)
    made = Made(carrier)
    (server,) = await made.trunks.servers(carrier)
    made.trunks.call_failed(carrier, server)
    assert "gave no sign" in made.trunks.refusal(carrier)
    made.seconds.now = 31.0
    assert made.trunks.refusal(carrier) == ""
    assert await made.trunks.servers(carrier) == [server]


def test_a_server_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() -> None:
    carrier = replace(trunk("carrier"), ping_seconds=0)
    made = Made(carrier)
    for asked, over in ((120, 121.0), (86_400, 1_100.0)):
        made.trunks.call_failed(carrier, Address("192.0.2.1", 5060), asked)
        made.seconds.now += 31
        assert "is passed over" in made.trunks.refusal(carrier)
        made.seconds.now += over
        assert made.trunks.refusal(carrier) == ""


async def test_a_trunk_with_several_hosts_uses_those_that_live() -> None:
    carrier = replace(trunk("carrier"), backup_hosts=("192.0.2.2:5080", "b.carrier.example"))
    made = Made(carrier, known={"b.carrier.example": (Address("192.0.2.3", 5070), Address("192.0.2.4", 5070))})
    assert made.sip.asked == ["OPTIONS 192.0.2.1", "OPTIONS 192.0.2.2", "OPTIONS 192.0.2.3"]
    servers = await made.trunks.servers(carrier)
    assert [address.host for address in servers] == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]
    made.sip.answer(200, host="192.0.2.2")
    watch = made.trunks._watches["carrier"]
    for _ in range(2):
        watch.hosts[0].ping._not_answered("408 Request Timeout")  # type: ignore[union-attr]
    assert made.trunks.state("carrier") == ("reachable", "As the test says")
    assert (await made.trunks.servers(carrier))[0].host == "192.0.2.2"
    states = [(host.host, host.state) for host in made.trunks.status("carrier").hosts]
    assert states == [
        ("udp:192.0.2.1:5060", "unreachable"),
        ("udp:192.0.2.2:5080", "reachable"),
        ("udp:b.carrier.example", "unknown"),
    ]
    assert made.events[-1].payload["hosts"][0]["state"] == "unreachable"


def test_a_trunk_whose_hosts_are_all_down_is_skipped_at_once() -> None:
    carrier = replace(trunk("carrier"), backup_hosts=("192.0.2.2",))
    made = Made(carrier)
    for host in made.trunks._watches["carrier"].hosts:
        for _ in range(2):
            host.ping._not_answered("408 Request Timeout")  # type: ignore[union-attr]
    assert made.trunks.refusal(carrier) == "is unreachable: 408 Request Timeout"
    assert not made.trunks.status("carrier").usable


def test_a_trunk_that_may_not_register_takes_no_calls() -> None:
    carrier = replace(trunk("carrier", register=True), username="u")
    made = Made(carrier)
    assert made.sip.asked == ["REGISTER 192.0.2.1"]
    made.sip.answer(403)
    assert made.trunks.refusal(carrier) == "is refused: 403 As the test says"
    assert [(event.kind, event.payload["state"]) for event in made.events] == [("trunk.state", "refused")]


async def test_a_registered_trunk_is_called_where_it_is_registered() -> None:
    carrier = replace(trunk("carrier", register=True), username="u", backup_hosts=("192.0.2.2",))
    made = Made(carrier)
    on_response, _ = made.sip.answers.pop()
    on_response(Response(200, "OK", [("Expires", "600")]), Asked(Address("192.0.2.2", 5060), local_failure=False))
    assert made.trunks.state("carrier")[0] == "registered"
    assert [address.host for address in await made.trunks.servers(carrier)] == ["192.0.2.2", "192.0.2.1"]


def test_channels_are_limited_in_each_direction_and_in_all() -> None:
    carrier = replace(trunk("carrier"), max_calls=4, max_calls_in=1, max_calls_out=3)
    made = Made(carrier)
    trunks = made.trunks
    assert not trunks.full_inbound("carrier")
    trunks.call_began("carrier", incoming=True)
    assert trunks.full_inbound("carrier")
    for _ in range(3):
        assert trunks.refusal(carrier) == ""
        trunks.call_began("carrier", incoming=False)
    assert trunks.refusal(carrier) == "carries 4 calls of at most 4"
    trunks.call_ended("carrier", incoming=True)
    assert trunks.refusal(carrier) == "carries 3 outgoing calls of at most 3"
    assert not trunks.full_inbound("carrier")
    trunks.call_ended("carrier", incoming=False)
    assert trunks.refusal(carrier) == ""
    status = trunks.status("carrier")
    assert (status.calls_in, status.calls_out, status.refused) == (0, 2, 1)


def test_calls_a_second_are_limited() -> None:
    carrier = replace(trunk("carrier"), calls_per_second=2)
    made = Made(carrier)
    for moment in (0.0, 0.4):
        made.seconds.now = moment
        assert made.trunks.refusal(carrier) == ""
        made.trunks.call_began("carrier", incoming=False)
    made.seconds.now = 0.9
    assert "2 calls a second" in made.trunks.refusal(carrier)
    made.seconds.now = 1.1
    assert made.trunks.refusal(carrier) == ""
    made.trunks.call_began("carrier", incoming=False)
    assert "2 calls a second" in made.trunks.refusal(carrier)


def test_a_reconnected_trunk_is_asked_anew_a_changed_limit_asks_nobody_and_calls_stay_counted() -> None:
    made = Made(*by_address())
    before = list(made.sip.asked)
    made.trunks.call_began("carrier", incoming=True)
    made.update(replace(by_address()[0], max_calls=1, codecs=("PCMU",)), by_address()[1])
    assert made.sip.asked == before
    assert made.trunks.full_inbound("carrier")
    made.update(replace(trunk("carrier", register=True), username="u"))
    assert made.sip.asked == [*before, "REGISTER 192.0.2.1"]
    assert made.trunks.status("carrier").calls_in == 1
    assert made.trunks.state("other") == ("disabled", "")
    made.trunks.close()
    assert made.trunks.state("carrier") == ("disabled", "")


def test_a_trunk_that_does_not_want_to_be_asked_is_not() -> None:
    made = Made(replace(trunk("carrier"), ping_seconds=0))
    assert made.sip.asked == []
    assert made.trunks.refusal(trunk("carrier")) == ""
