"""Calls to the outside: the trunks of the route in order, the next one when a trunk gives no sign or cannot take the call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from pbx import outbound_call
from pbx.call import Call
from pbx.dialling import Attempt, DialResult, Patience
from pbx.entries import Trunk
from pbx.equipment import Equipment
from pbx.forwarding import forwarder
from pbx.leg import Leg
from pbx.outbound_routes import OutboundStep
from pbx.outcomes import Outcome, of_status
from pbx.party import Party
from pbx.routing import ToOutside
from sip.address import Address
from sip.codecs import order
from sip.session import InviteSession
from sip.uri import Uri

log = structlog.get_logger(__name__)

MOST_REDIRECTS: Final = 5
"""How often a trunk may name another server, and how many places of one 3xx are looked at."""


async def dial_outside(call: Call, destination: ToOutside, *, listener: Leg | None, shown: Party) -> DialResult:
    """Send the call out by the first trunk that takes it; `shown` calls, and may not want to be known."""
    equipment = call.equipment
    trunks = equipment.trunks
    wordless = False
    for step in destination.steps:
        trunk = step.trunk
        if listener is not None and not _has_codec(equipment, trunk, listener):
            log.info("trunk_skipped", call_id=call.id, trunk=trunk.name, reason="may speak none of the caller's codecs")
            wordless = True
            continue
        servers = [] if trunks.refusal(trunk) else await trunks.servers(trunk)
        # Once more: while a name was looked up, other calls may have taken the last channel.
        if not servers or trunks.refusal(trunk):
            reason = trunks.refusal(trunk) or "has no server that is known"
            log.info("trunk_skipped", call_id=call.id, trunk=trunk.name, reason=reason)
            trunks.call_skipped(trunk)
            continue
        result = await _Attempts(call, destination, step, servers, shown).dial(listener)
        if result.redirects and outbound_call.follows(trunk, result.status):
            return result
        if result.leg is not None or (result.outcome is Outcome.NO_ANSWER and result.status == 480):
            return result
        status = outbound_call.meaning(trunk, result.status)
        if status is not None:
            return DialResult(outcome=of_status(status), status=status)
        wordless = False
        log.warning("trunk_failed", call_id=call.id, trunk=trunk.name, status=result.status)
    if wordless:
        return DialResult(outcome=Outcome.NO_MEDIA, status=488)
    return DialResult(outcome=Outcome.TRUNKS_DOWN, status=503)


def _has_codec(equipment: Equipment, trunk: Trunk, listener: Leg) -> bool:
    """Tell whether a trunk may be offered anything that the one who waits hears."""
    allowed = equipment.voice_terms(Party("", trunk=trunk.name)).codecs
    return not allowed or bool(order(listener.spoken_codecs, allowed))


class _Attempts:
    """One trunk being tried: its servers in turn, as long as they are silent or out of order."""

    def __init__(
        self, call: Call, destination: ToOutside, step: OutboundStep, servers: list[Address], shown: Party
    ) -> None:
        equipment = call.equipment
        self._call = call
        self._step = step
        self._servers = servers
        self._at = 0
        self._leg: Leg | None = None
        self._party = Party(destination.number, trunk=step.trunk.name, forwarded_by=forwarder(destination.way))
        self._sent = outbound_call.prepare(
            step,
            equipment.directory.snapshot,
            shown,
            destination.way,
            country=equipment.country,
            domain=equipment.config.domain,
        )
        self._visited = {self._sent.uri}

    async def dial(self, listener: Leg | None) -> DialResult:
        """Ring the number by the first server that gives a sign of life, or by the one that it names instead."""
        result = await self._dial(listener)
        if result.redirects and outbound_call.follows(self._step.trunk, result.status):
            for _ in range(MOST_REDIRECTS):
                if not await self._redirect(result.redirects):
                    break
                result = await self._dial(listener)
        return result

    async def _redirect(self, targets: Sequence[Uri]) -> bool:
        """Turn to the first place of a 3xx that is one of the trunk's own hosts, for the same number; False: there is none.

        Any other number is another call, which routing has to allow; any other host is nobody that we know.
        """
        trunk, trunks = self._step.trunk, self._call.equipment.trunks
        for target in targets[:MOST_REDIRECTS]:
            uri = outbound_call.redirected(target, self._step.digits)
            if uri is None or uri in self._visited:
                continue
            servers = await trunks.redirected(trunk, uri)
            if servers:
                log.info("trunk_redirected", call_id=self._call.id, trunk=trunk.name, uri=str(uri))
                self._visited.add(uri)
                self._servers, self._at = servers, 0
                self._sent = replace(self._sent, uri=uri)
                return True
        return False

    async def _dial(self, listener: Leg | None) -> DialResult:
        call, trunk, trunks = self._call, self._step.trunk, self._call.equipment.trunks
        config = call.equipment.config
        while True:
            result = await call.dial(
                [
                    Attempt(
                        self._party,
                        call.role_of(self._party, call.customer),
                        self._invite(),
                        way=self._servers[self._at],
                    )
                ],
                seconds=config.outside_ring_seconds,
                listener=listener,
                patience=Patience(config.trunk_response_timeout, config.trunk_progress_timeout),
            )
            silent = result.leg is None and result.outcome is Outcome.FAILED and result.status == 408
            if silent or (result.leg is None and result.status == 503):
                wait = self._leg.retry_after if self._leg is not None else 0
                trunks.call_failed(trunk, self._servers[self._at], wait)
            if not silent or self._at + 1 >= len(self._servers):
                return result
            self._at += 1

    def _invite(self) -> Callable[[bytes, Leg], InviteSession]:
        call, trunk, sent = self._call, self._step.trunk, self._sent
        first, *others = self._servers[self._at :]

        def invite(offer: bytes, leg: Leg) -> InviteSession:
            """Call by the trunk's server whose turn it is."""
            self._leg = leg
            return call.equipment.sip.invite(
                sent.uri,
                from_=sent.from_,
                sdp=offer,
                listener=leg,
                destination=first,
                headers=sent.headers,
                credentials=trunk.credentials,
                contact_user=trunk.username,
                max_forwards=call.hops_left,
                alternatives=others,
                on_failover=self._failed_over,
            )

        return invite

    def _failed_over(self, server: Address, _status: int, retry_after: int) -> bytes | None:
        self._at += 1
        self._call.equipment.trunks.call_failed(self._step.trunk, server, retry_after)
        return self._leg.offer_towards(self._servers[self._at]) if self._leg is not None else None
