"""`/api/v1/visits`: who came to the shop, as counts and as a list."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import Field

from api.fields import Output, Time
from api.pagination import Page, PageParameters, cut
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms

router = APIRouter(prefix="/visits", tags=["visits"])


class VisitOut(Output):
    """A stay of a person in front of a camera."""

    id: str
    camera: str = Field(description="The camera's name.")
    started_at: Time
    ended_at: Time | None = Field(description="null while the person is there.")
    visitor_id: str | None = Field(description="Who it was, in recognition mode.")
    returning: bool = Field(description="Whether the person had been here before.")


class VisitPage(Page[VisitOut]):
    """One page of visits."""


class DaySummaryOut(Output):
    """A day at the door, in the company's time zone."""

    day: date
    visitors: int = Field(description="People.")
    visits: int = Field(description="Their stays.")
    new: int = Field(description="People never seen before that day.")
    returning: int = Field(description="Visits of people who had been here before.")
    by_hour: list[int] = Field(description="Visits that began in each of the 24 hours.")


@router.get("")
async def list_visits(
    *,
    rooms: Rooms,
    page: PageParameters,
    _access: Annotated[Access, permit(Resource.VISITS, Action.READ)],
    camera_id: Annotated[str | None, Query(max_length=36, description="Only those at this camera.")] = None,
) -> VisitPage:
    """List visits, the newest first."""
    visits = await rooms.faces.visits.visits(camera_id=camera_id, before=page.after(), limit=page.limit + 1)
    shown, cursor = cut(visits, page.limit, lambda visit: visit.id)
    return VisitPage(items=[VisitOut.model_validate(visit) for visit in shown], next_cursor=cursor)


@router.get("/summary")
async def summarise_visits(
    *,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.VISITS, Action.READ)],
    day: Annotated[date | None, Query(description="The day; today when left out.", examples=["2026-03-01"])] = None,
    camera_id: Annotated[str | None, Query(max_length=36, description="Only at this camera.")] = None,
) -> DaySummaryOut:
    """Sum up a day: visitors, visits, new and returning, and visits by hour."""
    zone = ZoneInfo(rooms.company.settings.timezone)
    asked = day or rooms.clock.now().astimezone(zone).date()
    return DaySummaryOut.model_validate(await rooms.faces.visits.summary(asked, zone, camera_id=camera_id))
