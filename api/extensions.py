"""`/api/v1/extensions`: numbers inside the company, and the phones that are registered for them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.fields import (
    Dialled,
    Email,
    ExtensionNumber,
    Input,
    Name,
    Output,
    TextOrNull,
    ThingId,
    Time,
    changes_of,
    fields_of,
)
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource, Role
from api.security import Access, permit
from api.services import Rooms, Services
from pbx.directory import new_password
from pbx.entries import ENCRYPTION, Encryption, Extension, KeyWay
from pbx.errors import UnknownEntryError
from pbx.extension_states import ExtensionState
from pbx.forwarding import TARGETS

router = APIRouter(prefix="/extensions", tags=["extensions"])

SipPassword = Annotated[str, Field(min_length=8, max_length=128)]
PromptLanguage = Literal["", "en", "pt-BR", "ru"]
MessageCount = Annotated[int, Field(ge=0, le=9999)]
RingSeconds = Annotated[int, Field(ge=0, le=300, description="Seconds it rings before; 0: as the company says.")]


class ExtensionIn(Input):
    """A new extension."""

    number: ExtensionNumber
    name: Name = Field(examples=["Ana Souza"])
    password: SipPassword | None = Field(
        None, description="For the phone's SIP login, which is the number. Generated when left out, and shown once."
    )
    email: Email | None = None
    language: PromptLanguage = Field("", description="Language of prompts; empty for the company's.")
    enabled: bool = True
    forward_to: Dialled | None = Field(None, description="An extension or public number that takes all its calls.")
    forward_busy_to: Dialled | None = Field(
        None, description="Takes its calls while it is busy or not to be disturbed."
    )
    forward_no_answer_to: Dialled | None = Field(None, description="Takes the calls that nobody answers.")
    forward_no_answer_seconds: RingSeconds = 0
    forward_unavailable_to: Dialled | None = Field(
        None, description="Takes its calls while no phone is registered; else `forward_no_answer_to` does."
    )
    do_not_disturb: bool = False
    call_waiting: bool = Field(True, description="Whether a second call rings while one goes on; else it is busy.")
    supervises: bool = Field(False, description="Whether it may supervise others' calls by star code.")
    dtmf: KeyWay = Field(KeyWay.RFC4733, description="How keys go to its phones.")
    encryption: Encryption = Field(Encryption.OPTIONAL, description=ENCRYPTION)


class ForwardingChanges(Input):
    """What is to become of an extension's calls; fields that are left out stay, null ends a forwarding."""

    forward_to: Dialled | None = None
    forward_busy_to: Dialled | None = None
    forward_no_answer_to: Dialled | None = None
    forward_no_answer_seconds: RingSeconds | None = None
    forward_unavailable_to: Dialled | None = None
    do_not_disturb: bool | None = None
    call_waiting: bool | None = None


class ExtensionChanges(ForwardingChanges):
    """Fields to change; those left out stay as they are."""

    number: ExtensionNumber | None = Field(None, description="A new number needs a new password with it.")
    name: Name | None = None
    password: SipPassword | None = None
    email: Email | None = None
    language: PromptLanguage | None = None
    enabled: bool | None = None
    supervises: bool | None = None
    dtmf: KeyWay | None = None
    encryption: Encryption | None = None


class RegisteredPhoneOut(Output):
    """A registered phone."""

    uri: str = Field(examples=["sip:1001@192.0.2.20:5060"])
    source: str = Field(description="Where its packets come from.")
    expires_at: Time
    user_agent: str
    username: str = Field(description="Its SIP login.")


class ForwardingOut(Output):
    """What becomes of an extension's calls."""

    forward_to: TextOrNull = Field(description="Takes all its calls.")
    forward_busy_to: TextOrNull
    forward_no_answer_to: TextOrNull
    forward_no_answer_seconds: int = Field(description="0: as long as the company says.")
    forward_unavailable_to: TextOrNull
    do_not_disturb: bool
    call_waiting: bool


class WaitingMessagesIn(Input):
    """How many messages wait for an extension now, as the one who takes them counts."""

    new: MessageCount = Field(description="Not heard yet: the lamp is lit while there are any.", examples=[2])
    old: MessageCount = Field(description="Heard and kept.", examples=[5])


class WaitingMessagesOut(Output):
    """How many messages wait for an extension, as its phones show it."""

    new: int
    old: int


class ExtensionOut(ForwardingOut):
    """An extension."""

    id: str
    number: str
    name: str
    email: TextOrNull
    language: str
    enabled: bool
    supervises: bool = Field(description="Whether it may supervise others' calls by star code.")
    dtmf: KeyWay
    encryption: Encryption
    state: ExtensionState
    registered: bool = Field(description="Whether a phone is registered for it.")
    contacts: list[RegisteredPhoneOut] = Field(description="The registered phones; agents see their own only.")
    waiting_messages: WaitingMessagesOut | None = Field(description="Null where agents see another one's extension.")


