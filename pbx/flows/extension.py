"""Ringing an extension: all its phones at once, until one answers."""

from __future__ import annotations

from collections.abc import Callable

from core.events import PartyRole
from pbx import identity
from pbx.call import Call
from pbx.dialling import Attempt, DialResult
from pbx.entries import Extension
from pbx.equipment import Equipment
from pbx.leg import Leg
from pbx.outcomes import Outcome
from pbx.party import Party
from sip.address import Address
from sip.binding import Binding
from sip.message import Headers
from sip.session import InviteSession
from sip.uri import NameAddress, Uri


async def ring_extension(
    call: Call,
    extension: Extension,
    *,
    listener: Leg | None,
    shown: Party,
    headers: Headers = (),
    insist: bool = False,
) -> DialResult:
    """Ring every registered phone of the extension for as long as it or the company says; one that calls its own number, all but that one.

    Args:
        call: the call the phones are rung for.
        extension: who is rung; the forwarding of all calls was followed before.
        listener: the leg that waits.
        shown: whom the phones show as the caller.
        headers: what else the phones are told.
        insist: ring although a call goes on there and the extension wants no second one.
    """
    equipment = call.equipment
    own = listener is not None and listener.incoming and listener.party.extension == extension.number
    if not insist and not own and not extension.call_waiting and equipment.occupied(extension.number):
        return DialResult(outcome=Outcome.BUSY, status=486)
    attempts = phones(call, extension, shown, headers, but=listener if own else None)
    if not attempts:
        return DialResult(outcome=Outcome.LOOP if own else Outcome.UNAVAILABLE, status=482 if own else 480)
    patience = extension.forward_no_answer_seconds if extension.forward_no_answer_to else 0
    call.ringing_extension = extension.number
    try:
        return await call.dial(attempts, seconds=patience or equipment.company.settings.ring_seconds, listener=listener)
    finally:
        call.ringing_extension = ""


def phones(
    call: Call, extension: Extension, shown: Party, headers: Headers = (), *, but: Leg | None = None
) -> list[Attempt]:
    """Return one attempt for each phone the extension has registered, but for the one that has a leg."""
    equipment = call.equipment
    party = Party(extension.number, extension.name, extension=extension.number)
    attempts = []
    for username in equipment.directory.snapshot.usernames.get(extension.number, ()):
        for binding in equipment.sip.targets(username):
            if but is not None and _has(binding, but):
                continue
            way = equipment.sip.way_to(binding)
            invite = _invite(equipment, extension, username, binding, way, shown, call.hops_left, headers)
            attempts.append(Attempt(party, PartyRole.AGENT, invite, way=way))
    return attempts


def _has(binding: Binding, leg: Leg) -> bool:
    """Tell whether a leg is of the phone at a binding: it came from the same place, or names the same contact."""
    session = leg.session
    return binding.source == tuple(session.source) or any(
        contact.uri == binding.uri for contact in session.request.contacts
    )


def _invite(
    equipment: Equipment,
    extension: Extension,
    username: str,
    binding: Binding,
    way: Address,
    shown: Party,
    hops: int,
    headers: Headers,
) -> Callable[[bytes, Leg], InviteSession]:
    domain = equipment.config.domain

    def invite(offer: bytes, leg: Leg) -> InviteSession:
        """Ring the phone at this binding."""
        return equipment.sip.invite(
            binding.uri,
            from_=identity.shown(shown, domain),
            to=NameAddress(extension.name, Uri("sip", extension.number, domain)),
            sdp=offer,
            listener=leg,
            destination=way,
            alternatives=equipment.sip.other_flows(username, binding),
            headers=[*[("Route", path) for path in binding.path], *headers],
            symmetric=True,
            max_forwards=hops,
        )

    return invite
