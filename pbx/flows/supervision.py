"""A supervisor in somebody else's call: listening, whispering to the agent, or barging in; by star code or over the API."""

from __future__ import annotations

from pbx.call import Call, Flow
from pbx.dialling import DialResult
from pbx.entries import Extension
from pbx.flows.extension import phones
from pbx.leg import Leg
from pbx.lone_talk import LoneTalk
from pbx.outcomes import Outcome
from pbx.party import Party
from pbx.supervision import MODE_KEYS, SuperviseMode, Supervisor


def supervision(extension: str, mode: SuperviseMode) -> Flow:
    """Return the flow of a call that asks to hear the call of an extension."""

    async def run(call: Call) -> None:
        """Answer the supervisor, and let it hear the call that the extension is in."""
        call.answer()
        call.answered_by(call.calling)
        await _supervise(call, call.equipment.talking(extension), extension, mode)

    return run


def rung_supervision(supervisor: Extension, target: Call, extension: str, mode: SuperviseMode) -> Flow:
    """Return the flow that rings the supervisor's phones first."""

    async def run(call: Call) -> None:
        """Ring the supervisor, and once it has answered let it hear the call."""
        shown = Party(call.to_number, f"→ {call.to_number}")
        attempts = phones(call, supervisor, shown)
        own = DialResult(outcome=Outcome.UNAVAILABLE)
        if attempts:
            own = await call.dial(attempts, seconds=call.equipment.company.settings.ring_seconds)
        if own.leg is None:
            await call.fail(own.outcome)
            return
        call.adopt_caller(own.leg)
        call.answered_by(own.leg)
        await _supervise(call, target, extension, mode)

    return run


async def _supervise(call: Call, target: Call | None, extension: str, mode: SuperviseMode) -> None:
    """Stay with the call until it is over."""
    if target is None or target.ended or target.passed:
        await call.play("supervise_nothing")
        return
    watching = Watching(target, call.calling, extension)
    call.conversation = watching
    watching.change(mode)
    call.changed("call.answered")
    try:
        await target.finished()
    finally:
        watching.close()


class Watching(LoneTalk):
    """The conversation of a supervisor's call."""

    def __init__(self, target: Call, leg: Leg, extension: str) -> None:
        super().__init__(leg)
        self._target = target
        self._extension = extension

    def is_of(self, extension: str, call_id: str) -> bool:
        """Tell whether it is this extension that supervises this call."""
        return self._leg.party.extension == extension and self._target.id == call_id

    def change(self, mode: SuperviseMode) -> None:
        """Listen, whisper or barge in from now on."""
        self._target.supervise(self._leg, Supervisor(self._extension, mode))

    def close(self) -> None:
        """Leave the call alone."""
        self._target.unsupervise(self._leg)

    def pressed(self, _leg: Leg, key: str, _milliseconds: int, /) -> None:
        """Change the mode by the keys 4, 5 and 6."""
        if key in MODE_KEYS:
            self.change(MODE_KEYS[key])
