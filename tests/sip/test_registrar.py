"""The registrar: phones come, refresh, move, forget to leave, and come again."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.binding import Source
from sip.errors import MalformedMessageError
from sip.message import Request
from sip.registrar import ChangeKind, RegisterResult, Registrar, RegistrarConfig

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOME: Source = ("203.0.113.5", 40000, "udp")
AOR = "1001"


def register(
    registrar: Registrar,
    *contacts: str,
    cseq: int = 1,
    call_id: str = "a",
    source: Source = HOME,
    now: datetime = NOW,
    headers: tuple[tuple[str, str], ...] = (),
) -> RegisterResult:
    request = Request.build(
        "REGISTER",
        "sip:ramal.example",
        via="SIP/2.0/UDP h;branch=z9hG4bK1",
        from_="<sip:1001@ramal.example>;tag=1",
        to="<sip:1001@ramal.example>",
        call_id=call_id,
        cseq=cseq,
        headers=[*[("Contact", contact) for contact in contacts], *headers],
    )
    return registrar.register(AOR, request, source, now)


def hosts(registrar: Registrar, now: datetime = NOW) -> list[str]:
    return [binding.uri.host for binding in registrar.bindings(AOR, now)]


def test_a_phone_that_refreshes_finds_its_contact_in_its_own_words_but_for_its_parameters() -> None:
    registrar = Registrar()
    for count, contact in enumerate(["<sip:1001@A:5060>", "<sip:1001@A:5060>", "<sip:1001@A:5060>;expires=90;x=<y>"]):
        result = register(registrar, contact, cseq=count + 1, headers=(("Expires", "600"),))
        seconds, host = (90, "a") if count == 2 else (600, "A" if count else "a")
        assert result.headers == (("Contact", f"<sip:1001@{host}:5060>;expires={seconds}"),)


def test_a_phone_behind_nat_is_reached_where_its_packets_came_from() -> None:
    registrar = Registrar()
    result = register(
        registrar,
        '"Ana" <sip:1001@192.168.1.7>;+sip.instance="<urn:uuid:7>"',
        headers=(("User-Agent", "Phone 7"), ("Expires", "600")),
    )
    assert result.status == 200
    assert [change.kind for change in result.changes] == [ChangeKind.ADDED]
    assert result.headers == (("Contact", '<sip:1001@192.168.1.7>;expires=600;+sip.instance="<urn:uuid:7>"'),)
    (binding,) = registrar.bindings(AOR, NOW)
    assert binding.source == HOME
    assert (binding.user_agent, binding.instance) == ("Phone 7", "<urn:uuid:7>")
    assert binding.expires_at == NOW + timedelta(seconds=600)


@pytest.mark.parametrize(("source", "direct"), [(("h", 5060, "udp"), True), (("h", 5061, "udp"), False), (HOME, False)])
def test_a_phone_whose_via_says_where_its_packets_come_from_has_no_nat_before_it(source: Source, direct: bool) -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@h:5070>", source=source)
    (binding,) = registrar.bindings(AOR, NOW)
    assert binding.direct is direct


def test_several_phones_are_listed_by_freshness() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>", call_id="a")
    register(registrar, "<sip:1001@b>", call_id="b", now=NOW + timedelta(seconds=1))
    assert hosts(registrar, NOW + timedelta(seconds=2)) == ["b", "a"]
    result = register(registrar, "<sip:1001@a>", call_id="a", cseq=2, now=NOW + timedelta(seconds=3))
    assert result.changes[0].kind is ChangeKind.REFRESHED
    assert hosts(registrar, NOW + timedelta(seconds=4)) == ["a", "b"]


def test_the_contacts_own_expiry_wins_and_is_bounded() -> None:
    registrar = Registrar(RegistrarConfig(min_seconds=60, max_seconds=1000, default_seconds=500))
    result = register(
        registrar, "<sip:1001@a>;expires=90", "<sip:1001@b>;expires=99999999999999", headers=(("Expires", "200"),)
    )
    assert [value.partition("expires=")[2] for _, value in result.headers] == ["90", "1000"]
    assert register(registrar, "<sip:1001@c>", call_id="c").headers[-1][1].endswith("=500")


def test_too_short_a_registration_is_refused_with_the_least_that_is_taken() -> None:
    registrar = Registrar(RegistrarConfig(min_seconds=60))
    result = register(registrar, "<sip:1001@a>;expires=3600", "<sip:1001@b>;expires=59")
    assert (result.status, result.headers) == (423, (("Min-Expires", "60"),))
    assert hosts(registrar) == []


def test_a_phone_signs_off_with_expiry_zero() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>", "<sip:1001@b>")
    result = register(registrar, "<sip:1001@a>;expires=0", cseq=2)
    assert [change.kind for change in result.changes] == [ChangeKind.REMOVED]
    assert hosts(registrar) == ["b"]


def test_a_wildcard_removes_everything() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>", "<sip:1001@b>")
    assert register(registrar, "*", cseq=2).status == 400
    assert register(registrar, "*", "<sip:1001@a>", cseq=2, headers=(("Expires", "0"),)).status == 400
    assert len(register(registrar, "*", cseq=2, headers=(("Expires", "0"),)).changes) == 2
    assert hosts(registrar) == []


def test_a_late_register_of_the_same_phone_changes_nothing() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>", cseq=5)
    assert register(registrar, "<sip:1001@a>;expires=0", cseq=4).status == 500
    assert register(registrar, "*", cseq=4, headers=(("Expires", "0"),)).status == 500
    assert hosts(registrar) == ["a"]
    assert register(registrar, "<sip:1001@a>;expires=0", cseq=1, call_id="rebooted").status == 200
    assert hosts(registrar) == []


def test_a_register_with_the_number_of_the_one_before_is_a_new_wish() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>", cseq=2)
    later = NOW + timedelta(seconds=1)
    (contact,) = register(registrar, "<sip:1001@a>;expires=900", cseq=2, now=later).headers
    assert contact == ("Contact", "<sip:1001@a>;expires=900")
    assert register(registrar, "<sip:1001@a>;expires=0", cseq=2, now=later).status == 200
    assert hosts(registrar, later) == []


def test_a_phone_that_counts_anew_is_believed_once_no_older_request_can_be_under_way() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>", cseq=5)
    assert register(registrar, "<sip:1001@a>", cseq=1, now=NOW + timedelta(seconds=32)).status == 500
    assert register(registrar, "<sip:1001@a>", cseq=1, now=NOW + timedelta(seconds=33)).status == 200


def test_asking_without_a_contact_lists_what_is_there() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>;expires=100")
    result = register(registrar, cseq=2, now=NOW + timedelta(seconds=40))
    assert result.headers == (("Contact", "<sip:1001@a>;expires=60"),)
    assert result.changes == ()


def test_a_phone_that_moved_replaces_itself_by_its_instance() -> None:
    registrar = Registrar()
    register(registrar, '<sip:1001@a>;+sip.instance="<urn:uuid:7>";reg-id=1')
    result = register(registrar, '<sip:1001@b>;+sip.instance="<urn:uuid:7>";reg-id=1', call_id="rebooted")
    assert result.changes[0].kind is ChangeKind.REFRESHED
    assert hosts(registrar) == ["b"]
    register(registrar, '<sip:1001@c>;+sip.instance="<urn:uuid:7>";reg-id=2', call_id="second flow")
    assert len(hosts(registrar)) == 2


def test_one_contact_too_many_pushes_out_the_one_silent_longest() -> None:
    registrar = Registrar(RegistrarConfig(max_contacts=2))
    for second, host in enumerate("abc"):
        register(registrar, f"<sip:1001@{host}>", call_id=host, now=NOW + timedelta(seconds=second))
    assert hosts(registrar) == ["c", "b"]
    assert register(registrar, *[f"<sip:1001@h{n}>" for n in range(3)], call_id="many").status == 403


def test_contacts_run_out_and_are_told() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>;expires=60", "<sip:1001@b>;expires=90")
    assert registrar.next_expiry() == NOW + timedelta(seconds=60)
    assert registrar.expire(NOW + timedelta(seconds=59)) == []
    assert hosts(registrar, NOW + timedelta(seconds=60)) == ["b"]
    (change,) = registrar.expire(NOW + timedelta(seconds=60))
    assert (change.aor, change.kind, change.binding.uri.host) == (AOR, ChangeKind.EXPIRED, "a")
    assert registrar.next_expiry() == NOW + timedelta(seconds=90)
    assert len(registrar.expire(NOW + timedelta(seconds=90))) == 1
    assert registrar.next_expiry() is None
    assert list(registrar.users()) == []


def test_a_thousand_refreshes_leave_one_deadline() -> None:
    registrar = Registrar()
    for second in range(1000):
        register(registrar, "<sip:1001@a>;expires=60", cseq=second + 1, now=NOW + timedelta(seconds=second))
        registrar.expire(NOW + timedelta(seconds=second))
    assert len(registrar._deadlines) == 1
    assert hosts(registrar, NOW + timedelta(seconds=1000)) == ["a"]


def test_a_closed_connection_takes_its_contacts_along() -> None:
    registrar = Registrar()
    flow = ("203.0.113.5", 50000, "tcp")
    register(registrar, "<sip:1001@a;transport=tcp>", source=flow)
    register(registrar, "<sip:1001@b>", call_id="b")
    (change,) = registrar.connection_lost(flow)
    assert change.binding.uri.host == "a"
    assert hosts(registrar) == ["b"]
    assert registrar.connection_lost(flow) == []


@pytest.mark.parametrize(
    ("contact", "kept"),
    [
        ("<sip:1001@203.0.113.5:5070;transport=tcp>", True),
        ("<sip:1001@203.0.113.5;transport=tcp>", True),
        # The connection itself, another host's address behind a NAT, datagrams, one of several flows.
        ("<sip:1001@203.0.113.5:50000;transport=tcp>", False),
        ("<sip:1001@192.168.1.7:5060;transport=tcp>", False),
        ("<sip:1001@203.0.113.5:5070>", False),
        ("<sip:1001@203.0.113.5:5070;transport=tcp;ob>", False),
        ('<sip:1001@203.0.113.5:5070;transport=tcp>;reg-id=1;+sip.instance="<urn:uuid:1>"', False),
    ],
)
def test_a_phone_that_takes_connections_itself_outlives_its_own(contact: str, kept: bool) -> None:
    registrar = Registrar()
    flow = ("203.0.113.5", 50000, "tcp")
    register(registrar, contact, source=flow)
    assert len(registrar.connection_lost(flow)) == (not kept)
    assert len(hosts(registrar)) == kept


def test_a_phone_that_moves_behind_a_nat_is_a_changed_contact_to_whoever_stores_it() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@h:5062>", "<sip:1001@h:5064>", source=("h", 5060, "udp"))
    before = registrar.bindings(AOR, NOW)
    result = register(registrar, "<sip:1001@h:5062>", "<sip:1001@h:5064>", source=("h", 5060, "udp"), cseq=2)
    assert [binding is held for binding, held in zip(registrar.bindings(AOR, NOW), before, strict=True)] == [True, True]
    assert [change.binding.direct for change in result.changes] == [True, True]
    for held in before:
        held.direct = False
    register(registrar, "<sip:1001@h:5062>", "<sip:1001@h:5064>", source=("h", 5060, "udp"), cseq=3)
    assert [binding.direct for binding in registrar.bindings(AOR, NOW)] == [True, True]


def test_restored_contacts_live_on_and_run_out() -> None:
    before, after = Registrar(), Registrar()
    register(before, "<sip:1001@a>;expires=60")
    after.restore(AOR, before.bindings(AOR, NOW))
    assert hosts(after) == ["a"]
    assert len(after.expire(NOW + timedelta(seconds=61))) == 1


def test_a_deleted_user_loses_its_contacts() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@a>", "<sip:1001@b>")
    assert len(registrar.remove(AOR)) == 2
    assert hosts(registrar) == []


def test_the_path_through_an_edge_is_kept_and_told() -> None:
    registrar = Registrar()
    result = register(registrar, "<sip:1001@a>", headers=(("Path", "<sip:edge;lr>"), ("Supported", "path, outbound")))
    assert registrar.bindings(AOR, NOW)[0].path == ("<sip:edge;lr>",)
    assert ("Path", "<sip:edge;lr>") in result.headers


FLOW = '<sip:1001@192.168.1.7:{port};ob>;reg-id={reg_id};+sip.instance="<urn:uuid:7>"'
OUTBOUND = (("Supported", "path, outbound"),)


def test_a_new_registration_of_the_same_flow_takes_the_place_of_the_old_one() -> None:
    registrar = Registrar()
    first: Source = ("203.0.113.5", 40000, "tcp")
    second: Source = ("203.0.113.5", 41000, "tcp")
    register(registrar, FLOW.format(port=5060, reg_id=1), source=first, headers=OUTBOUND)
    result = register(registrar, FLOW.format(port=5062, reg_id=1), source=second, call_id="b", headers=OUTBOUND)
    assert [change.kind for change in result.changes] == [ChangeKind.REFRESHED]
    assert [binding.source for binding in registrar.bindings(AOR, NOW)] == [second]
    assert registrar.connection_lost(first) == []
    assert len(registrar.connection_lost(second)) == 1


def test_the_flows_of_one_phone_stand_side_by_side() -> None:
    registrar = Registrar()
    for reg_id in (1, 2):
        register(registrar, FLOW.format(port=5060 + reg_id, reg_id=reg_id), call_id=str(reg_id), headers=OUTBOUND)
    assert sorted(binding.reg_id for binding in registrar.bindings(AOR, NOW)) == ["1", "2"]


def test_flows_whose_numbers_a_restart_forgot_are_replaced_one_by_one() -> None:
    registrar, again = Registrar(), Registrar()
    for reg_id in (1, 2):
        register(registrar, FLOW.format(port=5060 + reg_id, reg_id=reg_id), call_id=str(reg_id))
    again.restore(AOR, [dataclasses.replace(binding, reg_id="") for binding in registrar.bindings(AOR, NOW)])
    for reg_id in (1, 2):
        register(again, FLOW.format(port=6060 + reg_id, reg_id=reg_id), call_id=f"new {reg_id}")
    assert sorted(binding.uri.port or 0 for binding in again.bindings(AOR, NOW)) == [6061, 6062]


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        (OUTBOUND, True),
        ((("Supported", "path"),), False),
        ((*OUTBOUND, ("Via", "SIP/2.0/UDP phone;branch=z9hG4bK2")), False),
        ((*OUTBOUND, ("Path", "<sip:edge.example;lr>")), False),
        ((*OUTBOUND, ("Path", "<sip:core.example;lr>, <sip:token@edge.example;lr;ob>")), True),
    ],
)
def test_a_phone_is_told_that_its_flow_is_kept_where_it_is(headers: tuple[tuple[str, str], ...], kept: bool) -> None:
    result = register(Registrar(), FLOW.format(port=5060, reg_id=1), headers=headers)
    assert (("Require", "outbound") in result.headers) is kept
    assert (("Flow-Timer", "120") in result.headers) is kept


def test_a_phone_without_flows_is_told_nothing_of_them() -> None:
    result = register(Registrar(), "<sip:1001@192.168.1.7>", headers=OUTBOUND)
    assert ("Require", "outbound") not in result.headers


def test_a_contact_behind_an_edge_outlives_the_edges_connection() -> None:
    registrar = Registrar()
    edge: Source = ("203.0.113.9", 33000, "tcp")
    register(
        registrar, "<sip:1001@192.168.1.7>", source=edge, headers=(("Path", "<sip:203.0.113.9;transport=tcp;lr>"),)
    )
    register(registrar, "<sip:1001@192.168.1.8>", source=edge, call_id="b")
    assert [change.binding.uri.host for change in registrar.connection_lost(edge)] == ["192.168.1.8"]
    assert hosts(registrar) == ["192.168.1.7"]


@pytest.mark.parametrize(
    "path", ["edge", "<tel:+1>", ", ".join(["<sip:e;lr>"] * 9), f"<sip:{'e' * 600};lr>"], ids=str.__len__
)
def test_a_path_that_cannot_be_used_changes_nothing(path: str) -> None:
    registrar = Registrar()
    with pytest.raises(MalformedMessageError):
        register(registrar, "<sip:1001@192.168.1.7>", headers=(("Path", path),))
    assert hosts(registrar) == []


@pytest.mark.parametrize("contact", ["<sip:1001@a", "<tel:123>", "hello there"])
def test_a_contact_that_cannot_be_used_is_malformed(contact: str) -> None:
    with pytest.raises(MalformedMessageError):
        register(Registrar(), "<sip:1001@good>", contact)


@given(st.lists(st.text(max_size=60), max_size=4), st.text(max_size=12))
def test_no_contact_makes_the_registrar_fall(contacts: list[str], expires: str) -> None:
    registrar = Registrar()
    try:
        result = register(registrar, "<sip:1001@a>;" + expires, *contacts, headers=(("Expires", expires),))
    except MalformedMessageError:
        assert hosts(registrar) == []
        return
    assert result.status in (200, 400, 403, 423)


def test_a_refresh_keeps_the_contact_that_is_held_and_a_difference_does_not() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@192.168.1.7>")
    (held,) = registrar.bindings(AOR, NOW)
    later = NOW + timedelta(seconds=100)
    result = register(registrar, "<sip:1001@192.168.1.7>", cseq=2, now=later, headers=(("Expires", "700"),))
    assert (result.status, [change.kind for change in result.changes]) == (200, [ChangeKind.REFRESHED])
    assert result.headers == (("Contact", "<sip:1001@192.168.1.7>;expires=700"),)
    (same,) = registrar.bindings(AOR, later)
    assert same is held
    assert (same.refreshed_at, same.expires_at, same.cseq) == (later, later + timedelta(seconds=700), 2)
    moved: Source = ("192.0.2.99", 5062, "udp")
    register(registrar, "<sip:1001@192.168.1.7>", cseq=3, source=moved, now=later)
    (other,) = registrar.bindings(AOR, later)
    assert other is not held
    assert registrar.reaches(moved)
    assert not registrar.reaches(HOME)


@pytest.mark.parametrize("others", [(), ("<sip:1001@192.168.1.8>",)], ids=["alone", "of two"])
def test_a_phone_that_begins_anew_under_another_call_id_keeps_its_contact_and_is_believed_from_there_on(
    others: tuple[str, ...],
) -> None:
    registrar = Registrar()
    for contact in others:
        register(registrar, contact, call_id="another phone")
    register(registrar, "<sip:1001@192.168.1.7>", cseq=50)
    held = next(one for one in registrar.bindings(AOR, NOW) if one.uri.host == "192.168.1.7")
    assert register(registrar, "<sip:1001@192.168.1.7>", call_id="b", cseq=2).status == 200
    assert any(one is held for one in registrar.bindings(AOR, NOW))
    assert (held.call_id, held.cseq) == ("b", 2)
    assert register(registrar, "<sip:1001@192.168.1.7>", call_id="b", cseq=1).status == 500
    assert register(registrar, "<sip:1001@192.168.1.7>", call_id="b", cseq=3).status == 200


@pytest.mark.parametrize("first", ["*", "<sip:1001@192.168.1.7>"])
def test_a_wildcard_beside_the_contact_that_is_held_is_refused(first: str) -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@192.168.1.7>")
    second = "<sip:1001@192.168.1.7>" if first == "*" else "*"
    assert register(registrar, first, second, cseq=2).status == 400


def test_a_phone_whose_via_says_something_else_now_is_a_changed_contact() -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@h:5062>", source=("h", 5060, "udp"))
    (held,) = registrar.bindings(AOR, NOW)
    held.direct = False
    register(registrar, "<sip:1001@h:5062>", source=("h", 5060, "udp"), cseq=2)
    assert [binding.direct for binding in registrar.bindings(AOR, NOW)] == [True]


@pytest.mark.parametrize(
    "headers",
    [(("User-Agent", "Phone 8"),), (("Path", "<sip:edge.example;lr>"),), (("Expires", "0"),)],
)
def test_whatever_else_a_refresh_says_is_taken_over(headers: tuple[tuple[str, str], ...]) -> None:
    registrar = Registrar()
    register(registrar, "<sip:1001@192.168.1.7>")
    (held,) = registrar.bindings(AOR, NOW)
    assert register(registrar, "<sip:1001@192.168.1.7>", cseq=2, headers=headers).status == 200
    assert all(binding is not held for binding in registrar.bindings(AOR, NOW))
