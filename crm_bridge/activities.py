"""Activities: what was done with a customer. Calls come from the journal, notes from people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from core.identifiers import new_id
from core.one_of import one_of
from crm_bridge import validation
from crm_bridge.customers import Ground
from crm_bridge.errors import CrmConflictError, CrmInputError, CrmNotFoundError
from crm_bridge.paging import DEFAULT_LIMIT, read_page
from crm_bridge.references import existing
from crm_bridge.tables import ActivityLinkRow, ActivityRow
from crm_bridge.values import Activity, ActivityKind, NoteDraft, Owner, OwnerKind, Page


class Activities:
    """The activities of the embedded CRM; every method works in the caller's session."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def create_note(self, session: AsyncSession, draft: NoteDraft) -> Activity:
        """Store a note on records or on a call (and so on all records of that call).

        Raises:
            CrmInputError: the text is empty or too long, or the note is on nothing.
            CrmNotFoundError: it is on a record that does not exist.
        """
        text = _note(draft.text)
        call_id = validation.call_id(draft.call_id)
        owners: dict[Owner, None] = {}
        for owner in draft.owners:
            if await existing(session, owner.kind, owner.id) is not None:
                owners[owner] = None
        if call_id:
            call = await session.scalar(
                select(ActivityRow).where(ActivityRow.call_id == call_id, ActivityRow.kind == ActivityKind.CALL)
            )
            if call is not None:
                owners.update(dict.fromkeys((await read_owners(session, [call.id]))[call.id]))
        if not owners and not call_id:
            raise CrmInputError("A note needs a record or a call to belong to.")
        now = self._ground.clock.now()
        row = ActivityRow(
            id=new_id(),
            kind=ActivityKind.NOTE,
            call_id=call_id,
            text=text,
            started_at=now,
            ended_at=now,
            created_by=validation.line("created_by", draft.created_by, validation.MAX_SHORT),
        )
        session.add(row)
        await session.flush()
        await add_owners(session, ((row.id, owner) for owner in owners))
        self._ground.notices.publish(
            session, "activity.created", {"id": row.id, "kind": row.kind}, call_id=call_id or ""
        )
        return _view(row, tuple(owners))

    async def get(self, session: AsyncSession, activity_id: str) -> Activity:
        """Return one activity.

        Raises:
            CrmNotFoundError: there is none with this id.
        """
        return await self._viewed(session, await self._row(session, activity_id))

    async def of_call(self, session: AsyncSession, call_id: str) -> Activity | None:
        """Return the activity of a call, or None."""
        row = await session.scalar(
            select(ActivityRow).where(ActivityRow.call_id == call_id, ActivityRow.kind == ActivityKind.CALL)
        )
        return await self._viewed(session, row) if row is not None else None

    async def list(
        self,
        session: AsyncSession,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        owner: Owner | None = None,
        kind: str = "",
        number: str = "",
        call_id: str = "",
        search: str = "",
    ) -> Page[Activity]:
        """Return a page, newest first; every given filter must hold. `search` looks into note texts.

        Raises:
            CrmInputError: the limit, cursor, kind or number is wrong.
        """
        conditions: list[ColumnElement[bool]] = []
        if owner is not None:
            conditions.append(
                ActivityRow.id.in_(
                    select(ActivityLinkRow.activity_id).where(
                        ActivityLinkRow.owner_kind == owner.kind, ActivityLinkRow.owner_id == owner.id
                    )
                )
            )
        if kind:
            conditions.append(ActivityRow.kind == _kind(kind))
        if number:
            conditions.append(ActivityRow.number == validation.phone(number, self._ground.country))
        if call_id:
            conditions.append(ActivityRow.call_id == call_id)
        if search.strip():
            conditions.append(ActivityRow.text.contains(search.strip()[: validation.MAX_NAME], autoescape=True))
        rows, following = await read_page(
            session, select(ActivityRow).where(*conditions), ActivityRow.id, limit, cursor
        )
        owners = await read_owners(session, [row.id for row in rows])
        return Page([_view(row, owners[row.id]) for row in rows], following)

    async def of_owners(
        self, session: AsyncSession, kind: OwnerKind, owner_ids: Sequence[str], *, limit_each: int = 20
    ) -> Mapping[str, Sequence[Activity]]:
        """Return the newest activities of several records of one kind, by record, in one query for all of them."""
        found: dict[str, list[Activity]] = {owner_id: [] for owner_id in owner_ids}
        if not found:
            return found
        place = func.row_number().over(
            partition_by=ActivityLinkRow.owner_id, order_by=ActivityLinkRow.activity_id.desc()
        )
        ranked = (
            select(ActivityLinkRow.owner_id, ActivityLinkRow.activity_id, place.label("place"))
            .where(ActivityLinkRow.owner_kind == kind, ActivityLinkRow.owner_id.in_(owner_ids))
            .subquery()
        )
        query = (
            select(ranked.c.owner_id, ActivityRow)
            .join(ActivityRow, ActivityRow.id == ranked.c.activity_id)
            .where(ranked.c.place <= limit_each)
            .order_by(ActivityRow.id.desc())
        )
        rows = (await session.execute(query)).all()
        owners = await read_owners(session, list({row.id for _owner_id, row in rows}))
        for owner_id, row in rows:
            found[owner_id].append(_view(row, owners[row.id]))
        return found

    async def update(self, session: AsyncSession, activity_id: str, text: str) -> Activity:
        """Change the text of a note, or what is written about a call.

        Raises:
            CrmNotFoundError: there is none with this id.
            CrmInputError: the text is empty or too long.
        """
        row = await self._row(session, activity_id)
        row.text = _note(text) if row.kind == ActivityKind.NOTE else validation.paragraphs("text", text)
        await session.flush()
        self._ground.notices.publish(session, "activity.updated", {"id": row.id}, call_id=row.call_id or "")
        return await self._viewed(session, row)

    async def delete(self, session: AsyncSession, activity_id: str) -> None:
        """Delete a note, or a call that is over.

        Raises:
            CrmNotFoundError: there is none with this id.
            CrmConflictError: the call goes on.
        """
        row = await self._row(session, activity_id)
        if row.ended_at is None:
            raise CrmConflictError("The call goes on.", hint="Delete its activity when it has ended.")
        await session.execute(delete(ActivityLinkRow).where(ActivityLinkRow.activity_id == row.id))
        await session.delete(row)
        await session.flush()
        self._ground.notices.publish(session, "activity.deleted", {"id": row.id}, call_id=row.call_id or "")

    async def _row(self, session: AsyncSession, activity_id: str) -> ActivityRow:
        row = await session.get(ActivityRow, activity_id[:64])
        if row is None:
            raise CrmNotFoundError(f"There is no activity with the id “{activity_id[:64]}”.")
        return row

    async def _viewed(self, session: AsyncSession, row: ActivityRow) -> Activity:
        return _view(row, (await read_owners(session, [row.id]))[row.id])


