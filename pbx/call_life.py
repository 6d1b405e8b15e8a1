"""The life of a call: the coroutine that runs it, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from core.errors import RamalError
from core.events import CallEnded, CallFact, CallOffered, Direction, Disposition
from core.identifiers import new_id
from pbx.call_recording import CallRecording
from pbx.call_state import Talk
from pbx.dialling import Dialling
from pbx.entries import Conference
from pbx.equipment import Equipment
from pbx.errors import NoMediaError, NoPortError
from pbx.forwarding import Way
from pbx.leg import Leg
from pbx.outcomes import ENDINGS, Outcome
from pbx.party import Party
from pbx.requests import Inbox, TransferBlind, TransferJoin, TransferRinging
from pbx.supervision import Supervisor
from pbx.verbs import PartyVerbs

if TYPE_CHECKING:
    from pbx.call import Call, Flow

log = structlog.get_logger(__name__)

_HOPS: Final = 70
"""Max-Forwards of a call that begins here (RFC 3261 section 8.1.1.6)."""


class CallLife(PartyVerbs):
    """What a call holds, from its beginning to its end; what can be done with it is in `Call`."""

    __slots__ = (
        "_cause",
        "_dialling",
        "_ending",
        "_errands",
        "_flow",
        "_flowing",
        "_on_change",
        "_over",
        "_reason",
        "_refusal",
        "_resting",
        "_status",
        "_task",
        "answered_at",
        "conversation",
        "dialled",
        "direction",
        "ended",
        "from_party",
        "hops_left",
        "id",
        "inbox",
        "legs",
        "on_ringing",
        "recording",
        "ringing_extension",
        "room",
        "started_at",
        "supervisors",
        "to_number",
        "transferring",
        "vital",
        "way",
    )

    def __init__(
        self,
        equipment: Equipment,
        direction: Direction,
        *,
        from_party: Party,
        to_number: str,
        dialled: str,
        changed: Callable[[Call, str], None],
    ) -> None:
        """Prepare a call; nothing is told of it before `offer`.

        Args:
            equipment: what calls work with.
            direction: where it comes from.
            from_party: who calls.
            to_number: whom they call, E.164 or an extension.
            dialled: the same as it was dialled.
            changed: hears of every change by its kind; `call.ended` is the last.
        """
        self.equipment = equipment
        self.id = new_id()
        self.direction = direction
        self.from_party = from_party
        """Who calls, as shown to those who are called."""
        self.to_number = to_number
        self.dialled = dialled
        self.started_at = equipment.clock.now()
        self.answered_at: datetime | None = None
        """When a person answered."""
        self.hops_left = _HOPS
        """The Max-Forwards of what we send for this call: one less than it came with (RFC 7332)."""
        self.way: Way = ()
        """Who sent the call on before it came to us."""
        self.caller: Leg | None = None
        self.outcome: Outcome | None = None
        self.legs: list[Leg] = []
        """The legs that are alive."""
        self.vital: tuple[Leg, ...] = ()
        """The legs that the call ends with."""
        self.inbox = Inbox()
        self.conversation: Talk | None = None
        self.recording = CallRecording(equipment, self.id)
        self.ringing_extension = ""
        """The extension being rung, for those who pick up."""
        self.transferring = False
        self.supervisors: dict[Leg, Supervisor] = {}
        """Legs of other calls that hear this one."""
        self.room: Conference | None = None
        """The conference that the call's party is in, or is about to go to."""
        self.on_ringing: Callable[[], None] | None = None
        """While set, hears that somebody is rung: for the phone that asked for a transfer."""
        self.ended = False
        self._dialling: Dialling | None = None
        self._errands: set[asyncio.Task[None]] | None = None
        """Made when first needed, for most calls have none."""
        self._task: asyncio.Task[None] | None = None
        self._flow: Flow | None = None
        # Whether the task has taken its first step; and whether there is none because the parties merely talk: one that waits is
        # a tenth of what a call takes in memory.
        self._flowing = self._resting = False
        self._over: asyncio.Event | None = None
        """Made for those who wait for the end, which most calls have none of."""
        self._ending = False
        self._status = 0
        self._reason = ""
        self._cause = ""
        """The Reason header of the party who ended the call, which the others are told (RFC 3326)."""
        self._refusal = ""
        """The Reason header of those who were rung last, for the caller's final response (RFC 6432)."""
        self._on_change = changed

    def offer(self, *, sip_call_id: str = "") -> None:
        """Put the call's beginning into the journal."""
        self.note(
            CallOffered(
                at=self.equipment.clock.now(),
                call_id=self.id,
                direction=self.direction,
                from_number=self.from_party.number,
                to_number=self.to_number,
                dialled=self.dialled,
                from_name=self.from_party.name,
                from_extension=self.from_party.extension,
                trunk=self.from_party.trunk,
                sip_call_id=sip_call_id,
                diverted_from=self.way[0].number if self.way else "",
            )
        )

    def adopt_caller(self, leg: Leg) -> None:
        """Make a leg the one the call is for: it ends with it."""
        self.caller = leg
        self.vital = (leg,)

    def start(self, flow: Flow) -> None:
        """Begin to run the call."""
        self._flow = flow
        self._proceed()

    def wake(self) -> None:
        """Go on with a call whose parties merely talk: something is asked of them, or it is to end."""
        if self._resting:
            self._resting = False
            self._proceed()

    def _proceed(self) -> None:
        self._flowing = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self.id)

    def end(self, reason: str = "") -> None:
        """End the call: its coroutine is cancelled, and everything it holds is given back."""
        if self._ending:
            return
        self._ending = True
        self._reason = self._reason or reason
        # A task that is cancelled before its first step never runs at all, and the call would have no end.
        if self._task is not None and self._flowing:
            self._task.cancel()
        self.wake()

    def spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do something small beside the call's coroutine; it is cancelled when the call ends."""
        task = asyncio.get_running_loop().create_task(errand, name=f"errand-{self.id}")
        if self._errands is None:
            self._errands = set()
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def finished(self) -> None:
        """Wait until the call is over and its last fact is written."""
        if self.ended or (self._task is None and not self._resting):
            return
        if self._over is None:
            self._over = asyncio.Event()
        await self._over.wait()

    def _next(self) -> Awaitable[bool | None]:
        """Begin the flow, and let go of what it was made of; later on, what is asked of those who talk."""
        flow, self._flow = self._flow, None
        if flow is not None:
            return flow(cast("Call", self))
        if self.conversation is None:
            raise RuntimeError("the call has no flow, and nobody talks")
        return self.conversation.carry_out()

    async def _run(self) -> None:
        self._flowing = True
        try:
            if not self._ending and await self._next() and not self._ending:
                self._task, self._resting = None, True
                return
            if self._task is not None and self._task.cancelling():
                # It ended itself: that comes here and not while the recording is closed.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            # So most calls end: a party without whom they have no sense hung up.
            pass
        except NoMediaError as error:
            log.warning("call_without_media", call_id=self.id, error=error.message)
            self.outcome = Outcome.NO_PORT if isinstance(error, NoPortError) else Outcome.NO_MEDIA
        except RamalError as error:
            log.warning("call_failed", call_id=self.id, error=error.message, error_id=error.id)
            self.outcome = Outcome.FAILED
        except Exception:
            # Whatever a flow does wrong costs this call only.
            log.exception("call_flow_failed", call_id=self.id)
            self.outcome = Outcome.FAILED
        self._ending = True
        at = self.equipment.clock.now()
        try:
            self._release()
            await self.recording.stop()
            self._note_end(at)
        finally:
            self.ended = True
            if self._over is not None:
                self._over.set()

    def _release(self) -> None:
        """Hang up every leg."""
        self.vital = ()
        for errand in self._errands or ():
            errand.cancel()
        if self.conversation is not None:
            self.conversation.close()
            self.conversation = None
            self._refuse_requests()
        ending = ENDINGS[self.outcome] if self.outcome else None
        for leg in tuple(self.legs):
            try:
                if leg is self.caller and ending is not None and not leg.answered:
                    self._status = ending.status
                    leg.reject(ending.status, ending.reason, cause=self._refusal)
                else:
                    leg.hang_up(self._reason or "The call ended", cause=self._cause)
            except Exception:
                # One leg that cannot be told must not keep the others, the recording and the last fact from their end.
                log.exception("leg_not_ended", call_id=self.id, leg_id=leg.id)

    def _refuse_requests(self) -> None:
        """Tell those who asked for a transfer that there is nobody left to transfer."""
        for request in self.inbox.drain():
            if isinstance(request, TransferBlind | TransferJoin | TransferRinging):
                request.report(487, "The call ended")

    def _note_end(self, at: datetime) -> None:
        self.ended = True
        if self.answered_at is not None:
            disposition = Disposition.ANSWERED
        elif self.outcome is not None:
            disposition = ENDINGS[self.outcome].disposition
        elif self.caller is not None and self.caller.answered_at is not None:
            disposition = Disposition.NO_ANSWER
        else:
            disposition = Disposition.CANCELLED
            self._status = self._status or 487
        status = 0 if self.answered_at is not None else self._status
        reason = self._reason or (ENDINGS[self.outcome].reason if self.outcome else "")
        self.note(CallEnded(at=at, call_id=self.id, disposition=disposition, sip_status=status, reason=reason))
        self.changed("call.ended")
        # Legs know their call: what is over must not wait for the collector of cycles.
        self.caller = None
        self.inbox.drain()

    def changed(self, kind: str) -> None:
        """Tell those who look on."""
        self._on_change(cast("Call", self), kind)

    def note(self, fact: CallFact) -> None:
        """Append a fact of this call to the journal."""
        self.equipment.journal.append(fact)
