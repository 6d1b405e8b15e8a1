"""`/api/v1/messages`: texts to the phones of extensions."""

from __future__ import annotations

import enum
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.fields import ExtensionNumber, Input, Output
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms

router = APIRouter(prefix="/messages", tags=["messages"])


class TextIn(Input):
    """A text, and whom it is for."""

    from_: ExtensionNumber | None = Field(None, alias="from", description="An agent's own extension when left out.")
    to: ExtensionNumber
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class TextState(enum.StrEnum):
    """How far a text got."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"


class TextOut(Output):
    """A text that is on its way; what it says is not kept."""

    from_extension: str
    to_extension: str
    state: TextState = Field(description="`delivered`: a phone has it. `accepted`: none has answered yet.")


@router.post("", status_code=202)
async def send_message(
    message: TextIn, rooms: Rooms, access: Annotated[Access, permit(Resource.MESSAGES, Action.CREATE)]
) -> TextOut:
    """Send a text to all phones of an extension."""
    sender = access.extension_or_own(message.from_, "Say which extension the text is from.")
    access.require_extension(sender)
    delivered = await rooms.messages.send(sender, message.to, message.text)
    return TextOut(
        from_extension=sender,
        to_extension=message.to,
        state=TextState.DELIVERED if delivered else TextState.ACCEPTED,
    )
