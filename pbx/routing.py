"""Where a call goes: pure decisions over a snapshot of the directory, each with the lines that explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from core.phone_numbers import NumberKind, classify
from pbx import forwarding, numbers, outbound_routes
from pbx.entries import Conference, DestinationKind, Extension, InboundNumber
from pbx.explanation import Explanation
from pbx.forwarding import MOST_FORWARDS, Diversion, ForwardReason, Way
from pbx.numbers import DialledKind
from pbx.outbound_routes import LocalTime, OutboundStep
from pbx.outcomes import Outcome
from pbx.service_codes import SERVICE_CODES, ServiceCode
from pbx.snapshot import Snapshot
from pbx.supervision import SUPERVISION_CODES, SuperviseMode
from sip.uri import without_parameters

_PICK_UP: Final = "*8"


@dataclass(slots=True, frozen=True)
class ToExtension:
    """Ring this extension; forwarding of all calls has been followed, by the way."""

    extension: Extension
    explanation: Sequence[str] = field(default=(), compare=False)
    way: Way = ()


@dataclass(slots=True, frozen=True)
class ToOwnPhones:
    """Ring the other phones of the extension that calls its own number."""

    extension: Extension
    explanation: Sequence[str] = field(default=(), compare=False)


@dataclass(slots=True, frozen=True)
class ToOutside:
    """Send the call out to `number` (E.164) by the first of `steps` that takes it."""

    number: str
    steps: Sequence[OutboundStep]
    explanation: Sequence[str] = field(default=(), compare=False)
    way: Way = ()


@dataclass(slots=True, frozen=True)
class ToInboundNumber:
    """Treat it as a call to one of the company's own public numbers."""

    entry: InboundNumber
    explanation: Sequence[str] = field(default=(), compare=False)
    way: Way = ()


@dataclass(slots=True, frozen=True)
class ToPickUp:
    """Take over a ringing call: of `extension`, or of anyone when it is empty."""

    extension: str
    explanation: Sequence[str] = field(default=(), compare=False)


@dataclass(slots=True, frozen=True)
class ToService:
    """Change a setting of the caller's own extension, and say so."""

    code: ServiceCode
    argument: str = ""
    explanation: Sequence[str] = field(default=(), compare=False)


@dataclass(slots=True, frozen=True)
class ToConference:
    """Let the caller into a conference's room."""

    room: Conference
    explanation: Sequence[str] = field(default=(), compare=False)


@dataclass(slots=True, frozen=True)
class ToSupervision:
    """Let the caller hear the call of `extension`, and what else the mode says."""

    extension: str
    mode: SuperviseMode
    explanation: Sequence[str] = field(default=(), compare=False)


@dataclass(slots=True, frozen=True)
class Refused:
    """The call cannot go there: end it with this SIP status."""

    status: int
    reason: str
    explanation: Sequence[str] = field(default=(), compare=False)
    outcome: Outcome | None = field(default=None, compare=False)
    """What the caller is told, where that is not what the status means."""


Decision = (
    ToExtension
    | ToOwnPhones
    | ToOutside
    | ToInboundNumber
    | ToPickUp
    | ToService
    | ToConference
    | ToSupervision
    | Refused
)


