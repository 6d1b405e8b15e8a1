"""The switch: what the SIP stack hands calls to. It knows all live calls, starts each one's coroutine, and acts on them by id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from core.events import Direction, TransferKind
from media.events import (
    ConsentLost,
    DigitReceived,
    HandshakeReceived,
    MediaEvent,
    MediaTimeout,
    PlaybackEnded,
    RecordingClosed,
    RecordingFailed,
    SpeakerChanged,
    VoiceBegan,
    VoiceEnded,
)
from pbx import features, identity, live, numbers, route_test, routing
from pbx.call import Call, Flow
from pbx.call_recording import CallRecordingState
from pbx.conferences import Room
from pbx.conversation import Conversation
from pbx.entries import Contact
from pbx.equipment import Equipment
from pbx.errors import CallStateError, InvalidEntryError, NoMediaError, UnknownCallError, UnreachableError
from pbx.extension_states import ExtensionStates
from pbx.flows.inbound import inbound
from pbx.flows.placed import clicked, placed
from pbx.flows.service import service
from pbx.flows.supervision import Watching, rung_supervision, supervision
from pbx.forwarding import Way
from pbx.leg import Leg
from pbx.live import CallView, WatchedLeg
from pbx.outcomes import ENDINGS, Outcome
from pbx.party import Party
from pbx.requests import CancelTransfer, CompleteTransfer, Consult, TransferBlind
from pbx.route_test import Grounds, RouteTest
from pbx.routing import Decision, ToExtension, ToInboundNumber, ToOutside, ToPickUp, ToService, ToSupervision
from pbx.supervision import SuperviseMode
from sip.session import InviteSession
from sip.transfer import Replaces

log = structlog.get_logger(__name__)

_ALIVE_MARGIN: Final = 0.5
"""Seconds beside the interval within which a packet must have come for a leg to be alive."""


class Switch:
    """All live calls of this node."""

    def __init__(self, equipment: Equipment, flows: Mapping[str, Flow] | None = None) -> None:
        """Begin without calls.

        Args:
            equipment: what calls work with.
            flows: call flows by the names that inbound numbers may lead to.
        """
        self._equipment = equipment
        self._flows = dict(flows or {})
        self._calls: dict[str, Call] = {}
        self._pulse: asyncio.Task[None] | None = None
        self._closing = False
        self.extensions = ExtensionStates(equipment.bus)
        equipment.occupied = self.extensions.occupied
        equipment.talking = self._talking

    def start(self) -> None:
        """Begin to watch the calls' media."""
        self._equipment.engine.on_event = self.media_event
        self._pulse = asyncio.create_task(self._watch_media(), name="media-alive")

    async def close(self) -> None:
        """Take no new calls, end the present ones, and wait a little until they are over."""
        self._closing = True
        calls = list(self._calls.values())
        for call in calls:
            call.end("The server stops")
        if calls:
            await asyncio.wait(
                [asyncio.ensure_future(call.finished()) for call in calls],
                timeout=self._equipment.config.drain_seconds,
            )
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.gather(self._pulse, return_exceptions=True)

    # --- what comes from SIP and media -----------------------------------------------------------------------------------

    def invite_received(self, session: InviteSession) -> None:
        """Take a new incoming call, from a trunk or from a user who proved who they are."""
        if self._closing or len(self._calls) >= self._equipment.config.max_calls:
            session.reject(503, reason="No more calls", headers=[("Retry-After", "5")])
        elif session.trunk is not None and session.replaces is not None:
            # A customer does not take over what our people say to each other.
            session.reject(403 if self._replaced(session.replaces) is not None else 481)
        elif session.trunk is not None:
            self._take_inbound(session, session.trunk)
        elif session.identity is not None:
            self._take_placed(session, session.identity)
        else:
            session.reject(403)

    def media_event(self, event: MediaEvent) -> None:
        """Hand an event of the media engine to the leg or recording it is about."""
        match event:
            case (
                DigitReceived()
                | PlaybackEnded()
                | MediaTimeout()
                | HandshakeReceived()
                | ConsentLost()
                | VoiceBegan()
                | VoiceEnded()
            ):
                if leg := self._equipment.legs_by_endpoint.get(event.endpoint_id):
                    _tell(leg, event)
            case SpeakerChanged(mixer_id, endpoint_id):
                self._equipment.rooms.spoke(mixer_id, endpoint_id)
            case RecordingFailed(recording_id, reason, lost_seconds):
                if recording := self._equipment.recordings_by_id.get(recording_id):
                    recording.failed(reason, lost_seconds)
            case RecordingClosed(recording_id):
                if recording := self._equipment.recordings_by_id.get(recording_id):
                    recording.closed()

    def _take_inbound(self, session: InviteSession, trunk: str) -> None:
        equipment = self._equipment
        snapshot = equipment.directory.snapshot
        dialled = session.request.uri.user
        decision = routing.route_inbound(snapshot, dialled, country=equipment.country)
        if not isinstance(decision, ToInboundNumber):
            # A carrier that calls our registered contact names the number in To only.
            alternative = routing.route_inbound(snapshot, session.request.to.uri.user, country=equipment.country)
            decision = alternative if isinstance(alternative, ToInboundNumber) else decision
        trusted = trunk in snapshot.trunks and snapshot.trunks[trunk].trust_identity
        party, way = identity.caller(session.request, trunk, equipment.country, trusted=trusted)
        to_number = decision.entry.number if isinstance(decision, ToInboundNumber) else dialled[:40]
        full = equipment.trunks.full_inbound(trunk)
        call = self._begin(session, Direction.INBOUND, party, to_number, dialled, way)
        if full:
            log.warning("trunk_full", call_id=call.id, trunk=trunk)
            self._run(call, _turn_away(Outcome.BUSY))
        elif isinstance(decision, ToInboundNumber):
            self._run(call, inbound(decision.entry, self._flows))
        else:
            self._run(call, _refuse(Outcome.UNKNOWN_NUMBER))

    def _take_placed(self, session: InviteSession, username: str) -> None:
        equipment = self._equipment
        snapshot = equipment.directory.snapshot
        login = snapshot.logins.get(username)
        extension = snapshot.extensions.get(login.extension) if login is not None else None
        if extension is None:
            session.reject(403)
            return
        party = Party(extension.number, extension.name, extension=extension.number)
        if session.replaces is not None:
            self._take_replacing(session, party)
            return
        dialled = session.request.uri.user
        wanted = numbers.without_privacy(dialled)
        if wanted is not None or identity.hides(session.request):
            party = msgspec.structs.replace(party, private=True)
        wanted = dialled if wanted is None else wanted
        decision = routing.route(
            snapshot,
            wanted,
            country=equipment.country,
            from_extension=extension.number,
            at=equipment.local_time,
        )
        if isinstance(decision, ToPickUp) and self._pick_up(session, party, decision.extension):
            return
        direction, to_number = _bound_for(decision, wanted)
        call = self._begin(session, direction, party, to_number, dialled)
        if isinstance(decision, ToSupervision):
            self._run(call, supervision(decision.extension, decision.mode))
        else:
            self._run(call, service(decision) if isinstance(decision, ToService) else placed(decision))

    def _take_replacing(self, session: InviteSession, party: Party) -> None:
        """Take an INVITE that wants to take another dialog's place (RFC 3891 section 3)."""
        wanted = session.replaces
        if wanted is None:
            return
        old = self._replaced(wanted)
        if old is None or not isinstance(old.owner, Call):
            session.reject(481)
            return
        call = old.owner
        if old.answered and old.party.extension != party.extension:
            # Taking over what somebody says to somebody else is for no other extension.
            log.warning("replaces_forbidden", call_id=call.id, extension=party.extension)
            session.reject(403)
            return
        try:
            if old.answered and not wanted.early_only:
                call.replace(old, session, party)
            elif old.answered or old.incoming or call.pick_up(session, party) is None:
                # Of what rings, only the one who is called can be replaced (RFC 3891 section 3).
                session.reject(486 if old.answered else 481)
        except (CallStateError, NoMediaError) as error:
            log.info("replaces_refused", call_id=call.id, error=error.message)
            session.reject(488)

    def _replaced(self, wanted: Replaces) -> Leg | None:
        """Return the leg that a Replaces means, if it lives."""
        session = self._equipment.sip.find_session(wanted.call_id, wanted.to_tag, wanted.from_tag)
        leg = session.context if session is not None else None
        return leg if isinstance(leg, Leg) and leg.alive else None

    def _pick_up(self, session: InviteSession, party: Party, extension: str) -> bool:
        for call in self._calls.values():
            if call.rings and call.ringing_extension and extension in ("", call.ringing_extension):
                try:
                    leg = call.pick_up(session, party)
                except NoMediaError:
                    session.reject(ENDINGS[Outcome.NO_MEDIA].status)
                    return True
                if leg is not None:
                    return True
        return False

    def _begin(
        self,
        session: InviteSession,
        direction: Direction,
        party: Party,
        to_number: str,
        dialled: str,
        way: Way = (),
    ) -> Call:
        call = self._new_call(direction, party, to_number, dialled)
        call.way = way
        call.offer(sip_call_id=session.call_id)
        call.take(session, party)
        return call

    def _new_call(self, direction: Direction, party: Party, to_number: str, dialled: str) -> Call:
        call = Call(
            self._equipment,
            direction,
            from_party=party,
            to_number=to_number,
            dialled=dialled[:64],
            changed=self._call_changed,
        )
        self._calls[call.id] = call
        return call

    def _run(self, call: Call, flow: Flow) -> None:
        call.changed("call.offered")
        if call.caller is not None and not call.caller.acceptable:
            flow = _refuse(Outcome.NO_MEDIA)
        call.start(flow)

    def _call_changed(self, call: Call, kind: str) -> None:
        if call.ended:
            self._calls.pop(call.id, None)
        self.extensions.update(call)
        if self._equipment.bus.heard(kind):
            self._equipment.bus.publish(kind, live.view(call).payload(), call_id=call.id)

    # --- what users ask for ----------------------------------------------------------------------------------------------

    def calls(self) -> list[CallView]:
        """Return all live calls, oldest first."""
        return [live.view(call) for call in self._calls.values()]

    def call(self, call_id: str) -> CallView:
        """Return one live call.

        Raises:
            UnknownCallError: there is none with this id.
        """
        return live.view(self._find(call_id))

    def watched(self, extension: str) -> list[WatchedLeg]:
        """Return what an extension's legs in live calls do, for those who watch it."""
        calls = [self._calls.get(call_id) for call_id in self.extensions.calls(extension)]
        return [leg for call in calls if call is not None for leg in live.watched_legs(call, extension)]

    def originate(self, from_extension: str, to: str, *, detect_machine: bool = False) -> CallView:
        """Click to call: ring the extension's phones, then dial `to` for whoever takes it.

        With `detect_machine` it is judged whether a person or a machine takes it there.

        Raises:
            InvalidEntryError: no such extension, or nothing that can be dialled.
            UnreachableError: none of the extension's phones is registered.
        """
        equipment = self._equipment
        snapshot = equipment.directory.snapshot
        extension = snapshot.extensions.get(from_extension)
        if extension is None or not extension.enabled:
            raise InvalidEntryError(f"from: there is no extension “{from_extension[:20]}”.")
        decision = routing.route(
            snapshot, to, country=equipment.country, from_extension=from_extension, at=equipment.local_time
        )
        if isinstance(decision, routing.Refused):
            raise InvalidEntryError(f"to: “{to[:40]}” cannot be called: {decision.explanation[-1]}.")
        if isinstance(decision, ToPickUp | ToService | ToSupervision):
            raise InvalidEntryError("to: star codes are dialled on a phone.")
        if not self.contacts(from_extension):
            raise UnreachableError(f"No phone of extension {from_extension} is registered.")
        wanted = numbers.without_privacy(to)
        private = wanted is not None
        direction, to_number = _bound_for(decision, to if wanted is None else wanted)
        party = Party(extension.number, extension.name, extension=extension.number, private=private)
        call = self._new_call(direction, party, to_number, to)
        call.offer()
        self._run(call, clicked(extension, decision, detect_machine=detect_machine))
        return live.view(call)

    def transfer(self, call_id: str, to: str, kind: TransferKind, *, by_extension: str = "") -> None:
        """Begin a transfer on behalf of an agent in the call.

        An attended one is completed by the agent's hanging up or by `complete_transfer`.

        Raises:
            UnknownCallError: there is no such call.
            CallStateError: nobody talks in it, or a transfer is under way.
        """
        call = self._find(call_id)
        conversation = self._conversation(call)
        if call.transferring:
            raise CallStateError("A transfer is under way already.")
        agent = conversation.agent(by_extension)
        if kind is TransferKind.BLIND:
            call.ask(TransferBlind(agent, to))
        else:
            call.ask(Consult(agent, to))

    def complete_transfer(self, call_id: str) -> None:
        """End a consultation well: the agent leaves."""
        self._transferring(call_id).ask(CompleteTransfer())

    def cancel_transfer(self, call_id: str) -> None:
        """End a consultation without effect: the customer comes back to the agent."""
        self._transferring(call_id).ask(CancelTransfer())

    def watch_voice(self, call_id: str, *, on: bool) -> CallView:
        """Tell as live events when each party of a call begins and ends to speak, or no more.

        Raises:
            UnknownCallError: there is no such call.
        """
        call = self._find(call_id)
        for leg in call.legs:
            leg.watch_voice(on=on)
        return live.view(call)

    def supervise(self, call_id: str, by_extension: str, mode: SuperviseMode) -> CallView:
        """Let an extension hear a call: its phones ring; one that does so already does from now on what the mode says.

        Raises:
            UnknownCallError: there is no such call.
            CallStateError: nobody talks in it, or the extension is one of those who do.
            InvalidEntryError: there is no such extension.
            UnreachableError: none of its phones is registered.
        """
        target = self._find(call_id)
        conversation = self._conversation(target)
        for other in self._calls.values():
            watching = other.conversation
            if isinstance(watching, Watching) and watching.is_of(by_extension, call_id):
                watching.change(mode)
                return live.view(other)
        extension = self._equipment.directory.snapshot.extensions.get(by_extension)
        if extension is None or not extension.enabled:
            raise InvalidEntryError(f"from: there is no extension “{by_extension[:20]}”.")
        if any(leg.party.extension == by_extension for leg in target.legs):
            raise CallStateError("Who takes part in a call cannot supervise it.")
        if not self.contacts(by_extension):
            raise UnreachableError(f"No phone of extension {by_extension} is registered.")
        watched = conversation.agent().party
        party = Party(extension.number, extension.name, extension=extension.number)
        call = self._new_call(Direction.INTERNAL, party, watched.number, watched.number)
        call.offer()
        self._run(call, rung_supervision(extension, target, watched.extension, mode))
        return live.view(call)

    def conference(self, number: str) -> Room | None:
        """Return the conference that goes on in a room, if anybody is there."""
        return self._equipment.rooms.get(number)

    def hold(self, call_id: str, *, by_extension: str = "") -> None:
        """Put a call on hold: the other party hears music."""
        self._conversation(self._find(call_id)).hold(by_extension)

    def resume(self, call_id: str) -> None:
        """Take a call up again that `hold` put on hold."""
        self._conversation(self._find(call_id)).resume()

    def record(self, call_id: str, *, by_extension: str = "") -> CallRecordingState:
        """Switch the recording of a call on or off, and return what it is now."""
        call = self._find(call_id)
        self._conversation(call)
        return call.record(by_extension=by_extension)

    def request_lead(self, call_id: str, *, by_extension: str = "") -> None:
        """Have the CRM make the call's customer a lead."""
        features.request_lead(self._find(call_id), by_extension)

    def request_contact(self, call_id: str, *, by_extension: str = "") -> None:
        """Have the CRM make the call's customer a contact."""
        features.request_contact(self._find(call_id), by_extension)

    def hang_up(self, call_id: str, reason: str = "Hung up by the web app") -> None:
        """End a call."""
        self._find(call_id).hang_up(reason)

    async def explain(self, dialled: str, *, from_extension: str = "", trunk: str = "") -> RouteTest:
        """Return where a call would go and why; with `trunk`, where one that it brings would go.

        Raises:
            InvalidEntryError: there is no such extension or trunk.
        """
        grounds = Grounds.of(self._equipment)
        return await route_test.explain(grounds, dialled, from_extension=from_extension, trunk=trunk)

    def contacts(self, extension: str) -> list[Contact]:
        """Return the registered phones of an extension."""
        return [
            Contact(username, str(binding.uri), _source(binding.source), binding.expires_at, binding.user_agent)
            for username in self._equipment.directory.snapshot.usernames.get(extension, ())
            for binding in self._equipment.sip.bindings(username)
        ]

    def _find(self, call_id: str) -> Call:
        call = self._calls.get(call_id)
        if call is None:
            raise UnknownCallError("There is no live call with this id.")
        return call

    def _conversation(self, call: Call) -> Conversation:
        if not isinstance(call.conversation, Conversation):
            raise CallStateError("Nobody is talking in this call.")
        return call.conversation

    def _talking(self, extension: str) -> Call | None:
        """Return the call in which an extension talks to somebody."""
        calls = [self._calls.get(call_id) for call_id in self.extensions.calls(extension)]
        return next((call for call in calls if call and isinstance(call.conversation, Conversation)), None)

    def _transferring(self, call_id: str) -> Call:
        call = self._find(call_id)
        if not call.transferring:
            raise CallStateError("No transfer is under way in this call.")
        return call

    # --- media -----------------------------------------------------------------------------------------------------------

    async def _watch_media(self) -> None:
        interval, timeout = self._equipment.config.alive_interval, self._equipment.config.media_timeout
        while True:
            await asyncio.sleep(interval)
            now = self._equipment.clock.monotonic()
            for call in tuple(self._calls.values()):
                call.note_alive(now - interval - _ALIVE_MARGIN, now)
                if timeout > 0:
                    call.probe(now, timeout)


