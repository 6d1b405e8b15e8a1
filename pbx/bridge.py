"""Two legs that hear each other, and the music one hears while the other holds."""

from __future__ import annotations

from pbx.equipment import Equipment
from pbx.leg import Leg


class Bridge:
    """Connects the voices of two legs until it is cut; hold and resume change who hears what."""

    __slots__ = ("_connected", "_equipment", "_waiting", "a", "b", "held_by_us")

    def __init__(self, equipment: Equipment, a: Leg, b: Leg) -> None:
        self._equipment = equipment
        self._connected = False
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
        if not self._connected and a is not None and b is not None:
            self._equipment.engine.bridge(a, b)
            self._connected = True

    def _part(self) -> None:
        if self._connected and self.a.media.endpoint is not None:
            self._equipment.engine.unbridge(self.a.media.endpoint)
        self._connected = False
