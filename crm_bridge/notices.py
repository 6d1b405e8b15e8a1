"""Telling interested colleagues: a live event, an MQTT message and an e-mail, each only if the thing itself is stored.

MQTT and e-mail rows are written in the caller's transaction (`core.outbox`); the live event is held back until that transaction has
been committed, and forgotten when it is undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from core.bus import EventBus
from core.outbox import send_email, send_mqtt
from crm_bridge.ports import Colleagues, CompanyReader
from crm_bridge.values import Contact, Lead, OwnerKind

_HELD_BACK: Final = "crm_events"
_PLURALS: Final = {OwnerKind.LEAD: "leads", OwnerKind.CONTACT: "contacts"}


@dataclass(slots=True, frozen=True)
class _Wording:
    new_lead: str
    new_contact: str
    missed_call: str
    phone: str
    email: str
    responsible: str
    source: str
    call: str
    missed: str
    note: str
    hidden_number: str


_WORDINGS: Final = {
    "en": _Wording(
        new_lead="New lead: {name}",
        new_contact="New contact: {name}",
        missed_call="Missed call, please call back: {name}",
        phone="Phone",
        email="E-mail",
        responsible="Responsible",
        source="Source",
        call="Call",
        missed="Missed call",
        note="Note",
        hidden_number="Hidden number",
    ),
    "pt-BR": _Wording(
        new_lead="Novo lead: {name}",
        new_contact="Novo contato: {name}",
        missed_call="Chamada perdida, por favor retorne: {name}",
        phone="Telefone",
        email="E-mail",
        responsible="Responsável",
        source="Origem",
        call="Chamada",
        missed="Chamada perdida",
        note="Observação",
        hidden_number="Número oculto",
    ),
    "ru": _Wording(
        new_lead="Новый лид: {name}",
        new_contact="Новый контакт: {name}",
        missed_call="Пропущенный звонок, перезвоните: {name}",
        phone="Телефон",
        email="Эл. почта",
        responsible="Ответственный",
        source="Источник",
        call="Звонок",
        missed="Пропущенный звонок",
        note="Примечание",
        hidden_number="Скрытый номер",
    ),
}


class Notices:
    """Writes what is to be told of the CRM's records."""

    def __init__(self, company: CompanyReader, bus: EventBus, colleagues: Colleagues | None = None) -> None:
        self._company = company
        self._bus = bus
        self._colleagues = colleagues

    @property
    def hidden_number(self) -> str:
        """The name of someone who called without a number, in the company's language."""
        return _WORDINGS[self._company.settings.language].hidden_number

    async def created(self, session: AsyncSession, kind: OwnerKind, record: Lead | Contact) -> None:
        """Tell everybody interested of a new lead or contact."""
        payload = {
            "id": record.id,
            "name": record.name,
            "phones": list(record.phones),
            "emails": list(record.emails),
            "source": record.source,
            "responsible": record.responsible,
            "call_id": record.call_id or "",
        }
        self.publish(session, f"{kind}.created", payload, call_id=record.call_id or "")
        await send_mqtt(session, f"ramal/{_PLURALS[kind]}/{record.id}/created", payload)
        if record.call_id:
            await send_mqtt(session, f"ramal/calls/{record.call_id}/{kind}_created", payload)
        subject, body = self._letter(kind, record)
        for address in await self._readers(session, record.responsible):
            await send_email(session, address, subject, body)

    def publish(self, session: AsyncSession, kind: str, payload: Mapping[str, Any], *, call_id: str = "") -> None:
        """Publish a live event once the session's transaction has been committed; not to be called inside a savepoint."""
        if not self._bus.heard(kind):
            return
        held = session.sync_session.info.get(_HELD_BACK)
        if held is None:
            held = session.sync_session.info[_HELD_BACK] = []
            event.listen(session.sync_session, "after_commit", self._release)
        held.append((kind, dict(payload), call_id))

    def _release(self, session: Session) -> None:
        # A released savepoint is announced as a commit too.
        if session.in_nested_transaction():
            return
        held = session.info[_HELD_BACK]
        for kind, payload, call_id in held:
            self._bus.publish(kind, payload, call_id=call_id)
        held.clear()

    async def _readers(self, session: AsyncSession, responsible: str) -> list[str]:
        addresses: dict[str, None] = {}
        if self._colleagues is not None and responsible:
            addresses.update(dict.fromkeys(await self._colleagues.email_addresses(session, responsible)))
        addresses.update(dict.fromkeys(self._company.settings.notify_emails))
        return list(addresses)

    def _letter(self, kind: OwnerKind, record: Lead | Contact) -> tuple[str, str]:
        words = _WORDINGS[self._company.settings.language]
        if isinstance(record, Lead) and record.missed_number:
            title = words.missed_call
        else:
            title = words.new_lead if kind is OwnerKind.LEAD else words.new_contact
        # What Ramal writes as the source itself; what somebody typed stays as it is.
        sources = {"call": words.call, "missed_call": words.missed}
        facts = (
            (words.phone, ", ".join(record.phones)),
            (words.email, ", ".join(record.emails)),
            (words.responsible, record.responsible),
            (words.source, sources.get(record.source, record.source)),
            (words.call, record.call_id or ""),
            (words.note, record.note),
        )
        subject = title.format(name=record.name)
        return subject, "\n".join([subject, "", *(f"{label}: {value}" for label, value in facts if value)]) + "\n"
