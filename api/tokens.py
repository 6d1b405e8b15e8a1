"""`/api/v1/tokens`: keys for programs that use the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from api.fields import ExtensionNumber, Input, Name, Output, ThingId, Time
from api.key_store import TokenStore
from api.pagination import Page, PageParameters, cut
from api.permissions import Action, Resource, Role
from api.security import Access, permit

router = APIRouter(prefix="/tokens", tags=["tokens"])


class TokenIn(Input):
    """A new token."""

    label: Name = Field(description="What it is for; the audit trail shows it.", examples=["shop till"])
    role: Role
    extension: ExtensionNumber | None = Field(None, description="The extension an `agent` token acts for.")
    valid_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None, description="Days until it expires; left out: valid until it is deleted."
    )


class TokenOut(Output):
    """A token, without its secret."""

    id: str
    label: str
    role: Role
    extension: str | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None = Field(description="To the minute.")


class NewTokenOut(TokenOut):
    """A token that was just made."""

    token: str = Field("", description="The secret, shown this once: `Authorization: Bearer …`.")


class TokenPage(Page[TokenOut]):
    """One page of tokens."""


@router.get("")
async def list_tokens(
    request: Request, page: PageParameters, _access: Annotated[Access, permit(Resource.TOKENS, Action.READ)]
) -> TokenPage:
    """List tokens in the order they were made."""
    rows = await _tokens(request).list(limit=page.limit + 1, after=page.after())
    shown, cursor = cut(rows, page.limit, lambda token: token.id)
    return TokenPage(items=[TokenOut.model_validate(row) for row in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_token(
    token: TokenIn, request: Request, access: Annotated[Access, permit(Resource.TOKENS, Action.CREATE)]
) -> NewTokenOut:
    """Make a token."""
    life = None if token.valid_days is None else timedelta(days=token.valid_days)
    made, secret = await _tokens(request).create(
        label=token.label, role=token.role, extension=token.extension, life=life
    )
    access.note.target = made.id
    return NewTokenOut.model_validate(made).model_copy(update={"token": secret})


@router.delete("/{token_id}", status_code=204)
async def delete_token(
    token_id: ThingId, request: Request, _access: Annotated[Access, permit(Resource.TOKENS, Action.DELETE)]
) -> None:
    """Take a token back; it opens nothing from now on."""
    await _tokens(request).delete(token_id)


def _tokens(request: Request) -> TokenStore:
    tokens: TokenStore = request.app.state.tokens
    return tokens