def _bound_for(decision: Decision, dialled: str) -> tuple[Direction, str]:
    match decision:
        case ToOutside(number):
            return Direction.OUTBOUND, number
        case ToExtension():
            # A forwarded extension stays the number that was called.
            return Direction.INTERNAL, dialled[:40]
        case ToInboundNumber(entry):
            return Direction.INTERNAL, entry.number
        case _:
            return Direction.INTERNAL, dialled[:40]


def _refuse(outcome: Outcome) -> Flow:
    async def run(call: Call) -> None:
        """Fail the call."""
        await call.fail(outcome)

    return run


def _turn_away(outcome: Outcome) -> Flow:
    """Refuse without a word, so that the call takes nothing of what there is too little of."""

    async def run(call: Call) -> None:
        """Only note the outcome."""
        call.outcome = outcome

    return run


def _source(source: tuple[str, int, str]) -> str:
    return f"{source[2]}:{source[0]}:{source[1]}"


_LegEvent = DigitReceived | PlaybackEnded | MediaTimeout | HandshakeReceived | ConsentLost | VoiceBegan | VoiceEnded


def _tell(leg: Leg, event: _LegEvent) -> None:
    """Hand a leg what happened at its endpoint."""
    match event:
        case DigitReceived(_, digit, milliseconds):
            leg.key_pressed(digit, milliseconds)
        case PlaybackEnded(_, playback_id):
            leg.playback_ended(playback_id)
        case MediaTimeout(_, seconds):
            leg.silent(seconds)
        case HandshakeReceived(_, datagram):
            leg.media.security.handshake_received(datagram)
        case ConsentLost(_, seconds):
            leg.consent_lost(seconds)
        case VoiceBegan(_, seconds):
            leg.voice_changed(seconds, speaks=True)
        case VoiceEnded(_, seconds):
            leg.voice_changed(seconds, speaks=False)
