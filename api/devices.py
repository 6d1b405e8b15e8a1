"""`/api/v1/devices`: further phones of an extension, each with its own SIP login."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.extensions import RegisteredPhoneOut, SipPassword
from api.fields import ExtensionNumber, Input, Line, Output, ThingId, changes_of, fields_of
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms, Services
from pbx.directory import new_password
from pbx.entries import Device
from pbx.errors import UnknownEntryError

router = APIRouter(prefix="/devices", tags=["devices"])

Login = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["1001-desk"])]


class DeviceIn(Input):
    """A new device."""

    extension: ExtensionNumber
    username: Login = Field(description="Its SIP login; no extension's number and no other device's.")
    label: Line = Field("", examples=["Reception"])
    password: SipPassword | None = Field(None, description="Generated when left out, and shown once.")
    enabled: bool = True


class DeviceChanges(Input):
    """Fields to change; those left out stay as they are."""

    label: Line | None = None
    password: SipPassword | None = None
    enabled: bool | None = None


class DeviceOut(Output):
    """A device."""

    id: str
    extension: str
    username: str
    label: str
    enabled: bool
    registered: bool
    contacts: list[RegisteredPhoneOut]


class NewDeviceOut(DeviceOut):
    """A device that was just made."""

    password: str | None = Field(None, description="The generated password, shown this once; null if one was given.")


class DevicePage(Page[DeviceOut]):
    """One page of devices."""


@router.get("")
async def list_devices(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.DEVICES, Action.READ)],
    extension: Annotated[str, Query(max_length=8, description="Only those of this extension.")] = "",
) -> DevicePage:
    """List devices by login."""
    if access.extension is not None and extension:
        access.require_extension(extension)
    wanted = access.extension or extension
    devices = [one for one in rooms.directory.snapshot.devices if not wanted or one.extension == wanted]
    shown, cursor = cut_sorted(devices, page, lambda device: device.username)
    return DevicePage(items=[_show(rooms, one) for one in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_device(
    device: DeviceIn, rooms: Rooms, access: Annotated[Access, permit(Resource.DEVICES, Action.CREATE)]
) -> NewDeviceOut:
    """Add a phone to an extension."""
    generated = new_password() if device.password is None else None
    made = await rooms.directory.create_device(**fields_of(device) | {"password": device.password or generated or ""})
    access.note.target = made.id
    return NewDeviceOut.of(_show(rooms, made), password=generated)


@router.get("/{device_id}")
async def get_device(
    device_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.DEVICES, Action.READ)]
) -> DeviceOut:
    """Show a device."""
    for one in rooms.directory.snapshot.devices:
        if one.id == device_id and access.extension in (None, one.extension):
            return _show(rooms, one)
    raise UnknownEntryError("There is no such device.")


@router.patch("/{device_id}")
async def change_device(
    device_id: ThingId,
    changes: DeviceChanges,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.DEVICES, Action.CHANGE)],
) -> DeviceOut:
    """Change a device's label or password, or switch it on or off."""
    return _show(rooms, await rooms.directory.update_device(device_id, **changes_of(changes)))


@router.delete("/{device_id}", status_code=204)
async def delete_device(
    device_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.DEVICES, Action.DELETE)]
) -> None:
    """Remove a device."""
    await rooms.directory.delete_device(device_id)


def _show(rooms: Services, device: Device) -> DeviceOut:
    contacts = [one for one in rooms.switch.contacts(device.extension) if one.username == device.username]
    return DeviceOut.of(device, registered=bool(contacts), contacts=contacts)
