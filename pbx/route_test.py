"""Where a call would go and why, line by line: told by the code that routes calls, with the trunks as they are now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pbx import numbers, outbound_call, routing
from pbx.entries import Trunk
from pbx.equipment import Equipment
from pbx.errors import InvalidEntryError
from pbx.explanation import Explanation
from pbx.forwarding import Way, forwarder
from pbx.outbound_routes import LocalTime, OutboundStep
from pbx.party import Party
from pbx.routing import (
    Decision,
    Refused,
    ToConference,
    ToExtension,
    ToInboundNumber,
    ToOutside,
    ToOwnPhones,
    ToPickUp,
    ToService,
    ToSupervision,
)
from pbx.snapshot import Snapshot
from sip.address import Address

_MOST_OWN_NUMBERS = 8
"""Own numbers that lead to each other before it counts as going round in circles."""


@dataclass(slots=True, frozen=True)
class Grounds:
    """What a decision is made by."""

    snapshot: Snapshot
    country: str
    """The company's, ISO 3166-1 alpha-2."""
    domain: str
    """Our own, in From."""
    local_time: LocalTime
    refusal: Callable[[Trunk], str]
    """Returns why no call may be sent to a trunk now, or an empty string."""
    servers: Callable[[Trunk], Awaitable[list[Address]]]
    """Returns the servers to send a call to, best first."""
    phones: Callable[[str], int] | None
    """Returns how many phones of an extension are registered; None where that is not known."""

    @classmethod
    def of(cls, equipment: Equipment) -> Grounds:
        """Return the grounds on which calls are routed now."""
        snapshot = equipment.directory.snapshot

        def phones(extension: str) -> int:
            """Count the phones that are registered for an extension."""
            return sum(len(equipment.sip.bindings(username)) for username in snapshot.usernames.get(extension, ()))

        trunks = equipment.trunks
        domain = equipment.config.domain
        return cls(snapshot, equipment.country, domain, equipment.local_time, trunks.refusal, trunks.servers, phones)


@dataclass(slots=True, frozen=True)
class TrunkTry:
    """One trunk on the way of a call."""

    trunk: str
    route: str
    usable: bool
    reason: str
    """Why it would be skipped; empty where it would not."""
    request_uri: str
    caller_id: str
    asserted_identity: bool
    servers: Sequence[str]
    """Where the INVITE would go, in this order."""


RouteResult = Literal["extension", "outside", "flow", "pick_up", "conference", "supervision", "service", "refused"]
"""What takes a call."""


@dataclass(slots=True, frozen=True)
class RouteTest:
    """What would become of a call."""

    result: RouteResult
    target: str
    """The extension, the E.164 number, the flow, the room or the star code; empty where it is refused."""
    status: int
    """The SIP status of a refusal, else 0."""
    tries: Sequence[TrunkTry]
    """The trunks in the order in which they would be tried."""
    lines: Sequence[str]


async def explain(grounds: Grounds, dialled: str, *, from_extension: str = "", trunk: str = "") -> RouteTest:
    """Decide as for a call, without making one.

    Args:
        grounds: what is decided by.
        dialled: the number as it would be dialled, or as a trunk would ask for it.
        from_extension: who would dial.
        trunk: by which trunk the call would come in; empty for a call of ours.

    Raises:
        InvalidEntryError: there is no such extension or trunk, or both are named.
    """
    snapshot, country, at = grounds.snapshot, grounds.country, grounds.local_time
    if from_extension and trunk:
        raise InvalidEntryError(
            "from_extension: a call that a trunk brings is dialled by no extension; name one of the two."
        )
    if from_extension and from_extension not in snapshot.extensions:
        raise InvalidEntryError(f"from_extension: there is no extension “{from_extension[:20]}”.")
    if trunk and trunk not in snapshot.trunks:
        raise InvalidEntryError(f"trunk: there is no trunk “{trunk[:64]}”.")
    lines = Explanation(thorough=True)
    decision: Decision | str
    if trunk:
        decision = routing.route_inbound(snapshot, dialled, country=country, lines=lines)
    else:
        decision = routing.route(snapshot, dialled, country=country, from_extension=from_extension, at=at, lines=lines)
    for _ in range(_MOST_OWN_NUMBERS):
        if not isinstance(decision, ToInboundNumber):
            break
        decision = routing.reach_inbound_target(
            snapshot, decision.entry, country=country, way=decision.way, at=at, lines=lines
        )
        if isinstance(decision, str) and not trunk:
            lines.append(f"the flow {decision} answers outside calls only: 404")
            decision = Refused(404, "A flow answers outside calls only", lines)
    caller = _caller(snapshot, from_extension, private=numbers.without_privacy(dialled) is not None)
    return await _told(grounds, decision, caller, lines)


