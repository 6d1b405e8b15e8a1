"""What a party of a call is played, what is heard of the party, and how that sounds: the side of a leg that is voice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Protocol

import structlog

from core.events import CallFact, LegQuality, LegStatistics
from core.identifiers import new_id
from media.answerer import Answerer, AnswererJudge, AnswererLimits
from media.engine import EndpointStatistics
from media.errors import MediaError
from media.quality import QualityMeter
from pbx.equipment import Equipment
from pbx.leg_media import LegMedia
from pbx.party import LegState

log = structlog.get_logger(__name__)

_LONGEST_PLAYBACK: Final = 300.0
"""Seconds after which a playback is taken for ended, should its event have been lost."""


class Owner(Protocol):
    """The call that the leg belongs to."""

    id: str


class LegVoice:
    """The voice of a leg; `pbx.leg.Leg` adds the signalling, and opens and closes the endpoint in `media`."""

    __slots__ = (
        "_equipment",
        "_playback",
        "_voice_changes",
        "_voice_watched",
        "answerer",
        "id",
        "media",
        "quality",
        "state",
    )

    owner: Owner

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._playback: tuple[int, asyncio.Future[None]] | None = None
        self._voice_changes: asyncio.Queue[bool] | None = None
        self._voice_watched = False
        self.answerer = ""
        """Who took the leg, where that was judged."""
        self.id = new_id()
        self.media = LegMedia(equipment.engine, equipment.sip.names, equipment.dtls, equipment.ways)
        self.quality: QualityMeter | None = None
        """How the answered leg sounds, once its voice is looked at."""
        self.state = LegState.TRYING

    @property
    def alive(self) -> bool:
        """Whether the party is still there."""
        return self.state is not LegState.ENDED

    @property
    def answered(self) -> bool:
        """Whether the party talks to us."""
        return self.state is LegState.ANSWERED

    @property
    def playing(self) -> bool:
        """Whether something is being played to the party."""
        return self._playback is not None

    # --- what the party is played ------------------------------------------------------------------------------------------

    def play(self, paths: Path | list[Path], *, loop: bool = False) -> None:
        """Play a sound file, or several in turn, to the party; what was played before stops."""
        if self.media.endpoint is None or not self.alive:
            return
        self._forget_playback()
        try:
            playback = self.media.endpoint.play(paths, loop=loop)
        except MediaError as error:
            log.warning("sound_not_played", call_id=self.owner.id, leg_id=self.id, error=error.message)
            return
        if self.media.passed:
            # It takes its time all the same, for those who wait until it has ended.
            log.warning("sound_not_heard", call_id=self.owner.id, leg_id=self.id, codec=self.media.passed)
        self._playback = (playback, asyncio.get_running_loop().create_future())

    async def play_to_end(self, path: Path, *, limit: float = _LONGEST_PLAYBACK) -> None:
        """Play a sound file and wait until it has ended, or `limit` seconds have passed."""
        self.play(path)
        if self._playback is None:
            return
        try:
            await asyncio.wait_for(self._playback[1], limit)
        except TimeoutError:
            self.stop_playing()

    def stop_playing(self) -> None:
        """Stop what is being played to the party."""
        if self._playback is not None:
            self._forget_playback()
            if self.media.endpoint is not None:
                self.media.endpoint.stop_play()

    def playback_ended(self, playback: int) -> None:
        """Take the engine's word that a playback came to its end."""
        if self._playback is not None and self._playback[0] == playback:
            self._forget_playback()

    def _forget_playback(self) -> None:
        if self._playback is not None:
            ended = self._playback[1]
            self._playback = None
            if not ended.done():
                ended.set_result(None)

    # --- what is heard of the party ----------------------------------------------------------------------------------------

    def heard_since(self, since: float, now: float) -> bool:
        """Tell whether a packet of the party came after a time, and measure how it sounds; times are monotonic seconds."""
        figures = self.media.statistics() if self.answered else None
        if figures is None or figures.last_packet_at is None:
            return False
        if self.quality is None:
            self.quality = QualityMeter(now)
        elif self.quality.due(now):
            self.quality.take(figures, now, self._equipment.clock.now())
            if self.quality.full:
                self.note_quality()
        return figures.last_packet_at > since

    def watch_voice(self, *, on: bool) -> None:
        """Tell as live events when the party begins and ends to speak, or no more."""
        self._voice_watched = on
        self._listen()

    async def judge_answerer(self, limits: AnswererLimits | None = None) -> Answerer:
        """Find out whether a person or a machine took the leg, by how it begins to speak from now on."""
        changes = self._voice_changes = asyncio.Queue[bool]()
        self._listen()
        clock = self._equipment.clock
        judge, began = AnswererJudge(limits), clock.monotonic()
        try:
            while judge.verdict is None and self.alive:
                due = judge.next_look
                try:
                    speaks = await asyncio.wait_for(changes.get(), max(0.0, due - (clock.monotonic() - began)))
                except TimeoutError:
                    judge.wait(due)
                    continue
                now = clock.monotonic() - began
                if speaks:
                    judge.voice_began(now)
                else:
                    judge.voice_ended(now)
        finally:
            self._voice_changes = None
            self._listen()
        verdict = judge.verdict or Answerer.UNKNOWN
        self.answerer = verdict.value
        return verdict

    def voice_changed(self, after_seconds: float, *, speaks: bool) -> None:
        """Take the engine's word that the party begins to speak, or has stopped, after so long."""
        if self._voice_changes is not None:
            self._voice_changes.put_nowait(speaks)
        if self._voice_watched:
            kind = "call.voice_began" if speaks else "call.voice_ended"
            payload = {"leg": self.id, "after_seconds": round(after_seconds, 2)}
            self._equipment.bus.publish(kind, payload, call_id=self.owner.id)

    def _listen(self) -> None:
        self.media.listen(voice=self._voice_watched or self._voice_changes is not None)

    def note_quality(self) -> None:
        """Put into the journal how the leg sounded until now, as far as that was not done."""
        samples = self.quality.untold() if self.quality is not None else ()
        if samples:
            self._note(
                LegQuality(at=self._equipment.clock.now(), call_id=self.owner.id, leg_id=self.id, samples=samples)
            )

    def _note_statistics(self, figures: EndpointStatistics) -> None:
        now = self._equipment.clock.now()
        if self.quality is not None:
            self.quality.take(figures, self._equipment.clock.monotonic(), now)
            self.note_quality()
        self._note(
            LegStatistics(
                at=now,
                call_id=self.owner.id,
                leg_id=self.id,
                packets_received=figures.packets_received,
                packets_sent=figures.packets_sent,
                packets_lost=figures.packets_lost,
                packets_rejected=figures.packets_rejected,
                jitter_ms=round(figures.jitter_ms, 2),
                mos=figures.mos,
            )
        )

    def _note(self, fact: CallFact) -> None:
        """Append a fact of this leg to the journal."""
        self._equipment.journal.append(fact)
