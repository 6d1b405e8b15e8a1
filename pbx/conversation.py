"""Two parties who talk: hold, star codes, and the transfers that change who talks with whom."""

from __future__ import annotations

import structlog

from core.events import LegHeld, LegResumed
from pbx import features, transfer
from pbx.bridge import Bridge
from pbx.call import Call
from pbx.call_recording import CallRecordingState
from pbx.errors import CallStateError
from pbx.flows.conference import attend
from pbx.leg import Leg
from pbx.requests import Consult, ReplaceLeg, Report, Transfer, TransferBlind, TransferJoin, TransferRinging
from pbx.supervision import SuperviseMode
from sip.session_events import TextReceived
from sip.transfer import Refer
from sip.uri import NameAddress, Uri

log = structlog.get_logger(__name__)

_FORBIDDEN = 403
_NO_SUCH_DIALOG = 481
_NOT_FOUND = 404
"""For a REFER whose Replaces fits nothing: 481 would end the call that it came in (RFC 3261 section 12.2.1.2)."""
_DIALLED_SCHEMES = ("sip", "sips", "tel")
_TERMINATED = 487
_REQUEST_PENDING = 491


async def converse(call: Call, a: Leg, b: Leg) -> bool:
    """Let the waiting leg `a` and the leg `b` that answered talk; return whether they do, or nobody is left to talk with."""
    if b.alive:
        a.answer(like=b.media.speaks)
    call.answered_by(b)
    conversation = Conversation(call, a, b)
    call.conversation = conversation
    conversation.connect()
    return await conversation.carry_out()


