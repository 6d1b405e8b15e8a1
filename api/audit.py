"""`/api/v1/audit`: who changed what, and who listened to which recording."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.audit_trail import AuditTrail
from api.fields import Output, Time, TimeIn
from api.pagination import Page, PageParameters, cut
from api.permissions import Action, Resource
from api.security import Access, permit

router = APIRouter(prefix="/audit", tags=["audit"])


class AuditOut(Output):
    """One entry of the trail."""

    id: str
    at: Time
    actor_id: str | None = Field(description="Id of the user or token; null for a failed sign-in.")
    actor: str = Field(description="User name, or the token's label.")
    role: str | None
    resource: str = Field(examples=["recordings"])
    action: str = Field(examples=["listen"])
    target: str | None = Field(description="Id of the thing.")
    method: str
    path: str
    status: int = Field(description="HTTP status of the answer; 4xx tells that it was refused.")
    source: str = Field(description="Address the request came from.")
    details: dict[str, Any] = Field(description="Names of the fields that were sent, never their values.")


class AuditPage(Page[AuditOut]):
    """One page of the trail."""


@router.get("")
async def list_audit(
    *,
    request: Request,
    page: PageParameters,
    _access: Annotated[Access, permit(Resource.AUDIT, Action.READ)],
    actor_id: Annotated[str | None, Query(max_length=36, description="Only entries of this user or token.")] = None,
    resource: Annotated[str | None, Query(max_length=32, description="Only entries about this resource.")] = None,
    target: Annotated[
        str | None, Query(max_length=64, description="Only entries about the thing with this id.")
    ] = None,
    since: Annotated[TimeIn | None, Query(description="Not before this time.")] = None,
    until: Annotated[TimeIn | None, Query(description="Before this time.")] = None,
) -> AuditPage:
    """List entries, the newest first."""
    trail: AuditTrail = request.app.state.trail
    rows = await trail.list(
        limit=page.limit + 1,
        before=page.after(),
        actor_id=actor_id,
        resource=resource,
        target=target,
        since=since,
        until=until,
    )
    shown, cursor = cut(rows, page.limit, lambda entry: entry.id)
    return AuditPage(items=[AuditOut.model_validate(row) for row in shown], next_cursor=cursor)
