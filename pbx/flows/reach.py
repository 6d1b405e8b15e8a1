"""Reaching whoever was dialled, an extension or an outside number, on behalf of a call or of a transfer in it."""

from __future__ import annotations

from typing import Final

import structlog

from core.phone_numbers import NumberKind, classify
from pbx import forwarding, identity, numbers, routing
from pbx.call import Call
from pbx.dialling import DialResult
from pbx.entries import InboundNumber
from pbx.flows.conference import attend
from pbx.flows.extension import ring_extension
from pbx.flows.outbound import MOST_REDIRECTS, dial_outside
from pbx.forwarding import Diversion, ForwardReason, Way
from pbx.leg import Leg
from pbx.outcomes import Outcome
from pbx.party import Party
from pbx.routing import (
    Decision,
    Refused,
    ToConference,
    ToExtension,
    ToInboundNumber,
    ToOutside,
    ToOwnPhones,
)
from sip.message import Headers

log = structlog.get_logger(__name__)

_CHOSEN_BY_CALLERS_ALONE: Final = frozenset({NumberKind.PREMIUM, NumberKind.INTERNATIONAL})

_REFUSALS: Final = {403: Outcome.NOT_ALLOWED, 404: Outcome.UNKNOWN_NUMBER, 480: Outcome.UNAVAILABLE, 482: Outcome.LOOP}


async def reach(
    call: Call, dialled: str, *, listener: Leg | None, shown: Party, as_extension: str = "", referred_by: str = ""
) -> DialResult:
    """Ring whom the dialled string means, until somebody answers or it is clear that nobody will.

    Args:
        call: the call the new leg belongs to.
        dialled: an extension or a public number, as dialled.
        listener: the leg that waits and hears ringing; None when nobody does.
        shown: whom the one who is called sees as the caller.
        as_extension: who dials, so that nobody is led to their own phone.
        referred_by: the Referred-By for the phones that are rung, if somebody transfers the call.
    """
    snapshot = call.equipment.directory.snapshot
    equipment = call.equipment
    decision = routing.route(
        snapshot, dialled, country=equipment.country, from_extension=as_extension, at=equipment.local_time
    )
    return await follow(
        call, decision, listener=listener, shown=shown, as_extension=as_extension, referred_by=referred_by
    )


async def connect(call: Call, decision: Decision) -> Leg | None:
    """Do what routing decided for the call's own caller; return the leg that answered.

    None where there is nothing left to do: nobody was reached, of which the caller was told, or a conference is over.
    """
    result = await follow(call, decision, listener=call.calling, shown=call.from_party)
    if result.room is not None:
        call.answer()
        await attend(call, call.calling, result.room)
    elif result.leg is None:
        await call.fail(result.outcome)
    return result.leg


async def follow(
    call: Call,
    decision: Decision,
    *,
    listener: Leg | None,
    shown: Party,
    as_extension: str = "",
    referred_by: str = "",
) -> DialResult:
    """Do what routing decided, as far as that is ringing somebody; those who do not take the call may send it on."""
    visited: set[str] = set()
    referral: Headers = (("Referred-By", referred_by),) if referred_by else ()
    while True:
        match decision:
            case ToExtension(extension):
                headers = referral
                if decision.way:
                    _tell_forwarded(call, listener, decision.way, extension.number)
                    told = identity.told_to_phone(decision.way, extension.number, call.equipment.config.domain)
                    headers = (*told, *referral)
                result = await ring_extension(call, extension, listener=listener, shown=shown, headers=headers)
                onward = _sent_on(call, decision, result, as_extension or shown.extension)
                if onward is None:
                    return result
                decision = onward
            case ToOutside():
                if decision.way:
                    _tell_forwarded(call, listener, decision.way, decision.number)
                result = await dial_outside(call, decision, listener=listener, shown=shown)
                onward = _redirected(call, decision, result, as_extension or shown.extension)
                if onward is None:
                    return result
                decision = onward
            case ToOwnPhones(extension) if not as_extension:
                return await ring_extension(call, extension, listener=listener, shown=shown)
            case ToInboundNumber(entry, way=way) if entry.number not in visited:
                visited.add(entry.number)
                decision = _through(call, entry, way)
            case _:
                return _unrung(decision)