async def read_owners(session: AsyncSession, activity_ids: Sequence[str]) -> dict[str, tuple[Owner, ...]]:
    """Return the records that activities belong to, by activity."""
    found: dict[str, list[Owner]] = defaultdict(list)
    if activity_ids:
        for link in await session.scalars(
            select(ActivityLinkRow)
            .where(one_of(ActivityLinkRow.activity_id, activity_ids))
            .order_by(ActivityLinkRow.owner_kind, ActivityLinkRow.owner_id)
        ):
            found[link.activity_id].append(Owner(OwnerKind(link.owner_kind), link.owner_id))
    return {activity_id: tuple(found[activity_id]) for activity_id in activity_ids}


async def add_owners(session: AsyncSession, links: Iterable[tuple[str, Owner]]) -> None:
    """Attach activities, by id, to records; attaching twice is attaching once."""
    rows = [
        {"activity_id": activity_id, "owner_kind": owner.kind, "owner_id": owner.id}
        for activity_id, owner in dict.fromkeys(links)
    ]
    if rows:
        # The same statement, which SQLAlchemy has in the dialects alone.
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        await session.execute(insert(ActivityLinkRow).on_conflict_do_nothing(), rows)


def _view(row: ActivityRow, owners: Sequence[Owner]) -> Activity:
    talk = (row.ended_at - row.answered_at).total_seconds() if row.answered_at and row.ended_at else 0.0
    return Activity(
        id=row.id,
        kind=ActivityKind(row.kind),
        call_id=row.call_id,
        direction=row.direction,
        number=row.number,
        caller_name=row.caller_name,
        line_number=row.line_number,
        extension=row.extension,
        transferred_to=row.transferred_to,
        outcome=row.outcome,
        recording_id=row.recording_id,
        transcript=row.transcript,
        text=row.text,
        started_at=row.started_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        talk_seconds=max(0.0, talk),
        created_by=row.created_by,
        owners=tuple(owners),
    )


def _kind(text: str) -> ActivityKind:
    try:
        return ActivityKind(text)
    except ValueError:
        raise CrmInputError(f"“kind” must be one of: {', '.join(ActivityKind)}.") from None


def _note(text: str) -> str:
    text = validation.paragraphs("text", text)
    if not text:
        raise CrmInputError("“text” may not be empty.")
    return text