def route(
    snapshot: Snapshot,
    dialled: str,
    *,
    country: str,
    from_extension: str = "",
    at: LocalTime | None = None,
    lines: Explanation | None = None,
) -> Decision:
    """Decide where a call that one of ours dialled goes.

    Args:
        snapshot: the directory to decide by.
        dialled: what was dialled.
        country: the company's, ISO 3166-1 alpha-2.
        from_extension: who dials; empty where it is no extension (a forwarding, an administrator's test).
        at: the company's local time, for routes that have hours; None: they count as open.
        lines: takes the explanation; None: the decision's own.
    """
    lines = Explanation() if lines is None else lines
    lines.append(f"dialled “{dialled[:40]}”" + (f" from {from_extension}" if from_extension else ""))
    unnamed = numbers.without_privacy(dialled)
    if unnamed is not None:
        lines.append("the caller's number is withheld for this call")
        dialled = unnamed
    read = numbers.read(dialled, country)
    if read.kind is DialledKind.STAR:
        return _by_star_code(snapshot, read.number, read.argument, from_extension, lines)
    if read.kind is DialledKind.SHORT:
        if read.number in snapshot.extensions:
            return _to_extension(snapshot, read.number, country, from_extension, lines, at=at)
        if read.number in snapshot.conferences:
            lines.append(f"{read.number} is the room of a conference")
            return ToConference(snapshot.conferences[read.number], lines)
        lines.append(f"{read.number} is no extension")
        read = numbers.public(read.number, country) or read
    login = snapshot.logins.get(without_parameters(dialled)) if read.kind is not DialledKind.PUBLIC else None
    if login is not None and login.extension in snapshot.extensions:
        lines.append(f"{dialled} signs in for extension {login.extension}")
        return _to_extension(snapshot, login.extension, country, from_extension, lines, at=at)
    if read.kind is not DialledKind.PUBLIC:
        lines.append("no extension and no possible public number: 404")
        return Refused(404, "Unknown number", lines)
    lines.append(f"read as the public number {read.number} ({country})")
    return _to_public(snapshot, read.number, lines, country=country, payer=from_extension, at=at)


def _by_star_code(snapshot: Snapshot, code: str, argument: str, from_extension: str, lines: Explanation) -> Decision:
    if code == _PICK_UP:
        lines.append("star code *8: pick up " + (f"a call of {argument}" if argument else "any ringing call"))
        return ToPickUp(argument, lines)
    service = SERVICE_CODES.get(code)
    if service is not None:
        lines.append(f"star code {code} changes a setting of the caller's extension")
        return ToService(service, argument, lines)
    mode = SUPERVISION_CODES.get(code)
    if mode is not None and argument in snapshot.extensions:
        supervisor = snapshot.extensions.get(from_extension)
        if supervisor is None or not supervisor.supervises or argument == from_extension:
            lines.append(f"{from_extension or 'this caller'} may not supervise {argument}: 403")
            return Refused(403, "Not allowed to supervise", lines, Outcome.NOT_ALLOWED)
        lines.append(f"star code {code}: {mode} in the call of {argument}")
        return ToSupervision(argument, mode, lines)
    lines.append(f"{code} is no code that can be dialled: 404")
    return Refused(404, "Unknown code", lines)


def route_onward(
    snapshot: Snapshot,
    target: str,
    *,
    country: str,
    from_extension: str,
    way: Way,
    reason: ForwardReason | str,
    at: LocalTime | None = None,
    lines: Explanation | None = None,
) -> Decision:
    """Decide where a call goes that the last one on its way, an extension or a carrier's number, sends on.

    Args:
        snapshot: the directory to decide by.
        target: an extension or a public number.
        country: the company's.
        from_extension: who called, so that nobody is led to their own phone.
        way: who sent the call on so far, with the one who does it now as the last.
        reason: why, for the explanation.
        at, lines: as `route`.
    """
    by = forwarding.forwarder(way)
    lines = Explanation() if lines is None else lines
    sender = f"{'' if way[-1].outside else 'extension '}{way[-1].number}"
    lines.append(f"{sender} sends the call on to {target} ({reason})")
    passed = [diversion.number for diversion in way]
    if len(way) > MOST_FORWARDS or target in passed or (target and target == from_extension):
        lines.append(f"that goes round in circles ({' → '.join([*passed, target])}): 482")
        return Refused(482, "Loop detected: forwarding goes round in circles", lines)
    if target in snapshot.extensions:
        return _to_extension(snapshot, target, country, from_extension, lines, way, at=at)
    public = numbers.public(target, country)
    if public is None:
        lines.append(f"{target} is no extension any more: 404")
        return Refused(404, "Forwarded to an unknown number", lines)
    if classify(public.number, country) is NumberKind.PREMIUM:
        lines.append(f"{public.number} is a premium number, to which no call is sent on: 403")
        return Refused(403, "Not sent on to a premium number", lines, Outcome.NOT_ALLOWED)
    return _to_public(snapshot, public.number, lines, way, country=country, payer=by or from_extension, at=at)


