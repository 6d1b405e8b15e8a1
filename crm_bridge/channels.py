"""The phones and e-mail addresses of customers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.identifiers import new_id
from crm_bridge.tables import EmailRow, PhoneRow
from crm_bridge.validation import MAX_CHANNELS
from crm_bridge.values import OwnerKind


@dataclass(slots=True, frozen=True)
class Channels:
    """How one customer can be reached."""

    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


async def read_channels(session: AsyncSession, kind: OwnerKind, ids: Sequence[str]) -> dict[str, Channels]:
    """Return the channels of several records of one kind, by id, with two queries."""
    phones: dict[str, list[str]] = defaultdict(list)
    emails: dict[str, list[str]] = defaultdict(list)
    if ids:
        for phone in await session.scalars(
            select(PhoneRow).where(PhoneRow.owner_kind == kind, PhoneRow.owner_id.in_(ids)).order_by(PhoneRow.place)
        ):
            phones[phone.owner_id].append(phone.number)
        for email in await session.scalars(
            select(EmailRow).where(EmailRow.owner_kind == kind, EmailRow.owner_id.in_(ids)).order_by(EmailRow.place)
        ):
            emails[email.owner_id].append(email.address)
    return {id_: Channels(tuple(phones[id_]), tuple(emails[id_])) for id_ in ids}


async def replace_phones(session: AsyncSession, kind: OwnerKind, owner_id: str, numbers: Sequence[str]) -> None:
    """Make these E.164 numbers the record's only ones."""
    await session.execute(delete(PhoneRow).where(PhoneRow.owner_kind == kind, PhoneRow.owner_id == owner_id))
    for place, number in enumerate(numbers):
        session.add(PhoneRow(id=new_id(), number=number, owner_kind=kind, owner_id=owner_id, place=place))
    await session.flush()


async def replace_emails(session: AsyncSession, kind: OwnerKind, owner_id: str, addresses: Sequence[str]) -> None:
    """Make these addresses the record's only ones."""
    await session.execute(delete(EmailRow).where(EmailRow.owner_kind == kind, EmailRow.owner_id == owner_id))
    for place, address in enumerate(addresses):
        session.add(EmailRow(id=new_id(), address=address, owner_kind=kind, owner_id=owner_id, place=place))
    await session.flush()


async def add_phone(session: AsyncSession, kind: OwnerKind, owner_id: str, number: str) -> bool:
    """Add a number unless the record has it or has too many; tell whether it was added."""
    known = list(
        await session.scalars(select(PhoneRow.number).where(PhoneRow.owner_kind == kind, PhoneRow.owner_id == owner_id))
    )
    if number in known or len(known) >= MAX_CHANNELS:
        return False
    last = await session.scalar(
        select(func.max(PhoneRow.place)).where(PhoneRow.owner_kind == kind, PhoneRow.owner_id == owner_id)
    )
    place = 0 if last is None else last + 1
    session.add(PhoneRow(id=new_id(), number=number, owner_kind=kind, owner_id=owner_id, place=place))
    await session.flush()
    return True


async def delete_channels(session: AsyncSession, kind: OwnerKind, owner_id: str) -> None:
    """Forget all channels of a record."""
    await replace_phones(session, kind, owner_id, ())
    await replace_emails(session, kind, owner_id, ())