def _unrung(decision: Decision) -> DialResult:
    """Return what comes of a decision by which nobody is rung."""
    match decision:
        case Refused(status, outcome=outcome):
            return DialResult(outcome=outcome or _REFUSALS.get(status, Outcome.FAILED), status=status)
        case ToConference(room):
            return DialResult(room=room)
        case ToOwnPhones() | ToInboundNumber():
            # Only a phone that dials means the others of its extension, not one that transfers; and a number leads on once.
            return DialResult(outcome=Outcome.LOOP, status=482)
        case _:
            # A star code, which means something only where a phone dials it.
            return DialResult(outcome=Outcome.NOTHING_TO_PICK_UP, status=480)


def _tell_forwarded(call: Call, listener: Leg | None, way: Way, target: str) -> None:
    """Tell the caller that the call is sent on, and by whom (181), unless they talk already or it was sent on before it came."""
    if (
        listener is None
        or not listener.incoming
        or listener.answered
        or not listener.alive
        or len(way) <= len(call.way)
    ):
        return
    equipment = call.equipment
    headers = identity.told_to_caller(
        listener.party,
        way[len(call.way) :],
        target,
        equipment.directory.snapshot,
        equipment.config.domain,
        history=listener.session.caller_has("histinfo"),
    )
    listener.forwarded(headers)


def _redirected(call: Call, decision: ToOutside, result: DialResult, from_extension: str) -> Decision | None:
    """Return where a call goes that a trunk sends to another number; None where nowhere that this call may go.

    The number is routed as if it was dialled: only where the one who pays may call, and at the price that it has. Extensions and
    codes are not for carriers to dial, and nobody chose to call a premium number or one abroad.
    """
    equipment = call.equipment
    for uri in result.redirects[:MOST_REDIRECTS]:
        number = numbers.public(uri.user, equipment.country)
        if number is None or classify(number.number, equipment.country) in _CHOSEN_BY_CALLERS_ALONE:
            continue
        onward = routing.route_onward(
            equipment.directory.snapshot,
            number.number,
            country=equipment.country,
            from_extension=from_extension,
            way=(*decision.way, Diversion(decision.number, ForwardReason.DEFLECTION, outside=True)),
            reason=ForwardReason.DEFLECTION,
            at=equipment.local_time,
        )
        if not isinstance(onward, Refused):
            return onward
        log.info("not_sent_on", call_id=call.id, explanation=list(onward.explanation))
    return None


def _sent_on(call: Call, decision: ToExtension, result: DialResult, from_extension: str) -> Decision | None:
    """Return where the extension wants the call that its phones did not take; None where nowhere, or in circles."""
    if result.leg is not None:
        return None
    # Of a 3xx only the number counts, not the host: nobody sends our calls to servers that we do not know.
    targets = [(uri.user, ForwardReason.DEFLECTION) for uri in result.redirects[:MOST_REDIRECTS] if uri.user]
    forward = forwarding.onward(decision.extension, result.outcome)
    if forward is not None:
        targets.append(forward)
    equipment = call.equipment
    for target, reason in targets:
        onward = routing.route_onward(
            equipment.directory.snapshot,
            target,
            country=equipment.country,
            from_extension=from_extension,
            way=(*decision.way, Diversion(decision.extension.number, reason)),
            reason=reason,
            at=equipment.local_time,
        )
        if not isinstance(onward, Refused):
            return onward
        log.info("not_sent_on", call_id=call.id, explanation=list(onward.explanation))
    return None


def _through(call: Call, entry: InboundNumber, way: Way) -> Decision:
    """Return where one of the company's own numbers leads when one of ours dials it, or a call is sent on to it."""
    equipment = call.equipment
    decision = routing.reach_inbound_target(
        equipment.directory.snapshot, entry, country=equipment.country, way=way, at=equipment.local_time
    )
    if isinstance(decision, str):
        return Refused(404, "A flow answers outside calls only", [f"{entry.number} leads to the flow {decision}"])
    return decision
