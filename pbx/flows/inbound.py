"""A call from outside to one of the company's numbers: greeting, then the extension, number or flow it leads to."""

from __future__ import annotations

import asyncio
import functools

import msgspec
import structlog

from core.events import CallerNamed
from pbx import routing
from pbx.call import Call, Flow
from pbx.conversation import converse
from pbx.entries import InboundNumber
from pbx.flows.reach import connect
from pbx.outcomes import Outcome

log = structlog.get_logger(__name__)


def inbound(entry: InboundNumber, flows: dict[str, Flow]) -> Flow:
    """Return the flow of a call to this number."""
    return functools.partial(_run, entry, flows)


async def _run(entry: InboundNumber, flows: dict[str, Flow], call: Call) -> bool | None:
    """Greet the caller where that is wanted, and lead the call to the number's destination."""
    await _name_caller(call)
    if entry.greeting:
        call.answer()
        await call.say(entry.greeting)
    decision = routing.reach_inbound_target(
        call.equipment.directory.snapshot,
        entry,
        country=call.equipment.country,
        way=call.way,
        at=call.equipment.local_time,
    )
    if isinstance(decision, str):
        flow = flows.get(decision)
        return await (flow(call) if flow is not None else call.fail(Outcome.UNKNOWN_NUMBER))
    leg = await connect(call, decision)
    return leg is not None and await converse(call, call.calling, leg)


async def _name_caller(call: Call) -> None:
    """Let the CRM name the caller, if it can do so at once."""
    equipment, number = call.equipment, call.from_party.number
    if equipment.callers is None or call.from_party.private or equipment.callers.is_stranger(number):
        return
    try:
        async with asyncio.timeout(equipment.config.caller_name_timeout):
            name = await equipment.callers.caller_name(number)
    except Exception as error:
        # Whatever is wrong with the CRM, the phone rings.
        log.warning("caller_not_looked_up", call_id=call.id, error=f"{type(error).__name__}: {error}")
        return
    if name:
        call.from_party = call.calling.party = msgspec.structs.replace(call.from_party, name=name)
        call.note(CallerNamed(at=equipment.clock.now(), call_id=call.id, name=name))
