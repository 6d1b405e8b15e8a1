"""A call that one of ours placed: to a colleague or to the outside, from the phone or by click."""

from __future__ import annotations

from pbx.call import Call, Flow
from pbx.conversation import converse
from pbx.dialling import DialResult
from pbx.entries import Extension
from pbx.flows.extension import phones
from pbx.flows.reach import connect
from pbx.outcomes import Outcome
from pbx.party import Party
from pbx.routing import Decision


def placed(decision: Decision) -> Flow:
    """Return the flow of a call that was dialled on a phone."""

    async def run(call: Call) -> bool:
        """Lead the call to what was dialled."""
        leg = await connect(call, decision)
        return leg is not None and await converse(call, call.calling, leg)

    return run


def clicked(extension: Extension, decision: Decision, *, detect_machine: bool = False) -> Flow:
    """Return the flow of a click to call: first the one who clicked is rung, then the other party."""

    async def run(call: Call) -> bool:
        """Ring the one who clicked, then lead the call to the other party."""
        equipment = call.equipment
        shown = Party(call.to_number, f"→ {call.to_number}")
        attempts = phones(call, extension, shown)
        own = DialResult(outcome=Outcome.UNAVAILABLE)
        if attempts:
            own = await call.dial(attempts, seconds=equipment.company.settings.ring_seconds)
        if own.leg is None:
            await call.fail(own.outcome)
            return False
        call.adopt_caller(own.leg)
        leg = await connect(call, decision)
        if leg is None:
            return False
        if detect_machine:
            call.spawn(call.judge_answerer(leg))
        return await converse(call, call.calling, leg)

    return run
