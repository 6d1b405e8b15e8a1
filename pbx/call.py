"""A call and its verbs: answer, ring, dial, bridge, play, say, menu, collect, record, transfer, hang up.

One coroutine runs each call, and reads like the call it handles. While two parties merely talk there is none; another begins when
something is asked of them. It is cancelled when a party without whom the call has no sense is gone; whatever way the call ends, all
legs are hung up, every port is given back, the recording is closed, and the last fact in the journal is `CallEnded`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from core.errors import RamalError
from core.events import (
    AnswererJudged,
    CallAnswered,
    CallSupervised,
    LegMoved,
    MediaAlive,
    PartyRole,
)
from pbx.call_life import CallLife
from pbx.call_recording import CallRecordingState
from pbx.call_state import CallState
from pbx.dialling import Attempt, Dialling, DialResult, Patience
from pbx.errors import CallStateError, NoMediaError, NoPortError
from pbx.leg import Leg
from pbx.party import Party
from pbx.requests import LegGone, ReplaceLeg, Request
from pbx.supervision import Supervisor
from sip.codecs import Codec
from sip.session import InviteSession
from sip.session_events import TextReceived
from sip.transfer import Refer

log = structlog.get_logger(__name__)

Flow = Callable[["Call"], Awaitable[bool | None]]
"""What a call does, as a coroutine over its verbs; True: its parties talk on, with nothing left to do until something is asked."""


class Call(CallLife):
    """One call, from the first INVITE to the last BYE."""

    __slots__ = ()

    def take(self, session: InviteSession, party: Party) -> Leg:
        """Make an incoming session the calling leg of this call."""
        role = PartyRole.CUSTOMER if party.trunk else PartyRole.AGENT
        leg = Leg(self.equipment, self, party, role, incoming=True)
        self.adopt_caller(leg)
        self.hops_left = session.max_forwards - 1
        self.legs.append(leg)
        leg.take(session)
        return leg

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
        wishes = self._wishes(listener, attempts) if listener is not None else ()
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

    def _wishes(self, listener: Leg, attempts: Sequence[Attempt]) -> tuple[Codec, ...]:
        """Return the codecs that those who are rung are to speak for the one who waits.

        Where calls are recorded, none that cannot be: unless the one who waits speaks nothing else.
        """
        wishes = listener.spoken_codecs
        settings = self.equipment.company.settings
        outside = self.customer is not None or any(attempt.role is PartyRole.CUSTOMER for attempt in attempts)
        wanted = settings.record_calls if outside else settings.record_internal_calls
        if wanted or self.recording.state is not CallRecordingState.OFF:
            return tuple([codec for codec in wishes if not codec.passed]) or wishes
        return wishes

    def _open(self, attempt: Attempt, dialling: Dialling, wishes: tuple[Codec, ...]) -> None:
        leg = Leg(self.equipment, self, attempt.party, attempt.role, incoming=False)
        self.legs.append(leg)
        dialling.legs.append(leg)
        try:
            leg.call(attempt.invite, wishes=wishes, way=attempt.way)
        except RamalError as error:
            log.warning("leg_not_opened", call_id=self.id, number=attempt.party.number, error=error.message)
            self.legs.remove(leg)
            dialling.legs.remove(leg)
            unspeakable = isinstance(error, NoMediaError) and not isinstance(error, NoPortError)
            dialling.ended(488 if unspeakable else 503)

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
            self.note(
                AnswererJudged(at=self.equipment.clock.now(), call_id=self.id, leg_id=leg.id, answerer=answerer.value)
            )
            self.changed("call.answerer")

    def supervise(self, leg: Leg, supervisor: Supervisor) -> None:
        """Let a leg of another call hear this one, and be heard as the mode says."""
        self.supervisors[leg] = supervisor
        at, by = self.equipment.clock.now(), leg.party.extension
        self.note(CallSupervised(at=at, call_id=self.id, by_extension=by, mode=supervisor.mode))
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
        self.wake()

    def hang_up(self, reason: str = "") -> None:
        """End the call."""
        self.end(reason)

    # --- what happens to its legs ----------------------------------------------------------------------------------------

    def answered_by(self, leg: Leg) -> None:
        """Note that a person took the call, the first time."""
        if self.answered_at is None:
            at = self.answered_at = self.equipment.clock.now()
            self.note(CallAnswered(at=at, call_id=self.id, leg_id=leg.id, extension=leg.party.extension))

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
        self.note(LegMoved(at=self.equipment.clock.now(), call_id=self.id, leg_id=leg.id, from_call_id=other_call))

    def let_go(self, leg: Leg) -> None:
        """Give a leg to another call; what is left of this one ends."""
        if self.conversation is not None:
            self.conversation.close()
        self.recording.forget(leg)
        leg.note_quality()
        self.legs.remove(leg)
        self.vital = tuple([vital for vital in self.vital if vital is not leg])

    def pick_up(self, session: InviteSession, party: Party) -> Leg | None:
        """Let somebody else take the call that is ringing; None when it does not ring any more."""
        if self._dialling is None or not self._dialling.ringing:
            return None
        leg = Leg(self.equipment, self, party, self.role_of(party, self.caller), incoming=True)
        self.legs.append(leg)
        _answer(leg, session, self._dialling.favourite)
        if leg.alive:
            self._dialling.answered(leg)
        return leg

    def replace(self, old: Leg, session: InviteSession, party: Party) -> Leg:
        """Answer a session that takes the place of one of our legs (RFC 3891).

        Raises:
            CallStateError: the leg does not talk, or a transfer is under way.
            NoMediaError: as `Leg.answer`.
        """
        talk = self.conversation
        if talk is None or old not in talk.legs or self.transferring or self._ending:
            raise CallStateError("The leg cannot be replaced now.")
        leg = Leg(self.equipment, self, party, old.role, incoming=True)
        self.legs.append(leg)
        _answer(leg, session, next((kept.media.speaks for kept in talk.legs if kept is not old), None))
        self.ask(ReplaceLeg(old, leg))
        return leg

    @property
    def customer(self) -> Leg | None:
        """The leg of the outside party the call is about, if there is one."""
        return next((leg for leg in self.legs if leg.role is PartyRole.CUSTOMER), None)

    @property
    def passed(self) -> str:
        """The label of the codec that is only passed on between those who talk, or an empty string."""
        legs = self.conversation.legs if self.conversation is not None else ()
        return next((leg.media.passed for leg in legs if leg.media.passed), "")

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
        elif not self._ending:
            if not self._resting:
                # Two who merely talk have no use for it.
                self.inbox.put(LegGone(leg))
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
        if self.conversation is not None and not self._ending:
            self.conversation.pressed(leg, key, milliseconds)

    def leg_refers(self, leg: Leg, refer: Refer) -> None:
        """Hear that a phone asks for a transfer."""
        if self.conversation is not None and not self._ending:
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
            self.note(MediaAlive(at=self.equipment.clock.now(), call_id=self.id, leg_ids=alive))

    def probe(self, now: float, every: float) -> None:
        """Ask the phones that may be silent whether they are still there; monotonic time and interval in seconds."""
        for leg in tuple(self.legs):
            leg.probe(now, every)


def _answer(leg: Leg, session: InviteSession, like: Codec | None) -> None:
    """Take a session that came into a call, for one of codec `like`; where that cannot be, it is refused, and the error is passed on."""
    leg.take(session)
    try:
        leg.answer(like=like)
    except NoMediaError:
        leg.reject(488, "No common codec")
        raise