async def _told(grounds: Grounds, decision: Decision | str, caller: Party, lines: Explanation) -> RouteTest:
    tries: list[TrunkTry] = []
    status = 0
    result: RouteResult
    match decision:
        case ToExtension(extension) | ToOwnPhones(extension):
            result, target = "extension", extension.number
            _tell_phones(grounds, extension.number, lines)
        case ToOutside(number):
            result, target = "outside", number
            if by := forwarder(decision.way):
                lines.append(f"extension {by} pays, which sent the call on")
            tries = [await _try(grounds, step, caller, decision.way, lines) for step in decision.steps]
            if not any(one.usable for one in tries):
                lines.append("no trunk can take the call now: 503")
        case ToPickUp(extension=whose):
            result, target = "pick_up", whose
        case ToConference(room):
            result, target = "conference", room.number
        case ToSupervision(extension=whose):
            result, target = "supervision", whose
        case ToService(code):
            result, target = "service", code.value
        case Refused(status):
            result, target = "refused", ""
        case ToInboundNumber(entry):
            result, target, status = "refused", "", 482
            lines.append(f"{entry.number} leads round in circles: 482")
        case flow:
            result, target = "flow", flow
            lines.append(f"the flow {flow} takes the call")
    return RouteTest(result, target, status, tries, lines)


def _tell_phones(grounds: Grounds, extension: str, lines: Explanation) -> None:
    if grounds.phones is None:
        lines.append("whether its phones are registered is not known")
        return
    count = grounds.phones(extension)
    lines.append(f"phones of it that are registered: {count}" if count else "no phone of it is registered: 480")


async def _try(grounds: Grounds, step: OutboundStep, caller: Party, way: Way, lines: Explanation) -> TrunkTry:
    trunk = step.trunk
    reason = grounds.refusal(trunk)
    servers = [] if reason else await grounds.servers(trunk)
    if not reason and not servers:
        reason = "has no server that is known"
    sent = outbound_call.prepare(step, grounds.snapshot, caller, way, country=grounds.country, domain=grounds.domain)
    if reason:
        lines.append(f"trunk {trunk.name} {reason}: skipped")
    else:
        lines.append(f"trunk {trunk.name} takes calls: INVITE {sent.uri} to {outbound_call.sent_to(servers)}")
        lines.append(f"  From {sent.from_.uri} ({sent.shown.number}: {sent.shown.reason})")
        lines.extend(f"  {name}: {value}" for name, value in sent.headers)
        if trunk.codecs:
            lines.append(f"  codecs {', '.join(trunk.codecs)}")
    return TrunkTry(
        trunk.name,
        step.route.name,
        usable=not reason,
        reason=reason,
        request_uri=str(sent.uri),
        caller_id=sent.shown.number,
        asserted_identity=trunk.asserted_identity,
        servers=[str(server) for server in servers],
    )


def _caller(snapshot: Snapshot, extension: str, *, private: bool) -> Party:
    entry = snapshot.extensions.get(extension)
    return Party(extension, entry.name if entry else "", extension=extension, private=private)
