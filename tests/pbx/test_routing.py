"""Where dialled numbers go, and how that is explained."""

from __future__ import annotations

from typing import Any

import pytest

from pbx import numbers, routing, snapshot
from pbx.entries import Conference, DestinationKind, Device, Extension, InboundNumber, OutboundRoute, Transport, Trunk
from pbx.forwarding import Diversion, ForwardReason
from pbx.numbers import DialledKind
from pbx.routing import (
    Refused,
    ToConference,
    ToExtension,
    ToInboundNumber,
    ToOutside,
    ToOwnPhones,
    ToPickUp,
    ToService,
    ToSupervision,
)
from pbx.service_codes import ServiceCode
from pbx.snapshot import Snapshot
from pbx.supervision import SuperviseMode
from pbx.watched import extension_named

OWN = "+74951112233"


def extension(number: str, **changes: Any) -> Extension:
    values: dict[str, Any] = {"email": "", "language": "", "enabled": True, "forward_to": ""} | changes
    return Extension(id=number, number=number, name=f"Name {number}", ha1_md5="", ha1_sha256="", **values)


def trunk(name: str, **changes: Any) -> Trunk:
    values: dict[str, Any] = {"register": False, "allow_from": (), "caller_id": "", "enabled": True} | changes
    return Trunk(
        id=name, name=name, host="192.0.2.1", port=5060, transport=Transport.UDP, username="", password="", **values
    )


def route(name: str, prefix: str, *trunks: str, strip: int = 0, prepend: str = "", priority: int = 0) -> OutboundRoute:
    return OutboundRoute(name, name, prefix, trunks, strip, prepend, priority)


def number(number: str, kind: DestinationKind, target: str) -> InboundNumber:
    return InboundNumber(number, number, kind, target, "")


def directory(**parts: Any) -> Snapshot:
    values: dict[str, Any] = {
        "extensions": [extension("1001"), extension("1002")],
        "trunks": [trunk("a"), trunk("b")],
        "numbers": [number(OWN, DestinationKind.EXTENSION, "1001")],
        "routes": [route("all", "+", "a", "b")],
    }
    return snapshot.build(**(values | parts))


def decide(dialled: str, *, by: str = "1001", **parts: Any) -> routing.Decision:
    return routing.route(directory(**parts), dialled, country="RU", from_extension=by)


@pytest.mark.parametrize(
    ("dialled", "kind", "read", "argument"),
    [
        ("1001", DialledKind.SHORT, "1001", ""),
        ("*8", DialledKind.STAR, "*8", ""),
        ("*81002", DialledKind.STAR, "*8", "1002"),
        ("8 (495) 123-45-67", DialledKind.PUBLIC, "+74951234567", ""),
        ("0074951234567", DialledKind.PUBLIC, "+74951234567", ""),
        ("+55 11 3333-4444", DialledKind.PUBLIC, "+551133334444", ""),
        ("+551133334444;npdi;rn=+551199", DialledKind.PUBLIC, "+551133334444", ""),
        ("1001;phone-context=office", DialledKind.SHORT, "1001", ""),
        ("1001#", DialledKind.SHORT, "1001", ""),
        ("hello", DialledKind.UNKNOWN, "hello", ""),
        ("", DialledKind.UNKNOWN, "", ""),
        ("*721002", DialledKind.STAR, "*72", "1002"),
        ("*72*+551133334444#", DialledKind.STAR, "*72", "+551133334444"),
        ("*73#", DialledKind.STAR, "*73", ""),
        ("*7", DialledKind.UNKNOWN, "*7", ""),
        ("*72" + "1" * 21, DialledKind.UNKNOWN, "*72" + "1" * 21, ""),
        ("1" * 500, DialledKind.UNKNOWN, "1" * 40, ""),
    ],
)
def test_a_dialled_string_is_read(dialled: str, kind: DialledKind, read: str, argument: str) -> None:
    assert numbers.read(dialled, "RU") == numbers.Dialled(kind, read, argument)


def test_a_callers_number_is_shown_as_e164_where_it_can_be() -> None:
    assert numbers.shown("84951234567", "RU") == "+74951234567"
    assert numbers.shown("1001", "RU") == "1001"
    assert numbers.shown("anonymous", "RU") == "anonymous"
    assert len(numbers.shown("x" * 500, "RU")) == 40


def test_an_extension_rings() -> None:
    decision = decide("1002")
    assert isinstance(decision, ToExtension)
    assert decision.extension.number == "1002"
    assert decision.explanation[-1] == "extension 1002 (Name 1002) is rung"


def test_a_call_to_the_own_number_is_for_the_other_phones_whatever_is_set_for_calls_of_others() -> None:
    decision = decide("1001", extensions=[extension("1001", do_not_disturb=True, forward_to="1002")])
    assert isinstance(decision, ToOwnPhones)
    assert decision.extension.number == "1001"
    assert "its other phones are rung" in decision.explanation[-1]
    assert isinstance(decide("1001", extensions=[extension("1001", enabled=False)]), Refused)


