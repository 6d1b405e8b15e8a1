"""Which routes a call may take, what the trunk is sent, and how all that is explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from msgspec import structs

from pbx import caller_id, outbound_call, route_test, routing
from pbx.entries import CallerIdPolicy, DestinationKind, InboundNumber, NumberFormat, OutboundRoute, Transport, Trunk
from pbx.errors import InvalidEntryError
from pbx.forwarding import Diversion
from pbx.outbound_routes import OutboundStep
from pbx.outcomes import Outcome
from pbx.party import Party
from pbx.route_test import Grounds, RouteTest
from pbx.routing import Refused, ToInboundNumber, ToOutside
from pbx.snapshot import Snapshot
from sip.address import Address
from tests.pbx.test_routing import OWN, decide, directory, extension, number, route, trunk

MONDAY_MORNING = datetime(2026, 11, 23, 9, 30)  # noqa: DTZ001 - local time of the company
SATURDAY = datetime(2026, 11, 28, 9, 30)  # noqa: DTZ001


def limited(name: str, *, spans: Sequence[str] = (), extensions: Sequence[str] = (), **changes: Any) -> OutboundRoute:
    made = route(name, changes.pop("prefix", "+"), "a", **changes)
    return replace(
        made,
        hours=tuple(spans),
        extensions=tuple(extensions),
    )


def decide_at(moment: datetime, dialled: str, *, by: str = "1001", **parts: Any) -> routing.Decision:
    return routing.route(directory(**parts), dialled, country="RU", from_extension=by, at=lambda: moment)


def routes_of(decision: routing.Decision) -> list[str]:
    assert isinstance(decision, ToOutside), decision
    return [step.route.name for step in decision.steps]


# --- routes ---------------------------------------------------------------------------------------------------------------


def test_a_pattern_is_for_numbers_that_are_wholly_so_and_what_fixes_more_goes_first() -> None:
    routes = [
        route("world", "+", "a"),
        route("moscow", "+7495", "a", priority=1),
        replace(route("seven-digits", "", "b"), pattern="+7495XXXXXXX"),
        replace(route("office", "", "b"), pattern="+749512[0-4]XXXX"),
    ]
    assert routes_of(decide("84951234567", routes=routes)) == ["office", "seven-digits", "moscow", "world"]
    assert routes_of(decide("+74991234567", routes=routes)) == ["world"]


@pytest.mark.parametrize("dialled", ["00551133334444", "+551133334444", "810551133334444"])
def test_a_route_for_00_takes_the_calls_abroad_however_they_are_dialled(dialled: str) -> None:
    routes = [route("abroad", "00", "a"), route("brazil", "+55", "b"), route("all", "", "a")]
    assert routes_of(decide(dialled, routes=routes)) == ["brazil", "abroad", "all"]
    for at_home in ("84951234567", "+74951234567", "+77011112233"):
        assert routes_of(decide(at_home, routes=routes)) == ["all"]


def test_a_route_with_hours_is_closed_outside_of_them() -> None:
    routes = [limited("day", spans=["mon-fri 09:00-18:00"]), route("world", "+", "b", priority=5)]
    assert routes_of(decide_at(MONDAY_MORNING, "84951234567", routes=routes)) == ["day", "world"]
    closed = decide_at(SATURDAY, "84951234567", routes=routes)
    assert routes_of(closed) == ["world"]
    assert "closed now, sat 09:30; it is open mon-fri 09:00-18:00" in "\n".join(closed.explanation)


def test_a_route_may_be_for_some_extensions_only() -> None:
    routes = [limited("abroad", extensions=["100[2-9]", "2XXX"])]
    assert routes_of(decide("+551133334444", by="1002", routes=routes)) == ["abroad"]
    refused = decide("+551133334444", by="1001", routes=routes)
    assert refused == Refused(403, "Not allowed to call there")
    assert isinstance(refused, Refused)
    assert refused.outcome is Outcome.NOT_ALLOWED
    assert "is not open to extension 1001" in refused.explanation[-2]


def test_the_one_who_sends_a_call_on_needs_the_permission() -> None:
    routes = [limited("mobile", extensions=["1002"])]
    people = [
        extension("1001"),
        extension("1002", forward_to="+79161234567"),
        extension("1003", forward_to="+79161234567"),
    ]
    assert routes_of(decide("1002", by="1001", extensions=people, routes=routes)) == ["mobile"]
    assert isinstance(decide("1003", by="1001", extensions=people, routes=routes), Refused)
    assert isinstance(decide("1003", by="1002", extensions=people, routes=routes), Refused)


def test_a_premium_number_is_called_by_who_dials_it_and_by_nobody_who_sends_a_call_on() -> None:
    people = [extension("1001"), extension("1002", forward_to="+78091234567")]
    assert routes_of(decide("+78091234567", extensions=people)) == routes_of(decide("+79161234567", extensions=people))
    refused = decide("1002", by="1001", extensions=people)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.outcome) == (403, Outcome.NOT_ALLOWED)
    assert "premium" in refused.explanation[-1]


def test_a_trunk_strips_and_prepends_after_its_route() -> None:
    mine = replace(trunk("a"), strip=1, prepend="00")
    decision = decide("+551133334444", trunks=[mine], routes=[route("all", "+", "a")])
    assert isinstance(decision, ToOutside)
    assert decision.steps[0].digits == "00551133334444"


# --- inbound numbers ------------------------------------------------------------------------------------------------------


def inbound_rules() -> list[InboundNumber]:
    kind = DestinationKind.EXTENSION
    return [
        number(OWN, kind, "1001"),
        number("+7495111*", kind, "1002"),
        number("+749511122XX", kind, "10{2}"),
    ]


@pytest.mark.parametrize(
    ("dialled", "target"),
    [("84951112233", "1001"), ("+74951112202", "1002"), ("+74951119999", "1002"), ("+74991112222", None)],
)
def test_the_rule_that_says_most_of_a_number_leads_its_calls(dialled: str, target: str | None) -> None:
    decision = routing.route_inbound(directory(numbers=inbound_rules()), dialled, country="RU")
    if target is None:
        assert isinstance(decision, Refused)
        return
    assert isinstance(decision, ToInboundNumber)
    assert (decision.entry.target, decision.entry.number[0]) == (target, "+")
    assert "X" not in decision.entry.number


def test_a_number_of_a_pattern_stays_inside_when_one_of_ours_dials_it() -> None:
    decision = decide("+74951112202", numbers=inbound_rules())
    assert isinstance(decision, ToInboundNumber)
    assert (decision.entry.number, decision.entry.target) == ("+74951112202", "1002")


# --- what a trunk is sent -------------------------------------------------------------------------------------------------

ANA = Party("1001", "Ana", extension="1001")
CUSTOMER = Party("+79161234567", "Maria", trunk="b")


def shown(caller: Party, *, numbers: Sequence[InboundNumber] = (), **changes: Any) -> str:
    entries = directory(numbers=[number("+74950000000", DestinationKind.EXTENSION, "1002"), *numbers])
    return caller_id.choose(replace(trunk("a"), **changes), entries, caller, "RU").number


@pytest.mark.parametrize(
    ("policy", "own", "caller", "expected"),
    [
        (CallerIdPolicy.DEFAULT, "", ANA, "+74950000000"),
        (CallerIdPolicy.DEFAULT, "+74957777777", CUSTOMER, "+74957777777"),
        (CallerIdPolicy.FIXED, "+74957777777", CUSTOMER, "+74957777777"),
        (CallerIdPolicy.PASS, "+74957777777", CUSTOMER, "+79161234567"),
        (CallerIdPolicy.PASS, "+74957777777", ANA, "+74951112233"),
        (CallerIdPolicy.PASS, "+74957777777", Party("1005", extension="1005"), "+74951112205"),
        (CallerIdPolicy.PASS, "+74957777777", Party("2005", extension="2005"), "+74957777777"),
        (CallerIdPolicy.PASS, "", Party("anonymous", trunk="b"), "+74950000000"),
    ],
)
def test_the_trunk_says_which_number_is_shown(policy: CallerIdPolicy, own: str, caller: Party, expected: str) -> None:
    numbers = [
        number(OWN, DestinationKind.EXTENSION, "1001"),
        number("+749511122XX", DestinationKind.EXTENSION, "10{2}"),
    ]
    assert shown(caller, numbers=numbers, caller_id_policy=policy, caller_id=own) == expected


@pytest.mark.parametrize(
    ("form", "own", "expected"),
    [
        (NumberFormat.PLUS_E164, "+74957777777", "+74957777777"),
        (NumberFormat.E164, "+74957777777", "74957777777"),
        (NumberFormat.NATIONAL, "+74957777777", "84957777777"),
        (NumberFormat.NATIONAL, "+551133334444", "+551133334444"),
    ],
)
def test_the_number_is_written_as_the_carrier_wants_it(form: NumberFormat, own: str, expected: str) -> None:
    assert shown(ANA, caller_id=own, caller_id_format=form) == expected


def sent(entry: Trunk, caller: Party = ANA, *, forwarded: bool = False) -> outbound_call.OutboundCall:
    step = OutboundStep(entry, route("all", "+", "a"), "+551133334444")
    way = (Diversion("1002", "unconditional"),) if forwarded else ()
    return outbound_call.prepare(step, directory(), caller, way, country="RU", domain="pbx.example")


def test_the_request_names_the_host_and_the_from_our_domain() -> None:
    call = sent(trunk("a"))
    assert (str(call.uri), str(call.from_.uri)) == ("sip:+551133334444@192.0.2.1:5060", f"sip:{OWN}@pbx.example")
    assert call.headers == ()


def test_a_trunk_with_a_domain_is_named_by_it_and_one_over_tls_says_so() -> None:
    call = sent(replace(trunk("a"), domain="carrier.example", transport=Transport.TLS, asserted_identity=True))
    assert str(call.uri) == "sip:+551133334444@carrier.example;transport=tls"
    assert call.headers == (("P-Asserted-Identity", f"<sip:{OWN}@carrier.example>"),)


def test_one_who_stays_unknown_is_asserted_once_and_shown_to_nobody() -> None:
    call = sent(replace(trunk("a"), asserted_identity=True), structs.replace(ANA, private=True), forwarded=True)
    names = [name for name, _ in call.headers]
    assert names.count("P-Asserted-Identity") == 1
    assert ("Privacy", "id") in call.headers
    assert "anonymous" in str(call.from_.uri)
    assert "Diversion" in names


@pytest.mark.parametrize(
    ("rules", "status", "expected"),
    [
        ({}, 403, None),
        ({}, 503, None),
        ({}, 404, 404),
        ({}, 486, 486),
        ({}, 603, 603),
        ({"403": "404"}, 403, 404),
        ({"404": "next"}, 404, None),
        ({"4xx": "next", "486": "486"}, 486, 486),
        ({"4xx": "next", "486": "486"}, 480, None),
        ({"5xx": "480"}, 503, 480),
        ({"603": "next"}, 603, None),
    ],
)
def test_what_a_status_means_is_said_by_the_trunk(rules: dict[str, str], status: int, expected: int | None) -> None:
    assert outbound_call.meaning(replace(trunk("a"), responses=rules), status) == expected


# --- the explanation ------------------------------------------------------------------------------------------------------


class Trunks:
    """How the trunks of a test stand."""

    def __init__(self, **down: str) -> None:
        self.down = down

    def refusal(self, entry: Trunk) -> str:
        return self.down.get(entry.name, "")

    async def servers(self, entry: Trunk) -> list[Address]:
        return [Address("192.0.2.1", 5060), Address("192.0.2.2", 5060)]


async def explained(
    dialled: str, entries: Snapshot | None = None, *, by: str = "1001", trunk: str = "", **down: str
) -> RouteTest:
    trunks = Trunks(**down)
    grounds = Grounds(
        entries or directory(), "RU", "pbx.example", lambda: SATURDAY, trunks.refusal, trunks.servers, lambda _number: 2
    )
    return await route_test.explain(grounds, dialled, from_extension=by, trunk=trunk)


async def test_a_call_to_the_outside_is_explained_to_the_last_line() -> None:
    entries = directory(
        trunks=[trunk("a"), replace(trunk("b"), asserted_identity=True)],
        routes=[
            route("world", "+", "a", "b"),
            route("moscow", "+7495", "a"),
            limited("abroad", prefix="+55", extensions=["2XXX"]),
            limited("week", prefix="+551", spans=["mon-fri 09:00-18:00"]),
        ],
    )
    told = await explained("+551133334444", entries, a="is unreachable: 408 Request Timeout")
    assert told.lines == [
        "dialled “+551133334444” from 1001",
        "read as the public number +551133334444 (RU)",
        "route “moscow” (prefix +7495) is not for +551133334444",
        "route “week” (prefix +551) is closed now, sat 09:30; it is open mon-fri 09:00-18:00",
        "route “abroad” (prefix +55) is not open to extension 1001",
        "route “world” (prefix +) sends +551133334444",
        "  by trunk a",
        "  by trunk b",
        "trunk a is unreachable: 408 Request Timeout: skipped",
        "trunk b takes calls: INVITE sip:+551133334444@192.0.2.1:5060 to udp:192.0.2.1:5060, else udp:192.0.2.2:5060",
        f"  From sip:{OWN}@pbx.example ({OWN}: the company's first number)",
        f"  P-Asserted-Identity: <sip:{OWN}@pbx.example>",
    ]
    assert (told.result, told.target, told.status) == ("outside", "+551133334444", 0)
    assert [(one.trunk, one.usable) for one in told.tries] == [("a", False), ("b", True)]


async def test_a_route_for_calls_abroad_is_explained() -> None:
    entries = directory(routes=[route("abroad", "00", "a")])
    told = await explained("00551133334444", entries)
    assert "route “abroad” (prefix 00, all numbers abroad) sends +551133334444" in told.lines
    told = await explained("84957654321", entries)
    assert "route “abroad” (prefix 00, all numbers abroad) is not for +74957654321" in told.lines
    assert told.status == 404


async def test_what_is_explained_is_what_routing_decides() -> None:
    entries = directory()
    for dialled in ("1002", "+79161234567", OWN, "1999", "*8", "hello", "*72", "84951112233"):
        decision = routing.route(entries, dialled, country="RU", from_extension="1001")
        told = await explained(dialled, entries)
        assert [line for line in decision.explanation if line not in told.lines] == []
        if isinstance(decision, Refused):
            assert (told.result, told.status) == ("refused", decision.status)


@pytest.mark.parametrize(
    ("dialled", "trunk", "result", "last"),
    [
        ("1002", "", "extension", "phones of it that are registered: 2"),
        (OWN, "a", "extension", "phones of it that are registered: 2"),
        ("+79161234567", "a", "refused", "no inbound number is set up for it: 404"),
        ("+74950000001", "a", "flow", "the flow reception takes the call"),
        ("+74950000001", "", "refused", "the flow reception answers outside calls only: 404"),
        ("+74950000002", "a", "outside", "  From"),
        ("+79161234567", "", "outside", "  From"),
    ],
)
async def test_each_kind_of_decision_is_explained(dialled: str, trunk: str, result: str, last: str) -> None:
    numbers = [
        number(OWN, DestinationKind.EXTENSION, "1002"),
        number("+74950000001", DestinationKind.FLOW, "reception"),
        number("+74950000002", DestinationKind.NUMBER, "+79161234567"),
    ]
    told = await explained(dialled, directory(numbers=numbers), by="" if trunk else "1001", trunk=trunk)
    assert told.result == result
    assert told.lines[-1].startswith(last)


async def test_with_no_trunk_left_it_says_so() -> None:
    told = await explained("+79161234567", a="carries 30 calls of at most 30", b="is switched off")
    assert told.lines[-1] == "no trunk can take the call now: 503"


async def test_who_asks_for_nobody_is_told() -> None:
    with pytest.raises(InvalidEntryError, match="from_extension: there is no extension"):
        await explained("1002", by="1999")
    with pytest.raises(InvalidEntryError, match="trunk: there is no trunk"):
        await explained("1002", by="", trunk="nobody")
