"""`/api/v1/recordings`: what was recorded: listed, drawn, and played in ranges of bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.fields import Output, TextOrNull, ThingId, Time, TimeIn
from api.ownership import calls_spoken_in, require_spoken_in
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms, Services
from recordings.ranges import byte_range
from recordings.service import Audio
from recordings.values import MarkerKind, RecordingState, RecordingView

router = APIRouter(prefix="/recordings", tags=["recordings"])

_BINARY: Final[dict[str, Any]] = {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}
_AUDIO_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole file", "content": _BINARY},
    206: {"description": "The range asked for (RFC 9110 section 14)", "content": _BINARY},
    304: {"description": "Not changed since the ETag given in If-None-Match"},
    416: {"description": "The range lies beyond the end; Content-Range tells the size"},
}


class MarkerOut(Output):
    """A marked stretch of a recording."""

    kind: MarkerKind
    start: float = Field(description="Seconds from the start.")
    end: float | None = Field(description="null while it lasts.")
    by_extension: str


class TrackOut(Output):
    """A party and its channel in a recording."""

    channel: int = Field(description="From 0; the last one is shared by all who come later.")
    start: float = Field(description="Seconds from the start.")
    leg_id: TextOrNull = Field(description="null: all the others of a conference.")
    number: TextOrNull
    extension: TextOrNull


class RecordingOut(Output):
    """A recording."""

    id: str
    call_id: str
    state: RecordingState
    format: str = Field(examples=["wav"])
    seconds: float | None = Field(description="Measured when it is sealed.")
    channels: int = Field(description="2: customers left, agents right; more: a channel for each party of `tracks`.")
    sample_rate: int = Field(description="Hertz.")
    bytes: int | None
    sha256: TextOrNull = Field(description="Of the file, taken when it is sealed.")
    lost_seconds: float = Field(description="Audio that could not be kept.")
    failure: TextOrNull = Field(description="Why audio is missing.")
    recovered: bool
    markers: list[MarkerOut]
    tracks: list[TrackOut] = Field(description="Who is on which channel, where each party has its own.")
    started_at: Time
    stopped_at: Time | None
    sealed_at: Time | None


class RecordingPage(Page[RecordingOut]):
    """One page of recordings."""


class WaveformOut(Output):
    """The loudest sample of each of equal stretches."""

    recording_id: str
    seconds: float
    channels: list[list[float]] = Field(description="A list a channel, from 0 (silence) to 1 (full scale).")


@router.get("")
async def list_recordings(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.RECORDINGS, Action.READ)],
    call_id: Annotated[str, Query(max_length=64, description="Only those of this call.")] = "",
    state: Annotated[RecordingState | None, Query(description="Only those in this state.")] = None,
    started_from: Annotated[TimeIn | None, Query(description="Began at this time or later.")] = None,
    started_to: Annotated[TimeIn | None, Query(description="Began before this time.")] = None,
) -> RecordingPage:
    """List recordings, the newest first."""
    async with rooms.database.reading() as session:
        found = await rooms.recordings.list(
            session,
            limit=page.limit,
            cursor=page.after(),
            call_id=call_id,
            state=state.value if state else "",
            since=started_from,
            until=started_to,
            calls=calls_spoken_in(access),
        )
    return RecordingPage(
        items=[RecordingOut.of(one) for one in found.items],
        next_cursor=encode_cursor(found.next_cursor),
    )


@router.get("/{recording_id}")
async def get_recording(
    recording_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.RECORDINGS, Action.READ)]
) -> RecordingOut:
    """Show a recording."""
    return RecordingOut.of(await _own(rooms, access, recording_id))


@router.get("/{recording_id}/waveform")
async def get_waveform(
    recording_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.RECORDINGS, Action.READ)]
) -> WaveformOut:
    """Show the waveform of a sealed recording."""
    await _own(rooms, access, recording_id)
    async with rooms.database.reading() as session:
        waveform = await rooms.recordings.waveform(session, recording_id)
    return WaveformOut(
        recording_id=waveform.recording_id,
        seconds=waveform.seconds,
        channels=[list(channel) for channel in waveform.peaks],
    )


@router.get("/{recording_id}/audio", response_class=StreamingResponse, responses=_AUDIO_ANSWERS)
async def play_recording(
    recording_id: ThingId,
    request: Request,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.RECORDINGS, Action.LISTEN)],
) -> Response:
    """Play a recording, whole or in the range asked for; noted in the audit trail."""
    await _own(rooms, access, recording_id)
    audio = await rooms.recordings.audio(recording_id)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{audio.file_name}"',
    }
    if audio.etag:
        headers["ETag"] = audio.etag
        if _names(request.headers.get("if-none-match", ""), audio.etag):
            return Response(status_code=304, headers=headers)
    wanted = byte_range(_range_header(request, audio), audio.size)
    start, length = wanted or (0, audio.size)
    headers["Content-Length"] = str(length)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{audio.size}"
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=audio.media_type)
    blocks = rooms.recordings.read(audio, start, length)
    # The first block is read before the answer begins, so that a file that is gone is a 404 and not half an answer.
    first = await anext(blocks, b"")
    return StreamingResponse(_stream(first, blocks), status, headers, media_type=audio.media_type)


router.add_api_route("/{recording_id}/audio", play_recording, methods=["HEAD"], include_in_schema=False)


@router.delete("/{recording_id}", status_code=204)
async def delete_recording(
    recording_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.RECORDINGS, Action.DELETE)]
) -> None:
    """Delete a recording with its waveform and transcript, for good."""
    await rooms.recordings.delete(recording_id)


async def _own(rooms: Services, access: Access, recording_id: str) -> RecordingView:
    """Return a recording that the one who asks may know of."""
    async with rooms.database.reading() as session:
        recording = await rooms.recordings.get(session, recording_id)
        await require_spoken_in(
            session, access, recording.call_id, f"There is no recording with the id “{recording_id}”."
        )
    return recording


def _range_header(request: Request, audio: Audio) -> str | None:
    """Return the Range header, unless If-Range says that the file has changed since (RFC 9110 section 13.1.5)."""
    condition = request.headers.get("if-range")
    if condition is not None and (not audio.etag or condition.strip() != audio.etag):
        return None
    return request.headers.get("range")


def _names(header: str, etag: str) -> bool:
    """Tell whether an If-None-Match header names the ETag (RFC 9110 section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags


async def _stream(first: bytes, blocks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(blocks):
        yield first
        async for block in blocks:
            yield block