def test_a_switched_off_extension_is_unavailable() -> None:
    decision = decide("1002", extensions=[extension("1001"), extension("1002", enabled=False)])
    assert isinstance(decision, Refused)
    assert decision.status == 480


def test_forwarding_is_followed_to_its_end() -> None:
    decision = decide(
        "1002", by="", extensions=[extension("1001"), extension("1002", forward_to="1003"), extension("1003")]
    )
    assert isinstance(decision, ToExtension)
    assert decision.extension.number == "1003"


def test_forwarding_to_the_outside_takes_a_route() -> None:
    decision = decide("1002", extensions=[extension("1001"), extension("1002", forward_to="+79161234567")])
    assert isinstance(decision, ToOutside)
    assert decision.number == "+79161234567"


@pytest.mark.parametrize("by", ["", "1001"])
def test_forwarding_in_circles_is_refused(by: str) -> None:
    circle = [extension("1001"), extension("1002", forward_to="1003"), extension("1003", forward_to="1002")]
    decision = decide("1002", by=by, extensions=circle)
    assert isinstance(decision, Refused)
    assert decision.status == 482
    assert "1002 → 1003 → 1002" in decision.explanation[-1]


def test_forwarding_back_to_the_caller_is_refused() -> None:
    decision = decide("1002", extensions=[extension("1001"), extension("1002", forward_to="1001")])
    assert isinstance(decision, Refused)
    assert decision.status == 482


def test_the_longest_prefix_comes_first_then_the_smallest_priority() -> None:
    decision = decide(
        "84951234567",
        routes=[
            route("world", "+", "a"),
            route("moscow-2", "+7495", "b", priority=2),
            route("moscow-1", "+7495", "a", priority=1, strip=2, prepend="8"),
        ],
    )
    assert isinstance(decision, ToOutside)
    assert [(step.route.name, step.trunk.name, step.digits) for step in decision.steps] == [
        ("moscow-1", "a", "84951234567"),
        ("moscow-2", "b", "+74951234567"),
        ("world", "a", "+74951234567"),
    ]


def test_a_switched_off_trunk_is_left_out_and_said() -> None:
    decision = decide("84951234567", trunks=[trunk("a", enabled=False), trunk("b")])
    assert isinstance(decision, ToOutside)
    assert [step.trunk.name for step in decision.steps] == ["b"]
    assert "  trunk a is switched off" in decision.explanation


def test_a_number_without_a_route_is_unknown() -> None:
    decision = decide("+551133334444", routes=[route("home", "+7", "a")])
    assert isinstance(decision, Refused)
    assert decision.status == 404


@pytest.mark.parametrize("dialled", ["1999", "hello", "*77", "", "1" * 300])
def test_what_is_nothing_is_unknown(dialled: str) -> None:
    decision = decide(dialled)
    assert isinstance(decision, Refused)
    assert decision.status == 404


def test_the_companys_own_number_stays_inside() -> None:
    decision = decide("84951112233", by="1002")
    assert isinstance(decision, ToInboundNumber)
    assert decision.entry.target == "1001"


@pytest.mark.parametrize(("dialled", "whom"), [("*8", ""), ("*81002", "1002")])
def test_star_8_picks_up(dialled: str, whom: str) -> None:
    assert decide(dialled) == ToPickUp(whom)


def test_a_trunk_reaches_the_companys_numbers_and_nothing_else() -> None:
    entries = directory()
    assert isinstance(routing.route_inbound(entries, "84951112233", country="RU"), ToInboundNumber)
    for dialled in ("1001", "+79161234567", "*81001", "", "anonymous"):
        assert isinstance(routing.route_inbound(entries, dialled, country="RU"), Refused)


def test_an_inbound_number_leads_where_it_says() -> None:
    entries = directory()
    reach = routing.reach_inbound_target
    to_extension = reach(entries, entries.numbers[OWN], country="RU")
    assert isinstance(to_extension, ToExtension)
    outside = reach(entries, number("+74950000000", DestinationKind.NUMBER, "+79161234567"), country="RU")
    assert isinstance(outside, ToOutside)
    assert reach(entries, number("+74950000000", DestinationKind.FLOW, "reception"), country="RU") == "reception"
    gone = reach(entries, number("+74950000000", DestinationKind.EXTENSION, "1999"), country="RU")
    assert isinstance(gone, Refused)
    back = reach(entries, number("+74950000000", DestinationKind.NUMBER, OWN), country="RU")
    assert isinstance(back, Refused)
    assert back.status == 482


@pytest.mark.parametrize(
    ("dialled", "code", "argument"),
    [
        ("*721002", ServiceCode.FORWARD_ALL, "1002"),
        ("*72", ServiceCode.FORWARD_ALL, ""),
        ("*90*+79161234567#", ServiceCode.FORWARD_BUSY, "+79161234567"),
        ("*78", ServiceCode.DO_NOT_DISTURB, ""),
        ("*44", ServiceCode.CALL_WAITING_OFF, ""),
    ],
)
def test_a_star_code_changes_a_setting_of_ones_own(dialled: str, code: ServiceCode, argument: str) -> None:
    assert decide(dialled) == ToService(code, argument)


