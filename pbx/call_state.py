"""What a call is doing, and what it asks of the conversation in it."""

from __future__ import annotations

import enum
from typing import Protocol

from pbx.leg import Leg
from sip.session_events import TextReceived
from sip.transfer import Refer


class CallState(enum.StrEnum):
    """What a call is doing, as shown to those who look on."""

    ROUTING = "routing"
    RINGING = "ringing"
    TALKING = "talking"
    HELD = "held"
    TRANSFERRING = "transferring"
    ENDED = "ended"


class Talk(Protocol):
    """What a call asks of the conversation in it; `pbx.conversation` is the one there is."""

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The two who talk."""
        ...

    @property
    def held(self) -> bool:
        """Whether one of them waits on hold."""
        ...

    async def carry_out(self) -> bool:
        """Carry out what was asked of them; tell whether they talk on."""
        ...

    def close(self) -> None:
        """Part them."""

    def hold_changed(self, leg: Leg, /) -> None:
        """Hear that a party holds, or does so no more."""

    def pressed(self, leg: Leg, key: str, milliseconds: int, /) -> None:
        """Hear a key that was pressed for so long."""

    def texted(self, leg: Leg, text: TextReceived, /) -> None:
        """Hear that a party sends a text."""

    def supervised(self) -> None:
        """Hear that a supervisor came, left or changed what they do."""

    def refers(self, leg: Leg, refer: Refer, /) -> None:
        """Hear that a phone asks for a transfer."""
