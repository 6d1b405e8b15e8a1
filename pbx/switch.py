"""The switch: what the SIP stack hands calls to. It decides what each is, and starts its coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from core.events import Direction
from core.tasks import stopped
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
from pbx import identity, numbers, routing
from pbx.call import Call, Flow
from pbx.equipment import Equipment
from pbx.errors import CallStateError, NoMediaError
from pbx.flows.inbound import inbound
from pbx.flows.placed import placed
from pbx.flows.service import service
from pbx.flows.supervision import supervision
from pbx.forwarding import Way
from pbx.leg import Leg
from pbx.live_calls import LiveCalls, bound_for, refuse
from pbx.outcomes import ENDINGS, Outcome
from pbx.party import Party
from pbx.routing import ToInboundNumber, ToPickUp, ToService, ToSupervision
from sip.session import InviteSession
from sip.transfer import Replaces

log = structlog.get_logger(__name__)

_ALIVE_MARGIN: Final = 0.5
"""Seconds beside the interval within which a packet must have come for a leg to be alive."""


class Switch(LiveCalls):
    """What the SIP stack and the media engine hand calls to."""

    def __init__(self, equipment: Equipment, flows: Mapping[str, Flow] | None = None) -> None:
        """Begin without calls.

        Args:
            equipment: what calls work with.
            flows: call flows by the names that inbound numbers may lead to.
        """
        super().__init__(equipment)
        self._flows = dict(flows or {})
        self._pulse: asyncio.Task[None] | None = None
        self._closing = False

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
        await stopped(self._pulse)

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
            self._run(call, refuse(Outcome.UNKNOWN_NUMBER))

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
        direction, to_number = bound_for(decision, wanted)
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


def _turn_away(outcome: Outcome) -> Flow:
    """Refuse without a word, so that the call takes nothing of what there is too little of."""

    async def run(call: Call) -> None:
        """Only note the outcome."""
        call.outcome = outcome

    return run


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