@pytest.mark.parametrize("code", ["*67", "*31", "*31*", "#31#"])
def test_a_number_dialled_behind_a_privacy_code_goes_where_it_goes_without(code: str) -> None:
    decision = decide(f"{code}1002")
    assert isinstance(decision, ToExtension)
    assert decision.extension.number == "1002"
    assert "withheld" in decision.explanation[1]
    outside = decide(f"{code}8 495 123-45-67")
    assert isinstance(outside, ToOutside)
    assert outside.number == "+74951234567"


@pytest.mark.parametrize("dialled", ["*67", "#31#", "*31", "#1002"])
def test_a_privacy_code_alone_is_nothing(dialled: str) -> None:
    assert isinstance(decide(dialled), Refused)


def test_who_forwarded_stands_on_the_way() -> None:
    decision = decide(
        "1002", extensions=[extension("1002", forward_to="1003"), extension("1003", forward_to="+79161234567")]
    )
    assert isinstance(decision, ToOutside)
    assert decision.way == (Diversion("1002", ForwardReason.ALWAYS), Diversion("1003", ForwardReason.ALWAYS))


def test_do_not_disturb_is_unavailable_unless_busy_calls_go_elsewhere() -> None:
    quiet = decide("1002", extensions=[extension("1002", do_not_disturb=True)])
    assert isinstance(quiet, Refused)
    assert (quiet.status, quiet.reason) == (480, "Do not disturb")
    assert "does not want to be disturbed" in quiet.explanation[-1]
    elsewhere = decide(
        "1002", extensions=[extension("1002", do_not_disturb=True, forward_busy_to="1003"), extension("1003")]
    )
    assert isinstance(elsewhere, ToExtension)
    assert elsewhere.way == (Diversion("1002", ForwardReason.DO_NOT_DISTURB),)


@pytest.mark.parametrize(("forwards", "found"), [(5, True), (6, False)])
def test_a_call_is_sent_on_five_times_and_no_more(forwards: int, found: bool) -> None:
    chain = [extension(str(2000 + n), forward_to=str(2001 + n)) for n in range(forwards)]
    decision = decide("2000", extensions=[*chain, extension(str(2000 + forwards))])
    assert isinstance(decision, ToExtension) is found
    if isinstance(decision, Refused):
        assert decision.status == 482


def test_what_an_extension_did_not_take_goes_on_but_never_back() -> None:
    entries = directory(extensions=[extension("1001"), extension("1002"), extension("1003", forward_to="1002")])
    way = (Diversion("1002", ForwardReason.BUSY),)

    def onward(target: str) -> routing.Decision:
        return routing.route_onward(
            entries, target, country="RU", from_extension="1001", way=way, reason=ForwardReason.BUSY
        )

    assert isinstance(onward("+79161234567"), ToOutside)
    statuses = [
        decision.status for decision in map(onward, ("1001", "1002", "1003", "1999")) if isinstance(decision, Refused)
    ]
    assert statuses == [482, 482, 482, 404]


def test_the_name_that_a_phone_signs_in_with_is_dialled_like_its_extension() -> None:
    desk = Device("d", "1002", "ana.desk", "", "", "", enabled=True)
    decision = decide("ana.desk", devices=[desk])
    assert isinstance(decision, ToExtension)
    assert decision.extension.number == "1002"
    assert isinstance(decide("ana.desk"), Refused)
    assert isinstance(decide("ana.desk", by="1002", devices=[desk]), ToOwnPhones)


def test_what_stands_behind_a_name_in_an_address_is_no_part_of_it() -> None:
    desk = Device("d", "1002", "ana.desk", "", "", "", enabled=True)
    here = directory(devices=[desk], extensions=[extension("1001"), extension("1002")])
    decision = routing.route(here, "ana.desk;phone-context=office", country="RU", from_extension="1001")
    assert isinstance(decision, ToExtension)
    assert decision.extension.number == "1002"
    assert extension_named(here, "ana.desk;phone-context=office") == "1002"
    assert extension_named(here, "1002;npdi") == "1002"


def test_a_rooms_number_leads_into_it_and_supervision_is_for_those_who_may() -> None:
    room = Conference("c", "700", "Round")
    here = directory(
        extensions=[extension("1001", supervises=True), extension("1002")],
        conferences=[room],
        numbers=[
            number(OWN, DestinationKind.CONFERENCE, "700"),
            number("+74951112244", DestinationKind.CONFERENCE, "9"),
        ],
    )
    assert routing.route(here, "700", country="RU") == ToConference(room)
    assert routing.reach_inbound_target(here, here.numbers[OWN], country="RU") == ToConference(room)
    gone = routing.reach_inbound_target(here, here.numbers["+74951112244"], country="RU")
    assert isinstance(gone, Refused)
    allowed = routing.route(here, "*511002", country="RU", from_extension="1001")
    assert allowed == ToSupervision("1002", SuperviseMode.WHISPER)
    for dialled, by in (("*511001", "1002"), ("*511001", "1001"), ("*511002", ""), ("*511009", "1001")):
        assert isinstance(routing.route(here, dialled, country="RU", from_extension=by), Refused)
