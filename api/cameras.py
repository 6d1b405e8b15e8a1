"""`/api/v1/cameras`: cameras at the door, and the consent without which they only count."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.errors import FieldError, InvalidFieldsError
from api.fields import Input, Name, Note, Output, TextOrNull, ThingId, Time
from api.pagination import Page, PageParameters, cut
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from face_tracker.camera import shown_source
from face_tracker.cameras import Camera, CameraMode

router = APIRouter(prefix="/cameras", tags=["cameras"])


class CameraIn(Input):
    """A new camera; it counts. Recognition is switched on with a consent record afterwards."""

    name: Name = Field(examples=["door"])
    source: Annotated[str, Field(min_length=1, max_length=1000, examples=["rtsp://192.0.2.10/stream1"])] = Field(
        description="An RTSP URL, or a video file on the server."
    )
    gap_seconds: float = Field(2.0, ge=0.5, le=3600, description="Away for less is the same visit.")
    template_days: int = Field(30, ge=1, le=3650, description="Lifetime of face templates in recognition mode.")
    enabled: bool = True


class Consent(Input):
    """Why faces may be recognised at this camera."""

    legal_basis: Annotated[Note, Field(min_length=1, max_length=4000)] = Field(description="The law and the purpose.")
    notice: Annotated[Note, Field(min_length=1, max_length=4000)] = Field(description="What visitors read at the door.")


class CameraChanges(Input):
    """Fields to change; those left out stay as they are."""

    enabled: bool | None = None
    recognition: Consent | None = Field(
        None, description="A consent switches recognition on; null withdraws it and deletes all templates."
    )


class CameraOut(Output):
    """A camera and how it is doing."""

    id: str
    name: str
    source: str = Field(description="Without the password.")
    mode: CameraMode = Field(description="`counting` stores nothing of a face.")
    enabled: bool = Field(
        description="A film is switched off once it has been read to its end; switch it on to read it again."
    )
    gap_seconds: float
    template_days: int
    created_at: Time
    running: bool
    frames: int = Field(description="Frames analysed since it was started.")
    error: TextOrNull = Field(description="Why it does not run.")


class CameraPage(Page[CameraOut]):
    """One page of cameras."""


@router.get("")
async def list_cameras(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.CAMERAS, Action.READ)]
) -> CameraPage:
    """List cameras by name."""
    after = page.after()
    cameras = [one for one in await rooms.faces.cameras.list() if after is None or one.name > after]
    shown, cursor = cut(cameras, page.limit, lambda camera: camera.name)
    return CameraPage(items=[_show(rooms, camera) for camera in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_camera(
    camera: CameraIn, rooms: Rooms, access: Annotated[Access, permit(Resource.CAMERAS, Action.CREATE)]
) -> CameraOut:
    """Add a camera and start it."""
    made = await rooms.faces.cameras.create(
        camera.name, camera.source, gap_seconds=camera.gap_seconds, template_days=camera.template_days
    )
    access.note.target = made.id
    if not camera.enabled:
        made = await rooms.faces.cameras.set_enabled(made.id, enabled=False)
    return await _restarted(rooms, made)


@router.get("/{camera_id}")
async def get_camera(
    camera_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.CAMERAS, Action.READ)]
) -> CameraOut:
    """Show a camera and how it is doing."""
    return _show(rooms, await rooms.faces.cameras.get(camera_id))


@router.patch("/{camera_id}")
async def change_camera(
    camera_id: ThingId,
    changes: CameraChanges,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.CAMERAS, Action.CHANGE)],
) -> CameraOut:
    """Switch a camera on or off, or recognition with its consent."""
    cameras = rooms.faces.cameras
    camera = await cameras.get(camera_id)
    if "enabled" in changes.model_fields_set:
        if changes.enabled is None:
            rule = FieldError("body.enabled", "It cannot be null; leave it out to keep it")
            raise InvalidFieldsError("The field enabled cannot be null.", errors=[rule])
        camera = await cameras.set_enabled(camera_id, enabled=changes.enabled)
    if changes.recognition is not None:
        camera = await cameras.allow_recognition(
            camera_id,
            legal_basis=changes.recognition.legal_basis,
            notice=changes.recognition.notice,
            recorded_by=access.principal.name,
        )
    elif "recognition" in changes.model_fields_set:
        await rooms.faces.stop(camera_id)
        camera = await cameras.withdraw_recognition(camera_id)
    return await _restarted(rooms, camera)


@router.delete("/{camera_id}", status_code=204)
async def delete_camera(
    camera_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.CAMERAS, Action.DELETE)]
) -> None:
    """Remove a camera with its visits, visitors and consents."""
    await rooms.faces.cameras.get(camera_id)
    await rooms.faces.stop(camera_id)
    await rooms.faces.cameras.delete(camera_id)


async def _restarted(rooms: Rooms, camera: Camera) -> CameraOut:
    """Let the camera run as it is set now."""
    if camera.enabled:
        await rooms.faces.run(camera)
    else:
        await rooms.faces.stop(camera.id)
    return _show(rooms, camera)


def _show(rooms: Rooms, camera: Camera) -> CameraOut:
    return CameraOut.of(camera, rooms.faces.state(camera.id), source=shown_source(camera.source))