def route_inbound(snapshot: Snapshot, dialled: str, *, country: str, lines: Explanation | None = None) -> Decision:
    """Decide where a call from a trunk goes: only to the company's own numbers, never out again by itself."""
    lines = Explanation() if lines is None else lines
    lines.append(f"a trunk asks for “{dialled[:40]}”")
    read = numbers.public(dialled, country)
    if read is not None:
        lines.append(f"read as the public number {read.number} ({country})")
    entry = snapshot.number_for(read.number if read else dialled)
    if entry is None:
        lines.append("no inbound number is set up for it: 404")
        return Refused(404, "Unknown number", lines)
    lines.append(f"inbound number {entry.number} leads to {entry.kind} {entry.target}")
    return ToInboundNumber(entry, lines)


def _to_extension(
    snapshot: Snapshot,
    number: str,
    country: str,
    from_extension: str,
    lines: Explanation,
    way: Way = (),
    *,
    at: LocalTime | None,
) -> Decision:
    extension = snapshot.extensions[number]
    if not extension.enabled:
        lines.append(f"extension {number} is switched off: 480")
        return Refused(480, "Switched off", lines)
    if number == from_extension:
        lines.append(f"{number} calls itself: its other phones are rung; 482 where there are none")
        return ToOwnPhones(extension, lines)
    forward = forwarding.at_once(extension)
    if forward is not None:
        target, reason = forward
        way = (*way, Diversion(number, reason))
        return route_onward(
            snapshot,
            target,
            country=country,
            from_extension=from_extension,
            way=way,
            reason=reason,
            at=at,
            lines=lines,
        )
    if extension.do_not_disturb:
        lines.append(f"extension {number} does not want to be disturbed: 480")
        return Refused(480, "Do not disturb", lines, Outcome.DO_NOT_DISTURB)
    lines.append(f"extension {number} ({extension.name}) is rung")
    return ToExtension(extension, lines, way)


def _to_public(
    snapshot: Snapshot,
    number: str,
    lines: Explanation,
    way: Way = (),
    *,
    country: str,
    payer: str,
    at: LocalTime | None,
) -> Decision:
    own = snapshot.number_for(number)
    if own is not None:
        lines.append(f"{number} is the company's own number: stays inside")
        if own.kind is DestinationKind.NUMBER:
            lines.append(f"it leads outside to {own.target}")
        return ToInboundNumber(own, lines, way)
    found = outbound_routes.find(snapshot, number, country=country, payer=payer, at=at, lines=lines)
    if found.steps:
        return ToOutside(number, found.steps, lines, way)
    if found.withheld:
        lines.append(f"no route to {number} is open to this call: 403")
        return Refused(403, "Not allowed to call there", lines, Outcome.NOT_ALLOWED)
    lines.append(f"no route leads to {number}: 404")
    return Refused(404, "No route to this number", lines)


def _to_conference(snapshot: Snapshot, entry: InboundNumber, lines: Explanation) -> Decision:
    room = snapshot.conferences.get(entry.target)
    if room is None:
        lines.append(f"conference {entry.target} does not exist: 404")
        return Refused(404, "Its conference is gone", lines)
    lines.append(f"{entry.number} leads to the conference {entry.target}")
    return ToConference(room, lines)


def reach_inbound_target(
    snapshot: Snapshot,
    entry: InboundNumber,
    *,
    country: str,
    way: Way = (),
    at: LocalTime | None = None,
    lines: Explanation | None = None,
) -> Decision | str:
    """Decide what an inbound number's destination means; a flow is returned by its name."""
    lines = Explanation() if lines is None else lines
    match entry.kind:
        case DestinationKind.FLOW:
            return entry.target
        case DestinationKind.CONFERENCE:
            return _to_conference(snapshot, entry, lines)
        case DestinationKind.EXTENSION:
            if entry.target not in snapshot.extensions:
                lines.append(f"extension {entry.target} does not exist: 404")
                return Refused(404, "Its extension is gone", lines)
            lines.append(f"{entry.number} leads to {entry.target}")
            return _to_extension(snapshot, entry.target, country, "", lines, way, at=at)
        case DestinationKind.NUMBER:
            if snapshot.number_for(entry.target) is not None:
                lines.append(f"{entry.number} leads to an own number: 482")
                return Refused(482, "Loop detected", lines)
            lines.append(f"{entry.number} leads outside to {entry.target}")
            payer = forwarding.forwarder(way)
            return _to_public(snapshot, entry.target, lines, way, country=country, payer=payer, at=at)