class NewExtensionOut(ExtensionOut):
    """An extension that was just made."""

    password: str | None = Field(None, description="The generated password, shown this once; null if one was given.")


class ExtensionPage(Page[ExtensionOut]):
    """One page of extensions."""


@router.get("")
async def list_extensions(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.EXTENSIONS, Action.READ)],
    number: Annotated[str, Query(max_length=16, description="Only the one with this number.")] = "",
    search: Annotated[str, Query(max_length=200, description="Part of the number or the name.")] = "",
) -> ExtensionPage:
    """List extensions by number."""
    wanted = search.strip().casefold()
    found = (
        one
        for one in rooms.directory.snapshot.extensions.values()
        if number in ("", one.number) and (wanted in one.number or wanted in one.name.casefold())
    )
    shown, cursor = cut_sorted(found, page, lambda one: one.number)
    return ExtensionPage(items=[_show(rooms, access, one) for one in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_extension(
    extension: ExtensionIn, rooms: Rooms, access: Annotated[Access, permit(Resource.EXTENSIONS, Action.CREATE)]
) -> NewExtensionOut:
    """Make an extension."""
    generated = new_password() if extension.password is None else None
    made = await rooms.directory.create_extension(
        **fields_of(extension) | {"password": extension.password or generated or ""}
    )
    access.note.target = made.id
    return NewExtensionOut.of(_show(rooms, access, made), password=generated)


@router.get("/{extension_id}")
async def get_extension(
    extension_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.EXTENSIONS, Action.READ)]
) -> ExtensionOut:
    """Show an extension."""
    return _show(rooms, access, _find(rooms, extension_id))


@router.patch("/{extension_id}")
async def change_extension(
    extension_id: ThingId,
    changes: ExtensionChanges,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.EXTENSIONS, Action.CHANGE)],
) -> ExtensionOut:
    """Change an extension."""
    given = changes_of(changes, nullable=("email", *TARGETS))
    return _show(rooms, access, await rooms.directory.update_extension(extension_id, **given))


@router.delete("/{extension_id}", status_code=204)
async def delete_extension(
    extension_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.EXTENSIONS, Action.DELETE)]
) -> None:
    """Remove an extension with its devices."""
    await rooms.directory.delete_extension(extension_id)


@router.get("/{extension_id}/forwarding")
async def get_forwarding(
    extension_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.EXTENSIONS, Action.READ)]
) -> ForwardingOut:
    """Show what becomes of an extension's calls."""
    return ForwardingOut.of(_find(rooms, extension_id))


@router.patch("/{extension_id}/forwarding")
async def change_forwarding(
    extension_id: ThingId,
    changes: ForwardingChanges,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.FORWARDING, Action.CHANGE)],
) -> ForwardingOut:
    """Change what becomes of an extension's calls; agents do so for their own."""
    access.require_extension(_find(rooms, extension_id).number)
    given = changes_of(changes, nullable=TARGETS)
    return ForwardingOut.of(await rooms.directory.update_extension(extension_id, **given))


@router.get("/{extension_id}/waiting-messages")
async def get_waiting_messages(
    extension_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.WAITING_MESSAGES, Action.READ)]
) -> WaitingMessagesOut:
    """Show how many messages wait for an extension; agents see their own."""
    number = _find(rooms, extension_id).number
    access.require_extension(number)
    return WaitingMessagesOut.of(rooms.mailboxes.counts(number))


@router.put("/{extension_id}/waiting-messages")
async def set_waiting_messages(
    extension_id: ThingId,
    counts: WaitingMessagesIn,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.WAITING_MESSAGES, Action.CHANGE)],
) -> WaitingMessagesOut:
    """Tell how many messages wait for an extension; its phones are told at once."""
    await rooms.mailboxes.set_counts(_find(rooms, extension_id).number, new=counts.new, old=counts.old)
    return WaitingMessagesOut.of(counts)


def _find(rooms: Services, extension_id: str) -> Extension:
    for one in rooms.directory.snapshot.extensions.values():
        if one.id == extension_id:
            return one
    raise UnknownEntryError("There is no such extension.")


def _show(rooms: Services, access: Access, extension: Extension) -> ExtensionOut:
    contacts = rooms.switch.contacts(extension.number)
    visible = access.principal.role is not Role.AGENT or access.principal.extension == extension.number
    return ExtensionOut.of(
        extension,
        state=rooms.switch.extensions.state(extension.number),
        registered=bool(contacts),
        contacts=contacts if visible else [],
        waiting_messages=WaitingMessagesOut.of(rooms.mailboxes.counts(extension.number)) if visible else None,
    )
