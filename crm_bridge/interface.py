"""The interface behind which CRMs stand: the embedded one here, and others (Bitrix24, 1C, webhooks) behind the same methods.

The order of a call: `find_caller` while it is routed; `register_call` when it is offered; `show_card` and `hide_card` as phones ring
and stop ringing; `finish_call` once, when the whole call is over (not when a leg or a queue member gives up); then `attach_recording`
and `attach_transcript` when they are ready, which can be minutes later. Every method but the cards may be repeated with the same
arguments and has its effect once: `call_id` is the key (Bitrix24: EXTERNAL_CALL_ID, ORIGIN_ID).

A method raises `CrmUnavailableError` when the same request may succeed later, and `CrmRefusedError` or another `CrmError` when it will not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from core.events import Direction, Disposition
from crm_bridge.values import Caller, ContactDraft, LeadDraft, Owner


@dataclass(slots=True, frozen=True, kw_only=True)
class CallBegun:
    """A call with an outside party began."""

    call_id: str
    direction: Direction
    number: str
    """The outside party in E.164, empty when hidden."""
    line_number: str
    """The company's number that was called, or the trunk that is used."""
    started_at: datetime
    caller_name: str = ""
    extension: str = ""
    """Who calls (outgoing) or is called first; a CRM that needs a user maps it to one."""
    create_lead: bool = False
    """Whether an unknown number shall become a lead at once."""


@dataclass(slots=True, frozen=True, kw_only=True)
class CallFinished:
    """A call is over as a whole."""

    call_id: str
    disposition: Disposition
    ended_at: datetime
    answered_at: datetime | None = None
    extension: str = ""
    """Who spoke with the outside party last, or should have."""
    transferred_to: str = ""
    sip_status: int = 0
    reason: str = ""
    cost: Decimal | None = None
    currency: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class RecordingReference:
    """A sealed recording; its audio is fetched from `recordings` by id when it is needed."""

    recording_id: str
    file_name: str
    seconds: float
    channels: int
    bytes: int
    sha256: str


@dataclass(slots=True, frozen=True, kw_only=True)
class TranscriptReference:
    """What was said, as text, one line a turn."""

    recording_id: str
    language: str
    text: str


@dataclass(slots=True, frozen=True, kw_only=True)
class CallRecord:
    """What the CRM made of a call."""

    external_id: str
    """The CRM's own id of the call or its activity."""
    owners: tuple[Owner, ...]
    """The records the call belongs to. Ids are the CRM's own."""


class Crm(Protocol):
    """A CRM as calls need it."""

    name: str
    """What users call it: shown in logs and on the health page."""

    async def find_caller(self, number: str) -> Caller | None:
        """Return who an E.164 number belongs to, or None; must be quick, for a phone is about to ring."""
        ...

    async def register_call(self, call: CallBegun) -> CallRecord:
        """Make a call known."""
        ...

    async def show_card(self, call_id: str, extensions: Sequence[str]) -> None:
        """Open the customer's card on the screens of these extensions."""
        ...

    async def hide_card(self, call_id: str, extensions: Sequence[str]) -> None:
        """Close it there."""
        ...

    async def finish_call(self, call: CallFinished) -> CallRecord:
        """Complete a registered call.

        Raises:
            CrmNotFoundError: it was never registered.
        """
        ...

    async def attach_recording(self, call_id: str, recording: RecordingReference) -> None:
        """Attach a recording to a registered call, in place of an earlier one.

        Raises:
            CrmNotFoundError: the call was never registered.
        """
        ...

    async def attach_transcript(self, call_id: str, transcript: TranscriptReference) -> None:
        """Attach a transcript to a registered call, in place of an earlier one.

        Raises:
            CrmNotFoundError: the call was never registered.
        """
        ...

    async def create_lead(self, draft: LeadDraft) -> str:
        """Make a lead, once per call, and return its id."""
        ...

    async def create_contact(self, draft: ContactDraft) -> str:
        """Make a contact, once per call, and return its id."""
        ...
