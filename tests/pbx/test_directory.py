"""The rules of the directory: what may be set, what is refused, and how."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.company import Company, CompanySettings
from core.database import Database
from pbx.directory import Directory, new_password
from pbx.entries import DestinationKind, Extension
from pbx.errors import EntryExistsError, EntryInUseError, InvalidEntryError, UnknownEntryError
from pbx.snapshot import Snapshot
from pbx.tables import ExtensionRow

PASSWORD = "secret-enough"


@pytest.fixture
def directory(database: Database) -> Directory:
    return Directory(database, Company(database), ManualClock(), realm="ramal", flows=("reception",))


async def ana(directory: Directory, **changes: Any) -> Extension:
    return await directory.create_extension(**({"number": "1001", "name": "Ana", "password": PASSWORD} | changes))


async def test_an_extension_is_stored_with_digests_and_never_with_its_password(
    directory: Directory, database: Database
) -> None:
    await ana(directory)
    secret = f"1001:ramal:{PASSWORD}".encode()
    async with database.reading() as session:
        row = (await session.scalars(select(ExtensionRow))).one()
    assert row.ha1_md5 == hashlib.md5(secret, usedforsecurity=False).hexdigest()
    assert row.ha1_sha256 == hashlib.sha256(secret).hexdigest()
    assert PASSWORD not in str(vars(row))
    assert row.ha1_md5 not in repr(directory.snapshot)


async def test_a_change_is_seen_at_once_and_told(directory: Directory) -> None:
    told: list[Snapshot] = []
    directory.listen(told.append)
    extension = await ana(directory)
    await directory.update_extension(extension.id, name="Ana Maria", language="pt-BR", email="ana@example.com")
    assert directory.snapshot.extensions["1001"].name == "Ana Maria"
    assert told[-1] is directory.snapshot
    await directory.delete_extension(extension.id)
    assert directory.snapshot.extensions == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"number": "1"}, "number"),
        ({"number": "10a1"}, "number"),
        ({"number": "123456789"}, "number"),
        ({"name": ""}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"password": "short"}, "password"),
        ({"password": ""}, "password"),
        ({"email": "nobody"}, "email"),
        ({"language": "fr"}, "language"),
        ({"forward_to": "1001"}, "forward_to"),
        ({"forward_to": "not a number"}, "forward_to"),
        ({"forward_to": "8 809 123-45-67"}, "forward_to"),
        ({"forward_no_answer_to": "+19005551234"}, "forward_no_answer_to"),
        ({"forward_busy_to": "1001"}, "forward_busy_to"),
        ({"forward_no_answer_to": "hello"}, "forward_no_answer_to"),
        ({"forward_to": "1999"}, "forward_to"),
        ({"forward_busy_to": "1999"}, "forward_busy_to"),
        ({"forward_no_answer_to": "5551234"}, "forward_no_answer_to"),
        ({"forward_unavailable_to": " 19 "}, "forward_unavailable_to"),
        ({"forward_no_answer_seconds": 2}, "forward_no_answer_seconds"),
    ],
)
async def test_a_wrong_field_of_an_extension_is_named(
    directory: Directory, changes: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidEntryError, match=f"^{field}: "):
        await ana(directory, **changes)
    assert directory.snapshot.extensions == {}


async def test_a_number_is_taken_once(directory: Directory) -> None:
    await ana(directory)
    with pytest.raises(EntryExistsError, match="1001"):
        await ana(directory)


async def test_a_new_number_needs_the_password_again(directory: Directory) -> None:
    extension = await ana(directory)
    with pytest.raises(InvalidEntryError, match="password"):
        await directory.update_extension(extension.id, number="1002")
    changed = await directory.update_extension(extension.id, number="1002", password=PASSWORD)
    assert changed.ha1_md5 != extension.ha1_md5


async def test_an_extension_that_others_lead_to_keeps_its_number(directory: Directory) -> None:
    first = await ana(directory)
    second = await ana(directory, number="1002", forward_no_answer_to="1001")
    with pytest.raises(EntryInUseError, match="Extension 1002 is forwarded to 1001"):
        await directory.update_extension(first.id, number="1003", password=PASSWORD)
    await directory.update_extension(second.id, forward_no_answer_to="")
    assert (await directory.update_extension(first.id, number="1003", password=PASSWORD)).number == "1003"


async def test_calls_are_forwarded_to_extensions_that_are_there_and_to_numbers_outside(directory: Directory) -> None:
    await ana(directory, number="1002")
    await directory.create_conference(number="8000", name="Room")
    first = await ana(directory, forward_to="1002", forward_busy_to="8 916 123-45-67")
    assert (first.forward_to, first.forward_busy_to) == ("1002", "+79161234567")
    changed = await directory.update_extension(first.id, forward_to="+4522001100", forward_no_answer_to="+74951112233")
    assert (changed.forward_to, changed.forward_no_answer_to) == ("+4522001100", "+74951112233")
    with pytest.raises(InvalidEntryError, match="forward_to: there is no extension “8000”") as refused:
        await directory.update_extension(first.id, forward_to="8000")
    assert refused.value.hint.startswith("Create it first")


async def test_numbers_as_short_as_extensions_are_outside_where_a_country_has_such(
    database: Database,
) -> None:
    company = Company(database)
    await company.save(CompanySettings(country="NO"))
    directory = Directory(database, company, ManualClock(), realm="ramal")
    assert (await ana(directory, forward_to="22001100")).forward_to == "+4722001100"
    with pytest.raises(InvalidEntryError, match="forward_to: there is no extension “20012”"):
        await ana(directory, number="1002", forward_to="20012")


async def test_a_forwarding_that_stands_already_is_no_matter_of_another_change(
    directory: Directory, database: Database
) -> None:
    first = await ana(directory)
    async with database.transaction() as session:
        (await session.get_one(ExtensionRow, first.id)).forward_to = "1999"
    await directory.reload()
    changed = await directory.update_extension(first.id, name="Ana Maria", forward_to="1999")
    assert (changed.name, changed.forward_to) == ("Ana Maria", "1999")
    with pytest.raises(InvalidEntryError, match="forward_busy_to"):
        await directory.update_extension(first.id, forward_busy_to="1999")


async def test_forwarding_in_circles_is_refused(directory: Directory) -> None:
    first = await ana(directory)
    await ana(directory, number="1002", forward_to="1001")
    await ana(directory, number="1003", forward_to="1002")
    with pytest.raises(InvalidEntryError, match="1001 → 1003 → 1002 → 1001"):
        await directory.update_extension(first.id, forward_to="1003")


async def test_a_forwarding_of_all_calls_that_is_too_long_is_refused(directory: Directory) -> None:
    await ana(directory, number="2006")
    for number in range(2005, 2000, -1):
        await ana(directory, number=str(number), forward_to=str(number + 1))
    with pytest.raises(InvalidEntryError, match="more than 5 times"):
        await ana(directory, number="2000", forward_to="2001")


async def test_an_extension_that_others_lead_to_stays(directory: Directory) -> None:
    first = await ana(directory)
    second = await ana(directory, number="1002", forward_to="1001")
    with pytest.raises(EntryInUseError, match="1002"):
        await directory.delete_extension(first.id)
    await directory.update_extension(second.id, forward_to="", forward_busy_to="1001")
    with pytest.raises(EntryInUseError, match="1002"):
        await directory.delete_extension(first.id)
    await directory.delete_extension(second.id)
    await directory.create_number(number="84951112233", kind="extension", target="1001")
    with pytest.raises(EntryInUseError, match=r"\+74951112233"):
        await directory.delete_extension(first.id)


async def test_a_device_signs_in_for_its_extension(directory: Directory) -> None:
    extension = await ana(directory)
    device = await directory.create_device(extension="1001", username="ana-desk", password=PASSWORD, label="Desk")
    assert directory.snapshot.logins["ana-desk"].extension == "1001"
    assert directory.snapshot.usernames["1001"] == ("1001", "ana-desk")
    with pytest.raises(EntryExistsError):
        await directory.create_device(extension="1001", username="1001", password=PASSWORD)
    with pytest.raises(EntryExistsError):
        await directory.create_device(extension="1001", username="ana-desk", password=PASSWORD)
    with pytest.raises(InvalidEntryError, match="extension"):
        await directory.create_device(extension="1999", username="x-1", password=PASSWORD)
    with pytest.raises(InvalidEntryError, match="username"):
        await directory.update_device(device.id, username="other")
    await directory.update_device(device.id, enabled=False)
    assert "ana-desk" not in directory.snapshot.logins
    await directory.update_device(device.id, enabled=True, label="")
    await directory.update_extension(extension.id, enabled=False)
    assert directory.snapshot.logins == {}
    await directory.delete_extension(extension.id)
    assert directory.snapshot.devices == ()


async def test_a_trunk_keeps_its_networks_and_hides_its_password(directory: Directory) -> None:
    trunk = await directory.create_trunk(
        name="carrier", host="sip.example.com", username="u", password="p", register=True, allow_from=["203.0.113.7"]
    )
    assert trunk.allow_from == ("203.0.113.7/32",)
    assert "'p'" not in repr(trunk)
    changed = await directory.update_trunk(trunk.id, caller_id="84951112233", port=5070, transport="TCP")
    assert (changed.caller_id, changed.port, changed.transport) == ("+74951112233", 5070, "tcp")
    with pytest.raises(InvalidEntryError, match="name"):
        await directory.update_trunk(trunk.id, name="other")


async def test_a_trunk_that_proves_who_it_is_stays_with_tls(directory: Directory) -> None:
    trunk = await directory.create_trunk(name="carrier", host="sip.example.com", transport="tls", tls_verify=True)
    with pytest.raises(InvalidEntryError, match="tls_verify"):
        await directory.update_trunk(trunk.id, transport="udp")
    changed = await directory.update_trunk(trunk.id, transport="udp", tls_verify=False)
    assert (changed.transport, changed.tls_verify) == ("udp", False)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"host": "bad host"}, "host"),
        ({"host": "x", "port": 70_000}, "port"),
        ({"host": "x", "transport": "sctp"}, "transport"),
        ({"host": "x", "tls_verify": True}, "tls_verify"),
        ({"host": "x", "tls_verify": True, "transport": "auto"}, "tls_verify"),
        ({"host": "x", "allow_from": ["300.1.1.1/8"]}, "allow_from"),
        ({"host": "x", "allow_from": ["10.0.0.1/8"]}, "allow_from"),
        ({"host": "x", "allow_from": ["0.0.0.0/0"]}, "allow_from"),
        ({"host": "x", "allow_from": ["203.0.113.0/24", "0.0.0.0/1"]}, "allow_from"),
        ({"host": "x", "allow_from": ["::/0"]}, "allow_from"),
        ({"host": "x", "register": True}, "username"),
        ({"host": "x", "caller_id": "abc"}, "caller_id"),
        ({"host": "x", "caller_id_policy": "fixed"}, "caller_id"),
        ({"host": "x", "caller_id_policy": "mine"}, "caller_id_policy"),
        ({"host": "x", "caller_id_format": "roman"}, "caller_id_format"),
        ({"host": "x", "backup_hosts": ["bad host"]}, "backup_hosts"),
        ({"host": "x", "backup_hosts": ["a:70000"]}, "backup_hosts"),
        ({"host": "x", "backup_hosts": ["a:b:c d"]}, "backup_hosts"),
        ({"host": "x", "backup_hosts": ["a", "a"]}, "backup_hosts"),
        ({"host": "x", "backup_hosts": [f"h{n}" for n in range(9)]}, "backup_hosts"),
        ({"host": "x", "domain": "no domain"}, "domain"),
        ({"host": "x", "codecs": ["PCMA", "MP3"]}, "codecs"),
        ({"host": "x", "codecs": ["PCMA", "pcma"]}, "codecs"),
        ({"host": "x", "max_calls": -1}, "max_calls"),
        ({"host": "x", "max_calls_in": 200_000}, "max_calls_in"),
        ({"host": "x", "max_calls_out": -5}, "max_calls_out"),
        ({"host": "x", "calls_per_second": 5000}, "calls_per_second"),
        ({"host": "x", "responses": {"200": "next"}}, "responses"),
        ({"host": "x", "responses": {"404": "999"}}, "responses"),
        ({"host": "x", "responses": {str(status): "next" for status in range(400, 500)}}, "responses"),
        ({"host": "x", "strip": 20}, "strip"),
        ({"host": "x", "prepend": "abc"}, "prepend"),
        ({"host": "x", "ping_seconds": 1}, "ping_seconds"),
        ({}, "host"),
    ],
)
async def test_a_wrong_field_of_a_trunk_is_named(directory: Directory, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEntryError, match=f"^{field}: "):
        await directory.create_trunk(name="carrier", **fields)


async def test_a_trunk_keeps_its_hosts_limits_and_rules(directory: Directory) -> None:
    fields: dict[str, Any] = {
        "backup_hosts": ["sip2.carrier.example", "192.0.2.7:5080", "[2001:db8::7]:5090"],
        "domain": "carrier.example",
        "realm": "Carrier Sign-In",
        "codecs": ["pcmu", "PCMA"],
        "caller_id": "84951112233",
        "caller_id_policy": "fixed",
        "caller_id_format": "national",
        "asserted_identity": True,
        "max_calls": 30,
        "max_calls_in": 20,
        "max_calls_out": 15,
        "calls_per_second": 5,
        "responses": {"404": "next", "5xx": "486"},
        "strip": 1,
        "prepend": "00",
        "ping_seconds": 60,
        "transport": "auto",
    }
    await directory.create_trunk(name="carrier", host="sip.carrier.example", **fields)
    trunk = (await directory.reload()).trunks["carrier"]
    assert trunk.codecs == ("PCMU", "PCMA")
    assert trunk.responses == {"404": "next", "5xx": "486"}
    assert [str(target) for target in trunk.targets] == [
        "sip.carrier.example",
        "sip2.carrier.example",
        "192.0.2.7:5080",
        "[2001:db8::7]:5090",
    ]
    for name in ("max_calls", "max_calls_in", "max_calls_out", "calls_per_second", "strip", "prepend", "ping_seconds"):
        assert getattr(trunk, name) == fields[name]
    with pytest.raises(InvalidEntryError, match="caller_id: the policy"):
        await directory.update_trunk(trunk.id, caller_id="")


async def test_a_route_keeps_its_pattern_hours_and_extensions(directory: Directory) -> None:
    await directory.create_trunk(name="a", host="192.0.2.1")
    route = await directory.create_route(
        name="office", trunks=["a"], pattern="+7495XXXXXXX", hours=["Mon-Fri  09:00-18:00"], extensions=["10XX", "2001"]
    )
    assert (await directory.reload()).routes == (route,)
    assert (route.hours, route.extensions) == (("mon-fri 09:00-18:00",), ("10XX", "2001"))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"prefix": "+7"}, "pattern"),
        ({"pattern": "7495"}, "pattern"),
        ({"pattern": "+7y"}, "pattern"),
        ({"hours": ["always"]}, "hours"),
        ({"hours": ["00:00-01:00"] * 40}, "hours"),
        ({"extensions": ["10!"]}, "extensions"),
        ({"extensions": [""]}, "extensions"),
    ]
    for changes, field in wrong:
        with pytest.raises(InvalidEntryError, match=f"^{field}: "):
            await directory.update_route(route.id, **changes)
    changed = await directory.update_route(route.id, pattern="", prefix="7", hours=[], extensions=[])
    assert (changed.prefix, changed.pattern, changed.hours, changed.extensions) == ("+7", "", (), ())


@pytest.mark.parametrize(
    ("written", "kept"),
    [("", ""), ("+", "+"), ("7495", "+7495"), ("+7495", "+7495"), ("007495", "+7495"), ("00", "00"), ("+0055", "+55")],
)
async def test_a_prefix_is_kept_as_numbers_are_routed_however_it_is_written(
    directory: Directory, written: str, kept: str
) -> None:
    await directory.create_trunk(name="a", host="192.0.2.1")
    route = await directory.create_route(name="some", trunks=["a"], prefix=written)
    assert route.prefix == kept


@pytest.mark.parametrize("prefix", ["0", "011", "+0", "000", "08005"])
async def test_a_prefix_that_no_number_can_have_is_refused_with_what_to_write(
    directory: Directory, prefix: str
) -> None:
    await directory.create_trunk(name="a", host="192.0.2.1")
    with pytest.raises(InvalidEntryError, match="never begins with 0") as refused:
        await directory.create_route(name="some", trunks=["a"], prefix=prefix)
    assert "or 00 for all numbers abroad" in refused.value.hint


async def test_a_pattern_of_numbers_leads_to_extensions_by_their_last_digits(directory: Directory) -> None:
    await ana(directory)
    rule = await directory.create_number(number="+749511122XX", kind="extension", target="10{2}")
    snapshot = directory.snapshot
    assert snapshot.numbers == {}
    found = snapshot.number_for("+74951112201")
    assert found is not None
    assert (found.number, found.target) == ("+74951112201", "1001")
    assert snapshot.all_numbers == [rule]
    with pytest.raises(EntryExistsError):
        await directory.create_number(number="+749511122XX", kind="extension", target="1001")
    for changes in ({"target": "10{9}"}, {"target": "{2}{2}"}, {"kind": "number", "target": "+74951112299"}):
        with pytest.raises(InvalidEntryError, match="destination"):
            await directory.update_number(rule.id, **changes)
    with pytest.raises(InvalidEntryError, match=r"begins with \+"):
        await directory.create_number(number="749511122XX", kind="extension", target="1001")
    with pytest.raises(InvalidEntryError, match="destination"):
        await directory.create_number(number="+74950000000", kind="extension", target="10{2}")


async def test_a_route_needs_known_trunks_and_keeps_them(directory: Directory) -> None:
    with pytest.raises(InvalidEntryError, match="there is no trunk “a”"):
        await directory.create_route(name="all", trunks=["a"])
    trunk = await directory.create_trunk(name="a", host="192.0.2.1")
    route = await directory.create_route(name="all", prefix="+7", trunks=["a"], strip=2, prepend="8", priority=5)
    assert directory.snapshot.routes == (route,)
    with pytest.raises(EntryInUseError, match="all"):
        await directory.delete_trunk(trunk.id)
    with pytest.raises(EntryExistsError):
        await directory.create_route(name="all", trunks=["a"])
    for changes, field in (({"trunks": []}, "trunks"), ({"trunks": ["a", "a"]}, "trunks"), ({"strip": 99}, "strip")):
        with pytest.raises(InvalidEntryError, match=field):
            await directory.update_route(route.id, **changes)
    with pytest.raises(InvalidEntryError, match="prefix"):
        await directory.update_route(route.id, prefix="x")
    with pytest.raises(InvalidEntryError, match="priority"):
        await directory.update_route(route.id, priority=-1)
    await directory.delete_route(route.id)
    await directory.delete_trunk(trunk.id)


async def test_an_inbound_number_leads_to_what_there_is(directory: Directory) -> None:
    await ana(directory)
    number = await directory.create_number(number="84951112233", kind="extension", target="1001", greeting="Hello")
    assert number.number == "+74951112233"
    with pytest.raises(EntryExistsError):
        await directory.create_number(number="+74951112233", kind="extension", target="1001")
    with pytest.raises(InvalidEntryError, match="no extension"):
        await directory.create_number(number="84951112234", kind="extension", target="1999")
    with pytest.raises(InvalidEntryError, match="kind"):
        await directory.create_number(number="84951112234", kind="fax", target="1001")
    with pytest.raises(InvalidEntryError, match="those there are: reception"):
        await directory.create_number(number="84951112234", kind="flow", target="nowhere")
    assert (await directory.create_number(number="84951112235", kind="flow", target="reception")).target == "reception"
    with pytest.raises(InvalidEntryError, match="come back"):
        await directory.update_number(number.id, kind="number", target="84951112233")
    changed = await directory.update_number(number.id, kind="number", target="89161234567")
    assert (changed.kind, changed.target) == (DestinationKind.NUMBER, "+79161234567")
    await directory.delete_number(number.id)
    with pytest.raises(UnknownEntryError):
        await directory.delete_number(number.id)


def test_generated_passwords_are_long_and_different() -> None:
    assert len(new_password()) == 16
    assert new_password() != new_password()
