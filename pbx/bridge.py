"""Two legs that hear each other, and the music one hears while the other holds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from media.engine import Endpoint, Mixer
from pbx.equipment import Equipment
from pbx.leg import Leg
from pbx.supervision import Supervisor
from sip.codecs import alike

_NOBODY: Final[Mapping[Leg, Supervisor]] = MappingProxyType({})


class Bridge:
    """Connects the voices of two legs until it is cut; hold and resume change who hears what, and so do supervisors."""

    __slots__ = ("_connected", "_equipment", "_mixed", "_mixer", "_supervisors", "_waiting", "a", "b", "held_by_us")

    def __init__(self, equipment: Equipment, a: Leg, b: Leg, supervisors: Mapping[Leg, Supervisor] = _NOBODY) -> None:
        """Prepare a bridge between two legs; `supervisors` are those who hear them, looked up at each `update`."""
        self._equipment = equipment
        self._connected = False
        self._supervisors = supervisors
        self._mixer: Mixer | None = None
        self._mixed: tuple[Endpoint, ...] = ()
        self._waiting: Leg | None = None
        self.a = a
        self.b = b
        self.held_by_us: Leg | None = None
        """The leg on whose behalf Ramal itself holds the call (by the API), or None."""

    def other(self, leg: Leg) -> Leg:
        """Return the leg at the other end."""
        return self.b if leg is self.a else self.a

    def __contains__(self, leg: object) -> bool:
        return leg is self.a or leg is self.b

    def connect(self) -> None:
        """Let the two hear each other, or the one that is put on hold hear music."""
        self._apply()

    def update(self) -> None:
        """Take account of a hold that began or ended."""
        self._apply()

    def cut(self) -> None:
        """Part the two; nothing is played to them any more."""
        self._stop_music()
        self._part()

    @property
    def held_by(self) -> Leg | None:
        """The leg whose party holds the call, or None."""
        if self.held_by_us is not None:
            return self.held_by_us
        return next((leg for leg in (self.a, self.b) if leg.held), None)

    def _apply(self) -> None:
        holder = self.held_by
        if holder is None:
            self._stop_music()
            self._join()
            return
        self._part()
        waiting = self.other(holder)
        if waiting is not self._waiting:
            self._stop_music()
        if self._waiting is None and not waiting.held:
            self._waiting = waiting
            waiting.play(self._equipment.prompts.hold_music(), loop=True)

    def _stop_music(self) -> None:
        if self._waiting is not None:
            self._waiting.stop_playing()
            self._waiting = None

    def _join(self) -> None:
        a, b = self.a.media.endpoint, self.b.media.endpoint
        if a is None or b is None:
            return
        if self._supervisors and not (self.a.media.to_be_passed or self.b.media.to_be_passed):
            self._mix(a, b)
        elif not self._connected:
            self._equipment.engine.bridge(a, b)
            self._unmix()
            self._connected = True
            self._find_common_codec()

    def _find_common_codec(self) -> None:
        """Ask one of the two for the other's codec where that spares decoding: the better one, if both can."""
        ours, theirs = self.a.media.speaks, self.b.media.speaks
        if ours is not None and theirs is not None and alike(ours, theirs):
            return
        better, other = sorted((self.a, self.b), key=lambda leg: not leg.media.wideband)
        if not other.speak_like(better):
            better.speak_like(other)

    def _mix(self, a: Endpoint, b: Endpoint) -> None:
        """Let supervisors hear the two, and be heard by whom they speak to."""
        mixer = self._mixer
        if mixer is None:
            mixer = self._mixer = self._equipment.engine.create_mixer()
            self._connected = False
        present = {leg: one for leg, one in self._supervisors.items() if leg.media.endpoint is not None}
        ears = tuple([leg.media.endpoint for leg in present if leg.media.endpoint is not None])
        for endpoint in self._mixed:
            if endpoint not in ears:
                mixer.remove(endpoint)
        self._mixed = ears
        for endpoint in (a, b, *ears):
            mixer.add(endpoint)
        for leg, supervisor in present.items():
            if (voice := leg.media.endpoint) is not None:
                mixer.set_gain(voice, a, supervisor.gain(self.a.party, self.b.party))
                mixer.set_gain(voice, b, supervisor.gain(self.b.party, self.a.party))

    def _unmix(self) -> None:
        if self._mixer is not None:
            self._mixer.close()
            self._mixer = None
            self._mixed = ()

    def _part(self) -> None:
        self._unmix()
        if self._connected and self.a.media.endpoint is not None:
            self._equipment.engine.unbridge(self.a.media.endpoint)
        self._connected = False
