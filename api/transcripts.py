"""`/api/v1/transcripts`: what was said in recordings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.fields import Output, TextOrNull, ThingId, Time
from api.ownership import calls_spoken_in, require_spoken_in
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from recordings.values import TranscriptState

router = APIRouter(prefix="/transcripts", tags=["transcripts"])


class SegmentOut(Output):
    """Something said without a longer pause."""

    channel: int = Field(description="0: the customer, 1: the agents.")
    start: float = Field(description="Seconds from the start of the recording.")
    end: float
    text: str
    confidence: float = Field(description="0 to 1.")


class TranscriptOut(Output):
    """A transcript."""

    id: str
    recording_id: str
    call_id: str
    state: TranscriptState
    model: str = Field(description="The speech model that wrote it.")
    failure: TextOrNull
    segments: list[SegmentOut]
    created_at: Time
    finished_at: Time | None


class TranscriptPage(Page[TranscriptOut]):
    """One page of transcripts."""


@router.get("")
async def list_transcripts(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.TRANSCRIPTS, Action.READ)],
    call_id: Annotated[str, Query(max_length=64, description="Only those of this call.")] = "",
    search: Annotated[str, Query(max_length=200, description="Only those in which this was said.")] = "",
) -> TranscriptPage:
    """List transcripts, the newest first."""
    async with rooms.database.reading() as session:
        found = await rooms.transcripts.list(
            session,
            limit=page.limit,
            cursor=page.after(),
            call_id=call_id,
            search=search,
            calls=calls_spoken_in(access),
        )
    return TranscriptPage(
        items=[TranscriptOut.of(one) for one in found.items],
        next_cursor=encode_cursor(found.next_cursor),
    )


@router.get("/{transcript_id}")
async def get_transcript(
    transcript_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.TRANSCRIPTS, Action.READ)]
) -> TranscriptOut:
    """Show a transcript by its own id or by its recording's."""
    async with rooms.database.reading() as session:
        transcript = await rooms.transcripts.find(session, transcript_id)
        await require_spoken_in(session, access, transcript.call_id, "There is no such transcript.")
    return TranscriptOut.of(transcript)
