"""Whose calls come from where, and which trunks are worth trying."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from core.bus import EventBus
from pbx import snapshot, validation
from pbx.entries import Trunk
from pbx.snapshot import Snapshot
from pbx.trunks import Trunks
from sip.address import Address
from sip.message import Request
from sip.stack import SipStack
from tests.pbx.test_routing import extension, trunk


class Watched:
    """Stands for the SIP core: takes requests and answers none."""

    def __init__(self) -> None:
        self.core = self
        self.timers = self
        self.asked: list[str] = []

    def request(self, method: str, *_arguments: Any, **_values: Any) -> None:
        self.asked.append(method)

    def contact(self, *_arguments: Any) -> str:
        return "<sip:ramal@192.0.2.99>"

    def local_address(self, _destination: Address) -> Address:
        return Address("192.0.2.99", 5060)

    def addresses_of(self, host: str) -> frozenset[str]:
        return frozenset((host,))

    def schedule(self, *_arguments: Any) -> None:
        return None


class Seconds:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made(seconds: Seconds | None = None) -> tuple[Trunks, Watched]:
    watched = Watched()
    stack = cast(SipStack, watched)
    return Trunks(stack, EventBus(), ping_interval=30, monotonic=seconds or Seconds()), watched


def invite(user: str) -> Request:
    lines = [("From", f"<sip:{user}@example.com>;tag=a"), ("To", "<sip:+74951112233@example.com>")]
    return Request("INVITE", "sip:+74951112233@example.com", lines)


def entries() -> Snapshot:
    networks = ("203.0.113.0/24",)
    carrier = replace(trunk("carrier"), allow_from=networks, networks=validation.networks(networks))
    other = replace(trunk("other"), host="198.51.100.1", port=5080)
    return snapshot.build(extensions=[extension("1001")], trunks=[carrier, other, off()])


def off() -> Trunk:
    return replace(trunk("off", enabled=False), host="198.51.100.9")


@pytest.mark.parametrize(
    ("user", "source", "name"),
    [
        ("+79161112233", Address("192.0.2.1", 5060), "carrier"),
        ("+79161112233", Address("192.0.2.1", 31000), "carrier"),
        ("+79161112233", Address("203.0.113.77", 5060), "carrier"),
        ("+79161112233", Address("198.51.100.1", 5080, "tcp"), "other"),
        ("+79161112233", Address("198.51.100.9", 5060), None),
        ("+79161112233", Address("8.8.8.8", 5060), None),
        ("1001", Address("203.0.113.77", 5060), None),
        ("1001", Address("192.0.2.1", 5060), "carrier"),
        ("1002", Address("not-an-address", 5060), None),
    ],
)
def test_a_call_comes_from_the_trunk_whose_address_it_has(user: str, source: Address, name: str | None) -> None:
    trunks, _ = made()
    assert trunks.identify(entries(), invite(user), source) == name


def test_only_watched_trunks_are_usable_and_a_failed_one_is_passed_over_for_a_while() -> None:
    seconds = Seconds()
    trunks, watched = made(seconds)
    known = entries()
    carrier = known.trunks["carrier"]
    assert not trunks.usable(carrier)
    trunks.update(known)
    assert watched.asked == ["OPTIONS", "OPTIONS"]
    assert trunks.usable(carrier)
    assert trunks.state("carrier") == ("unknown", "")
    assert trunks.state("off") == ("disabled", "")
    trunks.call_failed(carrier)
    assert not trunks.usable(carrier)
    seconds.now = 31.0
    assert trunks.usable(carrier)


def test_a_changed_trunk_is_asked_anew_and_a_removed_one_no_more() -> None:
    trunks, watched = made()
    trunks.update(entries())
    registering = replace(trunk("carrier", register=True), username="u")
    trunks.update(snapshot.build(trunks=[registering]))
    assert watched.asked == ["OPTIONS", "OPTIONS", "REGISTER"]
    assert trunks.state("other") == ("disabled", "")
    trunks.close()
    assert trunks.state("carrier") == ("disabled", "")
