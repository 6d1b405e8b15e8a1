"""A call and its verbs: answer, ring, dial, bridge, play, say, menu, collect, record, transfer, hang up.

One coroutine runs each call, and reads like the call it handles. It is cancelled when a party without whom the call has no sense
is gone; whatever way the coroutine ends, all legs are hung up, every port is given back, the recording is closed, and the last fact
in the journal is `CallEnded`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Final

import structlog

from core.errors import RamalError
from core.events import (
    AnswererJudged,
    CallAnswered,
    CallEnded,
    CallFact,
    CallOffered,
    CallSupervised,
    Direction,
    Disposition,
    LegMoved,
    MediaAlive,
    PartyRole,
)
from core.identifiers import new_id
from pbx.call_recording import CallRecording, CallRecordingState
from pbx.call_state import CallState, Talk
from pbx.dialling import Attempt, Dialling, DialResult, Patience
from pbx.entries import Conference
from pbx.equipment import Equipment
from pbx.errors import CallStateError, NoMediaError, NoPortError
from pbx.forwarding import Way
from pbx.leg import Leg
from pbx.outcomes import ENDINGS, Outcome
from pbx.party import Party
from pbx.requests import Inbox, LegGone, ReplaceLeg, Request, TransferBlind, TransferJoin, TransferRinging
from pbx.supervision import Supervisor
from pbx.verbs import PartyVerbs
from sip.session import InviteSession
from sip.session_events import TextReceived
from sip.transfer import Refer

log = structlog.get_logger(__name__)

_HOPS: Final = 70
"""Max-Forwards of a call that begins here (RFC 3261 section 8.1.1.6)."""


Flow = Callable[["Call"], Awaitable[None]]
"""What a call does, as a coroutine over its verbs."""


class Call(PartyVerbs):
    """One call, from the first INVITE to the last BYE."""

    __slots__ = (
        "_cause",
        "_dialling",
        "_ending",
        "_errands",
        "_flowing",
        "_on_change",
        "_reason",
        "_refusal",
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
        self.vital: set[Leg] = set()
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
        self._errands: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._flowing = False
        self._ending = False
        self._status = 0
        self._reason = ""
        self._cause = ""
        """The Reason header of the party who ended the call, which the others are told (RFC 3326)."""
        self._refusal = ""
        """The Reason header of those who were rung last, for the caller's final response (RFC 6432)."""
        self._on_change = changed

    # --- life ------------------------------------------------------------------------------------------------------------

    def offer(self, *, sip_call_id: str = "") -> None:
        """Put the call's beginning into the journal."""
        self.note(
            CallOffered,
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

    def take(self, session: InviteSession, party: Party) -> Leg:
        """Make an incoming session the calling leg of this call."""
        role = PartyRole.CUSTOMER if party.trunk else PartyRole.AGENT
        leg = Leg(self.equipment, self, party, role, incoming=True)
        self.adopt_caller(leg)
        self.hops_left = session.max_forwards - 1
        self.legs.append(leg)
        leg.take(session)
        return leg

    def adopt_caller(self, leg: Leg) -> None:
        """Make a leg the one the call is for: it ends with it."""
        self.caller = leg
        self.vital = {leg}

    def start(self, flow: Flow) -> None:
        """Begin to run the call."""
        self._task = asyncio.get_running_loop().create_task(self._run(flow), name=f"call-{self.id}")

    def end(self, reason: str = "") -> None:
        """End the call: its coroutine is cancelled, and everything it holds is given back."""
        if self._ending:
            return
        self._ending = True
        self._reason = self._reason or reason
        # A task that is cancelled before its first step never runs at all, and the call would have no end.
        if self._task is not None and self._flowing:
            self._task.cancel()

    def spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do something small beside the call's coroutine; it is cancelled when the call ends."""
        task = asyncio.get_running_loop().create_task(errand, name=f"errand-{self.id}")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def finished(self) -> None:
        """Wait until the call is over and its last fact is written."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self, flow: Flow) -> None:
        self._flowing = True
        try:
            # Most calls end by cancellation: a party without whom they have no sense hung up.
            with contextlib.suppress(asyncio.CancelledError):
                if not self._ending:
                    await flow(self)
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
        self._release()
        await self.recording.stop()
        self._note_end(at)

    def _release(self) -> None:
        """Hang up every leg."""
        self.vital.clear()
        for errand in self._errands:
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
        for request in self.inbox.empty():
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
        self.equipment.journal.append(
            CallEnded(at=at, call_id=self.id, disposition=disposition, sip_status=status, reason=reason)
        )
        self.changed("call.ended")
        # Legs know their call: what is over must not wait for the collector of cycles.
        self.caller = None
        self.inbox.empty()

    # --- verbs -----------------------------------------------------------------------------------------------------------

    async def dial(
        self,
        attempts: Sequence[Attempt],
        *,
        seconds: float,
        listener: Leg | None = None,
        patience: Patience | None = None,
    ) -> DialResult:
        """Ring devices or a trunk at once, until one answers.

        Args:
            attempts: what to ring.
            seconds: how long.
            listener: the leg that waits, and hears ringing or the other side's early voice.
            patience: how long to wait for signs of life; without them the status is 408.
        """
        dialling = Dialling(self.equipment, listener)
        self._dialling = dialling
        wishes = listener.spoken_codecs if listener is not None else ()
        try:
            for attempt in attempts:
                self._open(attempt, dialling, wishes)
            dialling.started()
            result = await dialling.result(seconds, patience)
            self._refusal = result.cause
            return result
        finally:
            self._dialling = None

    def take_over_ringing(self, other: Call, listener: Leg) -> Dialling | None:
        """Have the devices that ring for another call ring on for this one; None where none rings there. `ring_on` is due."""
        theirs = other._dialling
        legs = theirs.surrender() if theirs is not None and theirs.ringing else []
        if not legs:
            return None
        dialling = Dialling(self.equipment, listener)
        for leg in legs:
            other.let_go(leg)
            self.adopt(leg)
            leg.show(listener.party)
            dialling.legs.append(leg)
        dialling.started()
        self._dialling = dialling
        return dialling

    async def ring_on(self, dialling: Dialling, *, seconds: float) -> DialResult:
        """Wait for the answer of devices that were taken over while they rang."""
        dialling.ringing_heard()
        try:
            return await dialling.result(seconds)
        finally:
            self._dialling = None

    def _open(self, attempt: Attempt, dialling: Dialling, wishes: tuple[str, ...]) -> None:
        leg = Leg(self.equipment, self, attempt.party, attempt.role, incoming=False)
        self.legs.append(leg)
        dialling.legs.append(leg)
        try:
            leg.call(attempt.invite, wishes=wishes, way=attempt.way)
        except RamalError as error:
            log.warning("leg_not_opened", call_id=self.id, number=attempt.party.number, error=error.message)
            self.legs.remove(leg)
            dialling.legs.remove(leg)
            dialling.ended(503)

    def record(self, *, by_extension: str = "") -> CallRecordingState:
        """Switch the recording on, or between on and paused."""
        legs = self.conversation.legs if self.conversation is not None else tuple(self.legs)
        state = self.recording.toggle(*legs, by_extension=by_extension)
        self.changed("call.recording")
        return state

    async def judge_answerer(self, leg: Leg) -> None:
        """Find out whether a person or a machine took a leg, and note it."""
        answerer = await leg.judge_answerer()
        if leg.alive:
            self.note(AnswererJudged, leg_id=leg.id, answerer=answerer.value)
            self.changed("call.answerer")

    def supervise(self, leg: Leg, supervisor: Supervisor) -> None:
        """Let a leg of another call hear this one, and be heard as the mode says."""
        self.supervisors[leg] = supervisor
        self.note(CallSupervised, by_extension=leg.party.extension, mode=supervisor.mode)
        if self.conversation is not None:
            self.conversation.supervised()

    def unsupervise(self, leg: Leg) -> None:
        """Let it hear this call no more."""
        if self.supervisors.pop(leg, None) is not None and self.conversation is not None:
            self.conversation.supervised()

    def ask(self, request: Request) -> None:
        """Ask something of the two who talk: a transfer, for instance.

        Raises:
            CallStateError: nobody talks yet.
        """
        if self.conversation is None or self._ending:
            raise CallStateError("Nobody is talking in this call.")
        self.inbox.put(request)

    def hang_up(self, reason: str = "") -> None:
        """End the call."""
        self.end(reason)

    # --- what happens to its legs ----------------------------------------------------------------------------------------

    def answered_by(self, leg: Leg) -> None:
        """Note that a person took the call, the first time."""
        if self.answered_at is None:
            self.answered_at = self.equipment.clock.now()
            self.note(CallAnswered, leg_id=leg.id, extension=leg.party.extension)

    def role_of(self, party: Party, other: Leg | None) -> PartyRole:
        """Return which side of the recording a new party is on, who is to talk with `other`."""
        if party.extension or (other is not None and other.role is PartyRole.CUSTOMER):
            return PartyRole.AGENT
        return PartyRole.CUSTOMER

    def adopt(self, leg: Leg) -> None:
        """Take over a leg of another call."""
        other_call = leg.owner.id
        leg.owner = self
        if self.customer is not None:
            leg.role = PartyRole.AGENT
        self.legs.append(leg)
        self.note(LegMoved, leg_id=leg.id, from_call_id=other_call)

    def let_go(self, leg: Leg) -> None:
        """Give a leg to another call; what is left of this one ends."""
        if self.conversation is not None:
            self.conversation.close()
        self.recording.forget(leg)
        leg.note_quality()
        self.legs.remove(leg)
        self.vital.discard(leg)

    def pick_up(self, session: InviteSession, party: Party) -> Leg | None:
        """Let somebody else take the call that is ringing; None when it does not ring any more."""
        if self._dialling is None or not self._dialling.ringing:
            return None
        leg = Leg(self.equipment, self, party, self.role_of(party, self.caller), incoming=True)
        self.legs.append(leg)
        leg.take(session)
        leg.answer()
        if leg.alive:
            self._dialling.answered(leg)
        return leg

    def replace(self, old: Leg, session: InviteSession, party: Party) -> Leg:
        """Answer a session that takes the place of one of our legs (RFC 3891).

        Raises:
            CallStateError: the leg does not talk, or a transfer is under way.
        """
        talk = self.conversation
        if talk is None or old not in talk.legs or self.transferring or self._ending:
            raise CallStateError("The leg cannot be replaced now.")
        leg = Leg(self.equipment, self, party, old.role, incoming=True)
        self.legs.append(leg)
        leg.take(session)
        leg.answer()
        self.ask(ReplaceLeg(old, leg))
        return leg

    @property
    def customer(self) -> Leg | None:
        """The leg of the outside party the call is about, if there is one."""
        return next((leg for leg in self.legs if leg.role is PartyRole.CUSTOMER), None)

    @property
    def rings(self) -> bool:
        """Whether devices are ringing and nobody has answered."""
        return self._dialling is not None and self._dialling.ringing and self.answered_at is None

    @property
    def state(self) -> CallState:
        """What the call is doing."""
        if self.ended:
            return CallState.ENDED
        if self.transferring:
            return CallState.TRANSFERRING
        if self.conversation is not None:
            return CallState.HELD if self.conversation.held else CallState.TALKING
        return CallState.RINGING if self._dialling is not None else CallState.ROUTING

    def leg_ringing(self, _leg: Leg) -> None:
        """Hear that a device rings."""
        if self._dialling is not None:
            self._dialling.ringing_heard()
        self._tell_ringing()

    def leg_early_media(self, leg: Leg) -> None:
        """Hear that the other side sends voice before the answer."""
        if self._dialling is not None:
            self._dialling.early_media_heard(leg)
        self._tell_ringing()

    def _tell_ringing(self) -> None:
        if self.on_ringing is not None:
            self.on_ringing()
        self.changed("call.ringing")

    def leg_answered(self, leg: Leg) -> None:
        """Hear that a leg was answered."""
        if not leg.incoming:
            if self._dialling is not None and leg in self._dialling.legs:
                self._dialling.answered(leg)
            else:
                leg.hang_up(elsewhere=True)

    def leg_ended(self, leg: Leg) -> None:
        """Hear that a leg is over."""
        self.recording.forget(leg)
        if leg in self.legs:
            self.legs.remove(leg)
        if self._dialling is not None and leg in self._dialling.legs:
            self._dialling.ended(leg.sip_status, leg)
        if leg in self.vital:
            self._cause = leg.cause
            if self._dialling is not None:
                self._dialling.cause = leg.cause
            self.end("Hung up by " + (leg.party.extension or leg.party.number or "the caller"))
        else:
            self.inbox.put(LegGone(leg))
            if not self._ending:
                self.changed("call.leg_ended")

    def leg_held(self, leg: Leg) -> None:
        """Hear that a party holds."""
        if self.conversation is not None:
            self.conversation.hold_changed(leg)
        self.changed("call.held")

    def leg_resumed(self, leg: Leg) -> None:
        """Hear that a party took the call up again."""
        if self.conversation is not None:
            self.conversation.hold_changed(leg)
        self.changed("call.resumed")

    def leg_pressed(self, leg: Leg, key: str, milliseconds: int) -> None:
        """Hear a key."""
        if self.conversation is not None:
            self.conversation.pressed(leg, key, milliseconds)

    def leg_refers(self, leg: Leg, refer: Refer) -> None:
        """Hear that a phone asks for a transfer."""
        if self.conversation is not None:
            self.conversation.refers(leg, refer)
        else:
            leg.answer_refer(refer, accepted=False, status=480)

    def leg_texted(self, leg: Leg, text: TextReceived) -> None:
        """Hear that a party sends a text: it is for the other one (RFC 3428)."""
        if self.conversation is not None:
            self.conversation.texted(leg, text)
        else:
            text.answer(480)

    def note_alive(self, since: float, now: float) -> None:
        """Note which answered legs had packets since a monotonic time in seconds, if any had; and how they sound."""
        if self.answered_at is None or self._ending:
            return
        alive = tuple([leg.id for leg in self.legs if leg.heard_since(since, now)])
        if alive:
            self.note(MediaAlive, leg_ids=alive)

    def probe(self, now: float, every: float) -> None:
        """Ask the phones that may be silent whether they are still there; monotonic time and interval in seconds."""
        for leg in tuple(self.legs):
            leg.probe(now, every)

    # --- telling ---------------------------------------------------------------------------------------------------------

    def changed(self, kind: str) -> None:
        """Tell those who look on."""
        self._on_change(self, kind)

    def note(self, fact: Callable[..., CallFact], **fields: Any) -> None:
        """Append a fact of this call to the journal."""
        self.equipment.journal.append(fact(at=self.equipment.clock.now(), call_id=self.id, **fields))
