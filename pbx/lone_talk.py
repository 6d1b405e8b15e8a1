"""The conversation of a call with one party, who talks with those of other calls: in a conference, or as a supervisor."""

from __future__ import annotations

from typing import Final

from pbx.leg import Leg
from sip.session_events import TextReceived
from sip.transfer import Refer

_FORBIDDEN: Final = 403


class LoneTalk:
    """What is the same for all such: what the party does is nobody else's in this call."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The one party."""
        return (self._leg,)

    @property
    def held(self) -> bool:
        """Whether the party holds."""
        return self._leg.held

    async def carry_out(self) -> bool:
        """Carry out nothing: the call is another's."""
        return False

    def hold_changed(self, _leg: Leg, /) -> None:
        """Take no notice."""

    def pressed(self, _leg: Leg, _key: str, _milliseconds: int, /) -> None:
        """Take no notice of keys."""

    def texted(self, _leg: Leg, _text: TextReceived, /) -> None:
        """Take no notice of texts."""

    def supervised(self) -> None:
        """Take no notice: nobody supervises such a call."""

    def refers(self, leg: Leg, refer: Refer, /) -> None:
        """Refuse a transfer: there is no one party that it could be of."""
        leg.answer_refer(refer, accepted=False, status=_FORBIDDEN)
