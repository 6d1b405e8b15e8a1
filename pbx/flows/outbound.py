"""Calls to the outside: the trunks of the route in order, the next one when a trunk gives no sign or cannot take the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from pbx import identity
from pbx.call import Call
from pbx.dialling import Attempt, DialResult, Patience
from pbx.entries import Trunk
from pbx.equipment import Equipment
from pbx.forwarding import Way, forwarder
from pbx.leg import Leg
from pbx.outcomes import Outcome, of_status
from pbx.party import Party
from pbx.routing import OutboundStep, ToOutside
from sip.client_request import ClientCredentials
from sip.session import InviteSession
from sip.uri import Uri

log = structlog.get_logger(__name__)

_NEXT_TRUNK: Final = frozenset({401, 403, 407, 408})
"""Refusals that concern this trunk and not the number, beside all of 5xx."""


async def dial_outside(call: Call, destination: ToOutside, *, listener: Leg | None, shown: Party) -> DialResult:
    """Send the call out by the first trunk that takes it; `shown` calls, and may not want to be known."""
    equipment = call.equipment
    config = equipment.config
    patience = Patience(config.trunk_response_timeout, config.trunk_progress_timeout)
    for step in destination.steps:
        if not equipment.trunks.usable(step.trunk):
            log.info("trunk_skipped", call_id=call.id, trunk=step.trunk.name)
            continue
        party = Party(destination.number, trunk=step.trunk.name, forwarded_by=forwarder(destination.way))
        attempt = Attempt(
            party, call.role_of(party, call.customer), _invite(equipment, step, call.hops_left, shown, destination.way)
        )
        result = await call.dial(
            [attempt],
            seconds=config.outside_ring_seconds,
            listener=listener,
            patience=patience,
        )
        if result.leg is not None or result.outcome is Outcome.NO_ANSWER:
            return result
        if (result.status not in _NEXT_TRUNK and result.status < 500) or result.status >= 600:
            return DialResult(outcome=of_status(result.status), status=result.status)
        log.warning("trunk_failed", call_id=call.id, trunk=step.trunk.name, status=result.status)
        if result.status in (408, 503):
            equipment.trunks.call_failed(step.trunk)
    return DialResult(outcome=Outcome.TRUNKS_DOWN, status=503)


def _invite(
    equipment: Equipment, step: OutboundStep, hops: int, shown: Party, way: Way
) -> Callable[[bytes, Leg], InviteSession]:
    trunk = step.trunk
    domain = trunk.host if trunk.register else equipment.config.domain

    target = Uri("sip", step.digits, domain)
    number = caller_id(equipment, trunk)
    from_, headers = identity.outside(shown, way, equipment.directory.snapshot, number, target)

    def invite(offer: bytes, leg: Leg) -> InviteSession:
        return equipment.sip.invite(
            Uri("sip", step.digits, trunk.host, trunk.port),
            from_=from_,
            sdp=offer,
            listener=leg,
            destination=(trunk.host, trunk.port, trunk.transport.value),
            credentials=ClientCredentials(trunk.username, trunk.password) if trunk.username else None,
            contact_user=trunk.username,
            max_forwards=hops,
            headers=headers,
        )

    return invite


def caller_id(equipment: Equipment, trunk: Trunk) -> str:
    """Return the number that is shown outside: the trunk's, else the company's first, else the trunk's account."""
    return trunk.caller_id or next(iter(equipment.directory.snapshot.numbers), "") or trunk.username or "anonymous"
