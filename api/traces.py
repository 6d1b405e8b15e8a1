"""`/api/v1/calls/{id}/trace`: the SIP messages of a call, for administrators."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from api.fields import Output, Time
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms

router = APIRouter(prefix="/calls", tags=["calls"])

_TEXT: Final = "text/plain; charset=utf-8"
_PCAP: Final = "application/vnd.tcpdump.pcap"
_OTHER_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The messages in the format that was asked for.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            _PCAP: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

TracedCall = Annotated[
    str,
    Path(
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="The call's id, or the SIP Call-ID of one of its legs.",
    ),
]


class TraceFormat(enum.StrEnum):
    """How the trace is shown."""

    JSON = "json"
    TEXT = "text"
    PCAP = "pcap"


class TraceMessageOut(Output):
    """A SIP message, its secrets masked."""

    at: Time
    sent: bool = Field(description="Whether the server sent it; else it received it.")
    transport: str
    source: str
    destination: str
    sip_call_id: str
    leg_id: str | None
    party: str = Field(description="Who is at the other end, such as `extension 1001`; empty when unknown.")
    summary: str
    again: bool = Field(description="A retransmission: the same bytes went the same way before.")
    text: str


class TraceOut(Output):
    """The SIP messages of a call."""

    call_id: str | None = Field(description="null for messages that made no call, such as a refused INVITE.")
    sip_call_ids: list[str]
    truncated: bool = Field(description="There were more messages; these are the first.")
    messages: list[TraceMessageOut]


@router.get("/{call_id:path}/trace", response_model=TraceOut, responses=_OTHER_ANSWERS)
async def trace_call(
    call_id: TracedCall,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.CALLS, Action.TRACE)],
    shape: Annotated[TraceFormat, Query(alias="format")] = TraceFormat.JSON,
    whole: Annotated[bool, Query(description="The text holds the messages themselves, too.")] = False,
) -> TraceOut | Response:
    """Show the SIP messages of a call of the last days, of all its legs: as JSON, a ladder in text, or a capture for Wireshark."""
    access.note.target = call_id[:64]
    trace = await rooms.traces.find(call_id)
    match shape:
        case TraceFormat.JSON:
            return TraceOut.model_validate(trace)
        case TraceFormat.TEXT:
            return Response(trace.text(whole=whole), media_type=_TEXT)
        case TraceFormat.PCAP:
            name = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in call_id[:64])
            headers = {"Content-Disposition": f'attachment; filename="{name}.pcap"'}
            return Response(trace.pcap(), media_type=_PCAP, headers=headers)
