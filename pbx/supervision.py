"""Supervision of a live call: who hears whom when a supervisor listens, whispers or barges in."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from pbx.party import Party


class SuperviseMode(enum.StrEnum):
    """What a supervisor does in a call."""

    LISTEN = "listen"
    """Hears all, is heard by nobody."""
    WHISPER = "whisper"
    """Is heard by the agents only."""
    BARGE = "barge"
    """Is heard by all."""


SUPERVISION_CODES: Final = {
    "*50": SuperviseMode.LISTEN,
    "*51": SuperviseMode.WHISPER,
    "*52": SuperviseMode.BARGE,
}
"""Dialled with an extension behind them."""

MODE_KEYS: Final = {"4": SuperviseMode.LISTEN, "5": SuperviseMode.WHISPER, "6": SuperviseMode.BARGE}
"""Pressed by a supervisor in a call."""


@dataclass(slots=True, frozen=True)
class Supervisor:
    """What a supervisor does in a call."""

    extension: str
    """Whose call it is: the one who hears the whispering, where two colleagues talk."""
    mode: SuperviseMode

    def gain(self, listener: Party, other: Party) -> float:
        """Return how loud a party of the call, who talks with `other`, hears the supervisor."""
        if self.mode is SuperviseMode.WHISPER:
            colleagues = bool(listener.extension and other.extension)
            return float(listener.extension == self.extension if colleagues else bool(listener.extension))
        return float(self.mode is SuperviseMode.BARGE)
