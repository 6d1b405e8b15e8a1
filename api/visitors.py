"""`/api/v1/visitors`: recognised people, without name or picture, and their right to be forgotten."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.fields import Output, ThingId, Time
from api.pagination import Page, PageParameters, cut
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms

router = APIRouter(prefix="/visitors", tags=["visitors"])


class VisitorOut(Output):
    """A recognised person."""

    id: str
    camera: str = Field(description="The camera's name.")
    visits: int
    first_seen_at: Time
    last_seen_at: Time
    expires_at: Time = Field(description="When the template is deleted unless the person comes again.")
    returning: bool = Field(description="Whether the person came more than once.")


class VisitorPage(Page[VisitorOut]):
    """One page of visitors."""


class ErasureOut(Output):
    """The proof that a visitor was erased; nothing of the person is in it."""

    id: str
    visitor_id: str = Field(description="The id that the person had.")
    erased_at: Time
    erased_by: str
    reason: str


class ErasurePage(Page[ErasureOut]):
    """One page of erasures."""


@router.get("")
async def list_visitors(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.VISITORS, Action.READ)]
) -> VisitorPage:
    """List recognised visitors, the newest first."""
    visitors = await rooms.faces.visits.visitors(before=page.after(), limit=page.limit + 1)
    shown, cursor = cut(visitors, page.limit, lambda visitor: visitor.id)
    items = [VisitorOut.of(one, returning=one.visits > 1) for one in shown]
    return VisitorPage(items=items, next_cursor=cursor)


@router.get("/erasures")
async def list_erasures(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.VISITORS, Action.READ)]
) -> ErasurePage:
    """List the proofs of erasures, the newest first."""
    erasures = await rooms.faces.visits.erasures(before=page.after(), limit=page.limit + 1)
    shown, cursor = cut(erasures, page.limit, lambda erasure: erasure.id)
    return ErasurePage(items=[ErasureOut.model_validate(one) for one in shown], next_cursor=cursor)


@router.delete("/{visitor_id}", status_code=204)
async def erase_visitor(
    *,
    visitor_id: ThingId,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.VISITORS, Action.DELETE)],
    reason: Annotated[str, Query(max_length=500, description="Kept with the proof of erasure.")] = "asked for",
) -> None:
    """Erase a visitor's templates for good; the visits stay as anonymous counts."""
    await rooms.faces.erase_visitor(visitor_id, erased_by=access.principal.name, reason=reason)
