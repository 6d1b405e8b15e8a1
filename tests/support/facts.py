"""Calls told as facts: a `Story` writes them with times in seconds after its start."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.events import (
    CallAnswered,
    CallEnded,
    CallFact,
    CallOffered,
    CallTransferred,
    Direction,
    Disposition,
    LegAnswered,
    LegCreated,
    LegEnded,
    LegMoved,
    LegRinging,
    PartyRole,
    TransferKind,
    TransferResult,
)
from core.journal import Entry

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LANDLINE = "+74951234567"
MOBILE = "+79161234567"
OTHER_MOBILE = "+79031234567"


def at(seconds: float) -> datetime:
    """Return the moment that many seconds after the start."""
    return START + timedelta(seconds=seconds)


class Story:
    """Facts in the order they are told."""

    def __init__(self) -> None:
        self.facts: list[CallFact] = []

    def offered(
        self,
        seconds: float,
        call: str,
        direction: Direction = Direction.OUTBOUND,
        *,
        from_number: str = "1001",
        to_number: str = LANDLINE,
        trunk: str = "",
    ) -> None:
        extension = from_number if direction is not Direction.INBOUND else ""
        self.facts.append(
            CallOffered(
                at=at(seconds),
                call_id=call,
                direction=direction,
                from_number=from_number,
                to_number=to_number,
                dialled=to_number,
                from_extension=extension,
                trunk=trunk,
            )
        )

    def phone(self, seconds: float, call: str, leg: str, extension: str, *, incoming: bool = False) -> None:
        """Open a leg with an extension's phone."""
        self.facts.append(
            LegCreated(
                at=at(seconds),
                call_id=call,
                leg_id=leg,
                role=PartyRole.AGENT,
                number=extension,
                incoming=incoming,
                extension=extension,
            )
        )

    def outside(
        self, seconds: float, call: str, leg: str, number: str, *, incoming: bool = False, trunk: str = "carrier"
    ) -> None:
        """Open a leg with a trunk."""
        self.facts.append(
            LegCreated(
                at=at(seconds),
                call_id=call,
                leg_id=leg,
                role=PartyRole.CUSTOMER,
                number=number,
                incoming=incoming,
                trunk=trunk,
            )
        )

    def rang(self, seconds: float, call: str, *legs: str) -> None:
        self.facts += [LegRinging(at=at(seconds), call_id=call, leg_id=leg) for leg in legs]

    def answered(self, seconds: float, call: str, *legs: str) -> None:
        self.facts += [LegAnswered(at=at(seconds), call_id=call, leg_id=leg) for leg in legs]

    def talking(self, seconds: float, call: str, leg: str, extension: str = "") -> None:
        self.facts.append(CallAnswered(at=at(seconds), call_id=call, leg_id=leg, extension=extension))

    def moved(self, seconds: float, leg: str, *, from_call: str, to_call: str) -> None:
        self.facts.append(LegMoved(at=at(seconds), call_id=to_call, leg_id=leg, from_call_id=from_call))

    def transferred(
        self,
        seconds: float,
        call: str,
        to_number: str,
        kind: TransferKind = TransferKind.BLIND,
        result: TransferResult = TransferResult.COMPLETED,
        *,
        new_leg: str = "",
        other_call: str = "",
        transfer_id: str = "transfer",
    ) -> None:
        self.facts.append(
            CallTransferred(
                at=at(seconds),
                call_id=call,
                transfer_id=transfer_id,
                kind=kind,
                result=result,
                from_extension="1001",
                to_number=to_number,
                new_leg_id=new_leg,
                other_call_id=other_call,
            )
        )

    def left(self, seconds: float, call: str, *legs: str, status: int = 0) -> None:
        """End legs."""
        self.facts += [LegEnded(at=at(seconds), call_id=call, leg_id=leg, sip_status=status) for leg in legs]

    def ended(
        self,
        seconds: float,
        call: str,
        disposition: Disposition = Disposition.ANSWERED,
        *,
        recovered: bool = False,
        status: int = 0,
    ) -> None:
        self.facts.append(
            CallEnded(at=at(seconds), call_id=call, disposition=disposition, recovered=recovered, sip_status=status)
        )

    def entries(self, first: int = 1) -> list[Entry]:
        """Return the facts as journal entries."""
        return [Entry(sequence, fact) for sequence, fact in enumerate(self.facts, first)]


def outgoing_call(
    story: Story,
    call: str,
    number: str,
    *,
    start: float = 0,
    answer: float = 10,
    end: float = 70,
    trunk: str = "carrier",
) -> None:
    """Tell an ordinary call from 1001 to an outside number."""
    caller, outside = f"{call}-1001", f"{call}-out"
    story.offered(start, call, to_number=number, trunk=trunk)
    story.phone(start, call, caller, "1001", incoming=True)
    story.outside(start, call, outside, number, trunk=trunk)
    story.rang(start + 1, call, outside)
    story.answered(answer, call, outside, caller)
    story.talking(answer, call, outside)
    story.left(end, call, caller, outside)
    story.ended(end, call)


def in_batches(entries: Sequence[Entry], size: int) -> list[Sequence[Entry]]:
    """Cut entries into batches of a size."""
    return [entries[start : start + size] for start in range(0, len(entries), size)]
