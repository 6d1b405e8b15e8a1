"""Strangers are strangers without a question to the database, and nobody whom it knows is taken for one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from core.errors import StorageError
from core.look_ups import LookUp
from crm_bridge.known_numbers import KnownNumbers
from crm_bridge.values import ContactChanges, ContactDraft, LeadDraft
from tests.crm_bridge.conftest import Desk

CUSTOMER = "+79161234567"
STRANGER = "+79990000000"


@pytest.fixture
async def known(desk: Desk) -> AsyncIterator[KnownNumbers]:
    known = desk.crm.known_numbers
    yield known
    await known.close()


async def started(known: KnownNumbers) -> None:
    known.start()
    await known.settled()


async def test_who_was_there_before_the_start_is_found_and_a_stranger_is_certainly_unknown(
    desk: Desk, known: KnownNumbers
) -> None:
    await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await started(known)
    assert known.may_have(CUSTOMER)
    assert not known.may_have(STRANGER)
    assert await desk.crm.caller_name(CUSTOMER) == "Maria"


async def test_a_stranger_costs_no_question(desk: Desk, known: KnownNumbers, monkeypatch: pytest.MonkeyPatch) -> None:
    await started(known)
    monkeypatch.setattr(desk.database, "look_up", refused)
    assert desk.crm.is_stranger(STRANGER)
    assert await desk.crm.find_caller(STRANGER) is None


async def test_whoever_becomes_a_customer_is_known_at_once(desk: Desk, known: KnownNumbers) -> None:
    await started(known)
    id_ = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await desk.crm.create_lead(LeadDraft(name="Ivan", phones=("+79161110000",)))
    async with desk.database.transaction() as session:
        await desk.crm.contacts.update(session, id_, ContactChanges(phones=("+79162220000",)))
    assert await desk.crm.caller_name("+79161110000") == "Ivan"
    assert await desk.crm.caller_name("+79162220000") == "Maria"
    assert await desk.crm.caller_name(CUSTOMER) is None


async def test_a_number_added_while_the_others_are_read_is_known(desk: Desk, known: KnownNumbers) -> None:
    known.start()
    await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await known.settled()
    assert await desk.crm.caller_name(CUSTOMER) == "Maria"


async def test_many_numbers_are_read_page_by_page(desk: Desk, known: KnownNumbers) -> None:
    numbers = [f"+7916{number:07}" for number in range(2_010)]
    for first in range(0, len(numbers), 20):
        await desk.crm.create_contact(ContactDraft(name="Shop", phones=tuple(numbers[first : first + 20])))
    await started(known)
    assert all(known.may_have(number) for number in numbers)


async def test_until_all_are_read_and_where_they_cannot_be_anybody_may_be_known(
    desk: Desk, known: KnownNumbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known.may_have(STRANGER)
    monkeypatch.setattr(desk.database, "look_up", refused)
    await started(known)
    assert known.may_have(STRANGER)


async def test_who_is_closed_is_certain_of_nothing(desk: Desk, known: KnownNumbers) -> None:
    await started(known)
    await known.close()
    assert known.may_have(STRANGER)


async def refused(statement: LookUp, **parameters: str | int) -> Sequence[Sequence[Any]]:
    raise StorageError("The database cannot be read.")