class Conversation:
    """The two who talk now. Requests that change that are carried out one after the other."""

    __slots__ = ("_bridge", "_call", "_consultation")

    def __init__(self, call: Call, a: Leg, b: Leg) -> None:
        self._call = call
        self._bridge = Bridge(call.equipment, a, b)
        self._consultation: transfer.Consultation | None = None

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The two who talk."""
        return (self._bridge.a, self._bridge.b)

    @property
    def held(self) -> bool:
        """Whether one of them waits on hold."""
        return self._bridge.held_by is not None

    def connect(self) -> None:
        """Let the two hear each other."""
        self._connect(*self.legs)
        self._call.changed("call.answered")

    async def carry_out(self) -> bool:
        """Carry out what is asked until nothing more is, and return True; False once nobody is left to talk with."""
        call = self._call
        while (request := call.inbox.take()) is not None:
            if isinstance(request, ReplaceLeg):
                self._replace(request)
            elif isinstance(request, Transfer) and not await self._transfer(request):
                break
        else:
            return True
        if call.room is not None and call.vital:
            # A transfer led into a conference.
            call.conversation = None
            await attend(call, call.vital[0], call.room)
        return False

    def close(self) -> None:
        """Part the two."""
        self._bridge.cut()

    def hold_changed(self, leg: Leg) -> None:
        """Hear that a party holds, or does so no more."""
        if self._consultation is not None:
            self._consultation.hold_changed(leg)
        elif leg in self._bridge and not self._call.transferring:
            self._bridge.update()

    def hold(self, by_extension: str = "") -> None:
        """Put the call on hold on behalf of an agent: the other party hears music.

        Raises:
            CallStateError: a transfer is under way.
        """
        if self._call.transferring:
            raise CallStateError("A transfer is under way.")
        holder = self.agent(by_extension)
        if self._bridge.held_by_us is None:
            self._bridge.held_by_us = holder
            self._bridge.update()
            self._note_hold(LegHeld, holder)
            self._call.changed("call.held")

    def resume(self) -> None:
        """End the hold that `hold` began."""
        if self._bridge.held_by_us is not None:
            self._end_hold()
            self._bridge.update()
            self._call.changed("call.resumed")

    def _end_hold(self) -> None:
        holder, self._bridge.held_by_us = self._bridge.held_by_us, None
        if holder is not None:
            self._note_hold(LegResumed, holder)

    def _note_hold(self, fact: type[LegHeld | LegResumed], holder: Leg) -> None:
        call, by = self._call, holder.party.extension
        call.note(fact(at=call.equipment.clock.now(), call_id=call.id, leg_id=holder.id, by_extension=by))

    def pressed(self, leg: Leg, key: str, milliseconds: int) -> None:
        """Take a key: part of an agent's star code, or one for the other party."""
        if leg.party.extension:
            code = leg.star_codes.press(key, self._call.equipment.clock.monotonic())
            if code is not None:
                features.carry_out(self._call, code, leg)
                return
            if leg.star_codes.collecting:
                return
        if leg in self._bridge and not self._call.transferring:
            self._bridge.other(leg).send_key(key, milliseconds)

    def texted(self, leg: Leg, text: TextReceived) -> None:
        """Pass a text on to the other party; its sender is told what the other phone says."""
        if leg not in self._bridge or self._call.transferring:
            text.answer(480)
        else:
            self._bridge.other(leg).pass_text(text.text, text.answer)

    def refers(self, leg: Leg, refer: Refer) -> None:
        """Take a transfer that a party's phone asks for, blind or attended (RFC 3515, RFC 3891).

        Only our own phones may: what a customer asks for would be dialled at the company's cost. And they may join their own calls.
        """
        if not leg.party.extension:
            log.warning("transfer_refused", call_id=self._call.id, leg_id=leg.id, trunk=leg.party.trunk)
            leg.answer_refer(refer, accepted=False, status=_FORBIDDEN)
            return
        if self._call.transferring or leg not in self._bridge:
            leg.answer_refer(refer, accepted=False, status=_REQUEST_PENDING)
            return

        def report(status: int, reason: str) -> None:
            """Tell the phone how far its transfer is."""
            leg.report_refer(refer, status, reason)

        problem = _problem(refer.uri)
        if problem:
            leg.answer_refer(refer, accepted=False, status=problem)
            return
        if refer.replaces is None:
            leg.answer_refer(refer, accepted=True)
            self._call.ask(TransferBlind(leg, refer.uri.user, report, self._referred_by(leg, refer)))
            return
        # The tags are as the one who would be asked sees them, and that is us (RFC 3891 section 3).
        wanted = refer.replaces
        session = self._call.equipment.sip.find_session(wanted.call_id, wanted.to_tag, wanted.from_tag)
        consulted = session.context if session is not None else None
        if not isinstance(consulted, Leg) or not consulted.alive or consulted is leg:
            leg.answer_refer(refer, accepted=False, status=_NOT_FOUND)
            return
        if consulted.party.extension != leg.party.extension:
            log.warning("transfer_refused", call_id=self._call.id, leg_id=leg.id, extension=leg.party.extension)
            leg.answer_refer(refer, accepted=False, status=_FORBIDDEN)
            return
        leg.answer_refer(refer, accepted=True)
        self._ask_to_join(leg, consulted, report)

    def _referred_by(self, leg: Leg, refer: Refer) -> str:
        """Return the Referred-By for those who are rung: what the phone wrote, if it is about itself (RFC 3892)."""
        told = refer.referred_by
        if told is not None and told.uri.user == leg.party.extension:
            return str(told.with_(parameters=()))
        return str(NameAddress("", Uri("sip", leg.party.extension, self._call.equipment.config.domain)))

    def _ask_to_join(self, leg: Leg, consulted: Leg, report: Report) -> None:
        """Have the call with the customer take the other one in, whichever of them the phone named first."""
        other = consulted.owner
        if not isinstance(other, Call) or other is self._call:
            report(_NO_SUCH_DIALOG, "No such call")
            return
        # Phones leave the ringing call as soon as they are told yes: those who ring are taken over at once.
        ringing = self._call.take_over_ringing(other, self._bridge.other(leg)) if other.conversation is None else None
        if ringing is not None:
            consulted.reject(_TERMINATED, "Transferred")
            other.end("Transferred")
            self._call.ask(TransferRinging(leg, ringing, other.to_number, other.id, report))
            return
        turned = other.conversation is not None and self._call.customer is None and other.customer is not None
        try:
            if turned:
                other.ask(TransferJoin(consulted, leg, report))
            else:
                self._call.ask(TransferJoin(leg, consulted, report))
        except CallStateError as error:
            report(_NO_SUCH_DIALOG, error.message)

    async def _transfer(self, request: Transfer) -> bool:
        """Carry out a transfer; tell whether there are two who talk afterwards."""
        by = request.by
        if by not in self._bridge:
            if isinstance(request, TransferRinging):
                request.dialling.give_up()
            return True
        kept = self._bridge.other(by)
        self._bridge.cut()
        self._end_hold()
        self._call.transferring = True
        self._call.recording.follow(kept)
        try:
            other = await self._other_after(request, kept, by)
        finally:
            self._call.transferring = False
        if other is None:
            return False
        self._connect(kept, other)
        if other is not by:
            kept.show(other.party)
            if not isinstance(request, TransferBlind):
                other.show(kept.party)
        self._call.changed("call.answered")
        return True

    async def _other_after(self, request: Transfer, kept: Leg, by: Leg) -> Leg | None:
        call = self._call
        match request:
            case TransferBlind():
                call.changed("call.transferring")
                return await transfer.blind(call, kept, request)
            case TransferRinging():
                call.changed("call.transferring")
                return await transfer.ringing(call, kept, request)
            case Consult():
                call.changed("call.transferring")
                self._consultation = transfer.Consultation(call, kept, by)
                try:
                    return await self._consultation.run(request.target)
                finally:
                    self._consultation = None
            case TransferJoin():
                return await self._join(request, kept)

    async def _join(self, request: TransferJoin, kept: Leg) -> Leg | None:
        other = request.consulted.owner
        if isinstance(other, Call) and other.room is not None:
            if kept.media.passed:
                return await transfer.refused(self._call, kept, request)
            transfer.into_room(self._call, kept, request.by, other.room, request.report, other_call_id=other.id)
            other.end("Transferred")
            return None
        if not isinstance(other, Call) or other.conversation is None:
            # The colleague's call is not talking, and nobody rings in it: call the colleague for the customer instead.
            target = other.to_number if isinstance(other, Call) else ""
            if isinstance(other, Call):
                other.end("Transferred")
            return await transfer.blind(self._call, kept, TransferBlind(request.by, target, request.report))
        self._call.vital = (kept,)
        if not kept.understands(next(leg for leg in other.conversation.legs if leg is not request.consulted)):
            return await transfer.refused(self._call, kept, request)
        target_leg = transfer.join(self._call, request.by, request.consulted, other, request.report)
        if target_leg is None:
            return await transfer.back(self._call, kept, request.by)
        request.by.dismiss("Transferred")
        return target_leg

    def _replace(self, request: ReplaceLeg) -> None:
        old, new = request.old, request.new
        if old not in self._bridge or not new.alive:
            new.hang_up("Nothing to replace")
            return
        kept = self._bridge.other(old)
        self._bridge.cut()
        self._call.vital = (kept,)
        transfer.note_replaced(self._call, old, new)
        old.hang_up("Replaced")
        self._connect(kept, new)
        kept.show(new.party)
        new.show(kept.party)

    def _connect(self, a: Leg, b: Leg) -> None:
        call = self._call
        call.vital = (a, b)
        if not (a.alive and b.alive):
            call.end("Hung up during a transfer")
            return
        for leg in (a, b):
            leg.stop_playing()
        self._bridge = Bridge(call.equipment, a, b, call.supervisors)
        self._bridge.connect()
        settings = call.equipment.company.settings
        wanted = settings.record_calls if call.customer is not None else settings.record_internal_calls
        recording = call.recording
        if wanted and (recording.state is CallRecordingState.OFF or recording.unhearable):
            call.recording.start(a, b)
        self._record()

    def _record(self) -> None:
        """Record the two, and those who barged in."""
        barging = [leg for leg, one in self._call.supervisors.items() if one.mode is SuperviseMode.BARGE]
        self._call.recording.follow(*self.legs, *barging)

    def supervised(self) -> None:
        """Hear that a supervisor came, left or changed what they do."""
        if not self._call.transferring:
            self._bridge.update()
            self._record()

    def agent(self, extension: str = "") -> Leg:
        """Return the agent's leg: of this extension, else the one who was called last, else any party."""
        agents = [leg for leg in self.legs if leg.party.extension]
        wanted = [leg for leg in agents if leg.party.extension == extension] or agents or list(self.legs)
        return wanted[-1]


def _problem(uri: Uri) -> int:
    """Return 416 or 400 for what a REFER cannot have us dial, else 0."""
    if uri.scheme not in _DIALLED_SCHEMES:
        return 416
    return 400 if not uri.user or (uri.parameter("method") or "INVITE").upper() != "INVITE" else 0
