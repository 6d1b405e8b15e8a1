"""Which servers a target leads to, in which order, and how long answers are believed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest

from core.clock import ManualClock
from sip.resolver import (
    DnsCache,
    Naptr,
    Question,
    Record,
    RecordKind,
    Srv,
    Target,
    direct,
    in_srv_order,
    plan,
)
from sip.uri import Uri

Zone = Mapping[tuple[str, str], Sequence[Record]]

CARRIER: Zone = {
    ("carrier.example", "NAPTR"): [
        Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.carrier.example."),
        Naptr(100, 50, "S", "sip+d2u", "_sip._udp.carrier.example."),
        Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.carrier.example."),
        Naptr(10, 10, "u", "E2U+sip", ""),
    ],
    ("_sips._tcp.carrier.example", "SRV"): [Srv(1, 0, 5061, "a.carrier.example.")],
    ("_sip._tcp.carrier.example", "SRV"): [Srv(1, 0, 5070, "a.carrier.example.")],
    ("_sip._udp.carrier.example", "SRV"): [Srv(2, 0, 5060, "b.carrier.example."), Srv(1, 0, 5080, "a.carrier.example")],
    ("a.carrier.example", "A"): ["192.0.2.1"],
    ("a.carrier.example", "AAAA"): ["2001:db8::1"],
    ("b.carrier.example", "A"): ["192.0.2.2", "192.0.2.3"],
}


def lowest(_highest: int) -> int:
    return 0


def locate(
    target: Target | str, zone: Zone = CARRIER, *, dice: Callable[[int], int] = lowest, **options: Sequence[object]
) -> tuple[list[str], list[str]]:
    """Return the candidates and the questions that were asked, as text."""
    wanted = target if isinstance(target, Target) else Target.of_uri(Uri.parse(target))
    asked: list[str] = []
    steps = plan(wanted, dice, **options)  # type: ignore[arg-type]
    try:
        questions = next(steps)
        while True:
            asked += [f"{kind} {name}" for name, kind in questions]
            questions = steps.send({question: zone.get((question.name, question.kind), ()) for question in questions})
    except StopIteration as end:
        return [str(address) for address in end.value], asked


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sip:192.0.2.9", "udp:192.0.2.9:5060"),
        ("sip:192.0.2.9:5070;transport=tcp", "tcp:192.0.2.9:5070"),
        ("sips:192.0.2.9", "tls:192.0.2.9:5061"),
        ("sips:192.0.2.9;transport=tcp", "tls:192.0.2.9:5061"),
        ("sip:[2001:db8::9];transport=TLS", "tls:[2001:db8::9]:5061"),
        ("sip:carrier.example;maddr=192.0.2.8", "udp:192.0.2.8:5060"),
    ],
)
def test_an_address_needs_no_dns(uri: str, address: str) -> None:
    assert locate(uri) == ([address], [])
    found = direct(Target.of_uri(Uri.parse(uri)))
    assert found is not None
    assert str(found[0]) == address


def test_a_port_asks_for_addresses_only() -> None:
    assert locate("sip:b.carrier.example:5099") == (
        ["udp:192.0.2.2:5099", "udp:192.0.2.3:5099"],
        ["A b.carrier.example", "AAAA b.carrier.example"],
    )
    assert locate("sips:b.carrier.example:5099")[0] == ["tls:192.0.2.2:5099", "tls:192.0.2.3:5099"]


def test_a_transport_skips_the_naptr_and_priorities_order_the_servers() -> None:
    found, asked = locate("sip:carrier.example;transport=udp")
    assert found == ["udp:192.0.2.1:5080", "udp:[2001:db8::1]:5080", "udp:192.0.2.2:5060", "udp:192.0.2.3:5060"]
    assert asked[0] == "SRV _sip._udp.carrier.example"
    assert not any(question.startswith("NAPTR") for question in asked)


def test_the_naptr_chooses_the_transports_that_we_have() -> None:
    assert locate("sip:carrier.example", families=(RecordKind.A,))[0] == [
        "tls:192.0.2.1:5061",
        "tcp:192.0.2.1:5070",
        "udp:192.0.2.1:5080",
        "udp:192.0.2.2:5060",
        "udp:192.0.2.3:5060",
    ]
    plain = locate("sip:carrier.example", transports=("udp",), families=(RecordKind.A,))[0]
    assert plain[0] == "udp:192.0.2.1:5080"
    assert locate("sips:carrier.example", families=(RecordKind.A,))[0] == ["tls:192.0.2.1:5061"]


def test_without_naptr_every_transport_is_asked_for() -> None:
    zone = {key: records for key, records in CARRIER.items() if key[1] != "NAPTR"}
    found, asked = locate("sip:carrier.example", zone, families=(RecordKind.A,))
    assert found[0] == "udp:192.0.2.1:5080"
    assert asked[1:4] == [f"SRV {name}.carrier.example" for name in ("_sip._udp", "_sip._tcp", "_sips._tcp")]
    assert locate("sips:carrier.example", zone)[0][0] == "tls:192.0.2.1:5061"


def test_without_any_srv_the_name_itself_is_the_server() -> None:
    assert locate("sip:b.carrier.example")[0][0] == "udp:192.0.2.2:5060"
    assert locate("sips:b.carrier.example")[0][0] == "tls:192.0.2.2:5061"
    assert locate("sip:b.carrier.example;transport=tcp")[0][0] == "tcp:192.0.2.2:5060"


def test_a_service_that_is_decidedly_not_there_has_no_server() -> None:
    zone: Zone = {("_sip._udp.x.example", "SRV"): [Srv(0, 0, 0, ".")], ("x.example", "A"): ["192.0.2.1"]}
    assert locate("sip:x.example;transport=udp", zone)[0] == []


def test_an_unknown_name_has_no_server() -> None:
    assert locate("sip:nowhere.example")[0] == []


def test_a_zone_with_any_number_of_records_is_cut() -> None:
    zone: Zone = {
        ("_sip._udp.big.example", "SRV"): [Srv(i, 0, 5060, f"s{i}.big.example") for i in range(500)],
        **{(f"s{i}.big.example", "A"): [f"198.51.100.{n}" for n in range(200)] for i in range(500)},
    }
    found, asked = locate("sip:big.example;transport=udp", zone, families=(RecordKind.A,))
    assert len(found) == 32
    assert len(asked) == 1 + 16


def test_weights_share_the_calls_and_priorities_come_first() -> None:
    dice = random.Random(7)
    records = [Srv(10, 75, 1, "three"), Srv(10, 25, 1, "one"), Srv(20, 100, 1, "backup"), Srv(10, 0, 1, "seldom")]
    orders = [[r.target for r in in_srv_order(records, lambda n: dice.randint(0, n))] for _ in range(2000)]
    firsts = Counter(order[0] for order in orders)
    assert all(order[-1] == "backup" and len(order) == 4 for order in orders)
    assert 0.70 < firsts["three"] / 2000 < 0.80
    assert 0.20 < firsts["one"] / 2000 < 0.30
    assert 0 < firsts["seldom"] < 60


NAME = Question("carrier.example", RecordKind.A)


def test_an_answer_is_believed_for_its_time_and_served_afterwards_when_the_dns_is_silent() -> None:
    clock = ManualClock()
    cache = DnsCache(clock)
    cache.store(NAME, ["192.0.2.1"], 30)
    assert cache.fresh(NAME) == ("192.0.2.1",)
    clock.advance(31)
    assert cache.fresh(NAME) is None
    assert cache.just_expired(NAME, 60)
    cache.not_answered(NAME)
    assert cache.fresh(NAME) == ("192.0.2.1",)
    clock.advance(6)
    assert cache.fresh(NAME) is None
    assert cache.stale(NAME) == ("192.0.2.1",)
    clock.advance(100_000)
    assert cache.stale(NAME) == ()


def test_a_name_that_is_not_there_is_asked_for_again_soon() -> None:
    clock = ManualClock()
    cache = DnsCache(clock)
    cache.store(NAME, [], 86_400)
    assert cache.fresh(NAME) == ()
    clock.advance(61)
    assert cache.fresh(NAME) is None


def test_a_silent_dns_is_not_asked_at_each_call() -> None:
    clock = ManualClock()
    cache = DnsCache(clock)
    cache.not_answered(NAME)
    assert cache.fresh(NAME) == ()
    clock.advance(6)
    assert cache.fresh(NAME) is None


def test_the_cache_is_bounded_and_keeps_what_is_used() -> None:
    cache = DnsCache(ManualClock(), capacity=10)
    cache.store(NAME, ["192.0.2.1"], 600)
    for number in range(100):
        cache.store(Question(f"n{number}", RecordKind.A), ["192.0.2.2"], 600)
        assert cache.fresh(NAME) == ("192.0.2.1",)
    assert len(cache) == 10
