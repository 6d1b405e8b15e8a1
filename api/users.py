"""`/api/v1/users`: who may sign in, and in which role."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from api.errors import FieldError, InvalidFieldsError
from api.fields import Email, ExtensionNumber, Input, Name, Output, ThingId, Time
from api.pagination import Page, PageParameters, cut
from api.passwords import LONGEST, SHORTEST
from api.permissions import Action, Resource, Role
from api.security import Access, permit
from api.tables import User
from api.user_store import UserStore

router = APIRouter(prefix="/users", tags=["users"])

Language = Literal["en", "pt-BR", "ru"]
Username = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", examples=["ana"])]
Password = Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]


class UserIn(Input):
    """A new user."""

    username: Username = Field(description="What is typed to sign in; letter case does not matter.")
    name: Name = Field(description="The name that colleagues see.")
    role: Role
    password: Password | None = Field(None, description="Generated when left out, and shown in the answer only.")
    extension: ExtensionNumber | None = Field(None, description="The extension that is the user's own.")
    email: Email | None = None
    language: Language | None = Field(None, description="Language of the web app.")


class UserChanges(Input):
    """Fields to change; those left out stay as they are."""

    name: Name | None = None
    role: Role | None = None
    password: Password | None = Field(None, description="A new password signs the user out everywhere.")
    extension: ExtensionNumber | None = Field(None, description="null takes the extension away.")
    email: Email | None = None
    language: Language | None = None
    active: bool | None = Field(None, description="false: the user cannot sign in and is signed out.")


class UserOut(Output):
    """A user."""

    id: str
    username: str
    name: str
    role: Role
    extension: str | None
    email: str | None
    language: str | None
    active: bool
    created_at: Time
    last_sign_in_at: Time | None


class NewUserOut(UserOut):
    """A user that was just made."""

    password: str | None = Field(None, description="The generated password, shown this once; null if one was given.")


class UserPage(Page[UserOut]):
    """One page of users."""


@router.get("")
async def list_users(
    request: Request, page: PageParameters, _access: Annotated[Access, permit(Resource.USERS, Action.READ)]
) -> UserPage:
    """List users in the order they were made."""
    rows, cursor = cut(await _users(request).list(limit=page.limit + 1, after=page.after()), page.limit, _key)
    return UserPage(items=[UserOut.model_validate(row) for row in rows], next_cursor=cursor)


@router.post("", status_code=201)
async def create_user(
    user: UserIn, request: Request, access: Annotated[Access, permit(Resource.USERS, Action.CREATE)]
) -> NewUserOut:
    """Make a user."""
    made, generated = await _users(request).create(**user.model_dump())
    access.note.target = made.id
    return NewUserOut.model_validate(made).model_copy(update={"password": generated})


@router.get("/{user_id}")
async def get_user(
    user_id: ThingId, request: Request, _access: Annotated[Access, permit(Resource.USERS, Action.READ)]
) -> UserOut:
    """Show a user."""
    return UserOut.model_validate(await _users(request).get(user_id))


@router.patch("/{user_id}")
async def change_user(
    user_id: ThingId,
    changes: UserChanges,
    request: Request,
    _access: Annotated[Access, permit(Resource.USERS, Action.CHANGE)],
) -> UserOut:
    """Change a user."""
    given = changes.model_dump(exclude_unset=True)
    for field in ("name", "role", "password", "active"):
        if field in given and given[field] is None:
            rule = FieldError(f"body.{field}", "It cannot be null; leave it out to keep it")
            raise InvalidFieldsError(f"The field {field} cannot be null.", errors=[rule])
    return UserOut.model_validate(await _users(request).change(user_id, given))


@router.delete("/{user_id}", status_code=204)
async def delete_user(
    user_id: ThingId, request: Request, _access: Annotated[Access, permit(Resource.USERS, Action.DELETE)]
) -> None:
    """Remove a user."""
    await _users(request).delete(user_id)


def _users(request: Request) -> UserStore:
    users: UserStore = request.app.state.users
    return users


def _key(user: User) -> str:
    return user.id
