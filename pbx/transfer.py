"""Transfers of a call: blind, by joining two calls, and by consulting first.

Each returns the leg that the party who was kept talks with from now on: the new one, the old one when the transfer failed, or None
when nobody is left to talk with.
"""

from __future__ import annotations

import asyncio
import enum
from typing import Any, Final

import structlog

from core.events import CallTransferred, TransferKind, TransferResult
from core.identifiers import new_id
from pbx.bridge import Bridge
from pbx.call import Call
from pbx.dialling import DialResult
from pbx.entries import Conference
from pbx.flows.extension import ring_extension
from pbx.flows.reach import reach
from pbx.leg import Leg
from pbx.outcomes import ENDINGS, Outcome
from pbx.requests import (
    CancelTransfer,
    CompleteTransfer,
    LegGone,
    ReplaceLeg,
    Report,
    Request,
    TransferBlind,
    TransferJoin,
    TransferRinging,
)
from pbx.verbs import KEY_END
from sip.uri import Uri

log = structlog.get_logger(__name__)

_GIVEN_UP: Final = (487, "The caller gave up")
_BUSY: Final = 491
"""A transfer asked for while another is under way (RFC 3261 section 21.4.27)."""


async def blind(call: Call, kept: Leg, request: TransferBlind) -> Leg | None:
    """Dial the target on behalf of the one who asks, who need not stay; on failure the kept party comes back."""
    by, target = request.by, request.target
    own = Uri("sip", by.party.extension, call.equipment.config.domain)
    _keep(call, kept)

    def told() -> None:
        """Tell the one who asked that the target rings."""
        call.on_ringing = None
        request.report(180, "Ringing")

    call.on_ringing = told
    try:
        result = await reach(
            call,
            target,
            listener=kept,
            shown=kept.party,
            as_extension=by.party.extension,
            referred_by=request.referred_by or (f"<{own}>" if own.user else ""),
        )
    except asyncio.CancelledError:
        request.report(*_GIVEN_UP)
        raise
    finally:
        call.on_ringing = None
    result = _audible(kept, result)
    if result.room is not None:
        into_room(call, kept, by, result.room, request.report, kind=TransferKind.BLIND)
        return None
    note(call, TransferKind.BLIND, by, target, result)
    return await _finish(call, kept, by, result, request.report)


def into_room(
    call: Call,
    kept: Leg,
    by: Leg,
    room: Conference,
    report: Report,
    *,
    kind: TransferKind = TransferKind.ATTENDED,
    other_call_id: str = "",
) -> None:
    """Have the kept party go to a conference, once the conversation is over; the one who transfers it leaves."""
    kept.stop_playing()
    call.vital = (kept,)
    call.room = room
    note(call, kind, by, room.number, DialResult(room=room), other_call_id=other_call_id)
    report(200, "OK")
    by.dismiss("Transferred")


async def ringing(call: Call, kept: Leg, request: TransferRinging) -> Leg | None:
    """Let the kept party wait for whom `request.by` was ringing; on failure it comes back."""
    config, settings = call.equipment.config, call.equipment.company.settings
    outside = any(leg.party.trunk for leg in request.dialling.legs)
    _keep(call, kept)
    request.report(180, "Ringing")
    try:
        seconds = config.outside_ring_seconds if outside else settings.ring_seconds
        result = await call.ring_on(request.dialling, seconds=seconds)
    except asyncio.CancelledError:
        request.report(*_GIVEN_UP)
        raise
    result = _audible(kept, result)
    note(call, TransferKind.ATTENDED, request.by, request.target, result, other_call_id=request.other_call_id)
    return await _finish(call, kept, request.by, result, request.report)


def _audible(kept: Leg, result: DialResult) -> DialResult:
    """Return what became of the dialling, a failure where the kept party and who was reached would not hear each other."""
    if result.leg is not None and not kept.understands(result.leg):
        result.leg.hang_up(ENDINGS[Outcome.NO_MEDIA].reason)
    elif result.room is None or not kept.media.passed:
        return result
    log.warning("transfer_without_codec", leg_id=kept.id, codec=kept.media.codec)
    return DialResult(outcome=Outcome.NO_MEDIA, status=ENDINGS[Outcome.NO_MEDIA].status)


async def refused(call: Call, kept: Leg, request: TransferJoin) -> Leg | None:
    """Refuse to join parties who would not hear each other; the kept party comes back."""
    call.vital = (kept,)
    failed = DialResult(outcome=Outcome.NO_MEDIA)
    other = request.consulted.owner
    note(call, TransferKind.ATTENDED, request.by, request.consulted.party.number, failed, other_call_id=other.id)
    return await _finish(call, kept, request.by, failed, request.report)


def _keep(call: Call, kept: Leg) -> None:
    """Let the call end with the kept party alone, who hears ringing."""
    call.vital = (kept,)
    kept.play(call.equipment.prompts.ringback(call.equipment.country), loop=True)


async def _finish(call: Call, kept: Leg, by: Leg, result: DialResult, report: Report) -> Leg | None:
    if result.leg is not None:
        report(200, "OK")
        by.dismiss("Transferred")
        return result.leg
    ending = ENDINGS[result.outcome]
    report(ending.status, ending.reason)
    return await back(call, kept, by)


async def back(call: Call, kept: Leg, by: Leg) -> Leg | None:
    """Return the kept party to the one who wanted to transfer: to the leg, or, when that is gone, to the extension."""
    if by.alive:
        await call.play("transfer_failed", by)
        if by.alive:
            return by
    extension = call.equipment.directory.snapshot.extensions.get(by.party.extension)
    if extension is not None:
        # The phone is rung whatever its user has forwarded: who transfers answers for the call.
        result = await ring_extension(call, extension, listener=kept, shown=kept.party, insist=True)
        if result.leg is None and result.outcome is Outcome.UNAVAILABLE:
            result = await reach(call, extension.number, listener=kept, shown=kept.party)
        if result.leg is not None:
            return result.leg
    kept.stop_playing()
    await call.play(ENDINGS[Outcome.FAILED].prompt, kept)
    return None


def join(call: Call, by: Leg, consulted: Leg, other: Call, report: Report) -> Leg | None:
    """Take the one who talks with `consulted` in the other call over into this one; the other call ends.

    None means that nobody talks there any more.
    """
    talk = other.conversation
    if talk is None or consulted not in talk.legs:
        report(481, "The consultation is over")
        return None
    target = next(leg for leg in talk.legs if leg is not consulted)
    if not target.alive:
        report(481, "The consultation is over")
        return None
    other.let_go(target)
    call.adopt(target)
    note(call, TransferKind.ATTENDED, by, target.party.number, DialResult(target), other_call_id=other.id)
    report(200, "OK")
    other.end("Transferred")
    # The other call's end, which comes a moment later, would be a BYE at once.
    consulted.dismiss("Transferred")
    return target


def note(call: Call, kind: TransferKind, by: Leg, target: str, result: DialResult, *, other_call_id: str = "") -> None:
    """Put what became of a transfer into the journal."""
    failed = result.leg is None and result.room is None
    call.note(
        CallTransferred(
            at=call.equipment.clock.now(),
            call_id=call.id,
            transfer_id=new_id(),
            kind=kind,
            result=TransferResult.FAILED if failed else TransferResult.COMPLETED,
            from_extension=by.party.extension,
            to_number=target if result.leg is None else result.leg.party.number,
            new_leg_id="" if result.leg is None else result.leg.id,
            other_call_id=other_call_id,
            sip_status=ENDINGS[result.outcome].status if failed else 0,
        )
    )
    call.changed("call.transferred")


def note_replaced(call: Call, old: Leg, new: Leg) -> None:
    """Put into the journal that another phone took a party's place (RFC 3891)."""
    note(call, TransferKind.ATTENDED, old, new.party.number, DialResult(new))


class _Wish(enum.Enum):
    """How a consultation is to end."""

    COMPLETE = "complete"
    CANCEL = "cancel"


class Consultation:
    """An agent talks to a colleague or an outside number while the customer hears music.

    Hanging up completes the transfer, also while it still rings; cancelling it, or the colleague's end, brings the customer back.
    """

    def __init__(self, call: Call, kept: Leg, by: Leg) -> None:
        self._call = call
        self._kept = kept
        self._by = by
        self._bridge: Bridge | None = None

    def hold_changed(self, leg: Leg) -> None:
        """Hear that the agent or the colleague holds, or does so no more."""
        if self._bridge is not None and leg in self._bridge:
            self._bridge.update()

    async def run(self, target: str) -> Leg | None:
        """Carry the consultation out.

        Args:
            target: whom to consult; empty: the agent is asked to dial it.
        """
        call = self._call
        call.vital = (self._kept,)
        self._kept.play(call.equipment.prompts.hold_music(), loop=True)
        target = target or await self._dialled()
        if not target:
            return await self._failed("", DialResult(outcome=Outcome.UNKNOWN_NUMBER))
        ringing = asyncio.ensure_future(
            reach(call, target, listener=self._by, shown=self._by.party, as_extension=self._by.party.extension)
        )
        try:
            cancelled = await self._wait_for(ringing) is _Wish.CANCEL
        finally:
            ringing.cancel()
            await asyncio.wait({ringing})
        result = DialResult() if ringing.cancelled() else ringing.result()
        if cancelled or result.leg is None:
            if result.leg is not None:
                result.leg.hang_up("The transfer was cancelled")
            return await self._failed(target, DialResult(outcome=result.outcome))
        return await self._talk(target, result.leg)

    async def _dialled(self) -> str:
        """Ask the agent for the target; empty when nothing came. An agent who leaves has dialled what there is."""
        config = self._call.equipment.config
        self._call.spawn(self._call.play("transfer_dial", self._by))
        dialling = asyncio.ensure_future(
            self._call.collect(self._by, first=config.transfer_dial_timeout, following=config.star_code_timeout)
        )
        try:
            left = await self._wait_for(dialling, until_left=True) is _Wish.COMPLETE
            if left and self._by.keys is not None:
                self._by.keys.put_nowait(KEY_END)
                await dialling
        finally:
            dialling.cancel()
            await asyncio.wait({dialling})
        dialled = "" if dialling.cancelled() else dialling.result()
        return "" if dialled.startswith("*") else dialled

    async def _wait_for(self, work: asyncio.Future[Any], *, until_left: bool = False) -> _Wish | None:
        """Wait until the work is done, or it is wished to end it; the agent's leaving does so with `until_left` only."""
        asked: asyncio.Future[Request] | None = None
        try:
            while True:
                asked = asyncio.ensure_future(self._call.inbox.get())
                await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
                wish = self._wish(asked.result(), None) if asked.done() else None
                if wish is _Wish.CANCEL or (until_left and wish is _Wish.COMPLETE):
                    return wish
                if work.done():
                    return None
        finally:
            if asked is not None:
                asked.cancel()

    async def _talk(self, target: str, colleague: Leg) -> Leg | None:
        """Let agent and colleague talk until one of them ends it."""
        call = self._call
        bridge = Bridge(call.equipment, self._by, colleague)
        if self._by.alive:
            self._by.stop_playing()
            bridge.connect()
            self._bridge = bridge
            call.changed("call.consulting")
        while self._by.alive and colleague.alive:
            wish = self._wish(await call.inbox.get(), colleague)
            if wish is _Wish.COMPLETE:
                break
            if wish is _Wish.CANCEL:
                colleague.hang_up("The transfer was cancelled")
        self._bridge = None
        bridge.cut()
        if not colleague.alive:
            return await self._failed(target, DialResult(outcome=Outcome.DECLINED))
        result = _audible(self._kept, DialResult(colleague))
        if result.leg is None:
            return await self._failed(target, result)
        note(call, TransferKind.ATTENDED, self._by, target, DialResult(colleague))
        self._by.hang_up("Transferred")
        return colleague

    def _wish(self, request: Request, colleague: Leg | None) -> _Wish | None:
        match request:
            case CompleteTransfer():
                if colleague is None:
                    # It still rings: the agent leaves, and the customer gets whoever answers.
                    self._by.hang_up("Transferred")
                return _Wish.COMPLETE
            case CancelTransfer():
                return _Wish.CANCEL
            case LegGone(leg) if leg is self._by:
                return _Wish.COMPLETE
            case LegGone(leg) if leg is colleague:
                return _Wish.CANCEL
            case TransferRinging(dialling=dialling):
                dialling.give_up()
                request.report(_BUSY, "Another transfer is under way")
            case TransferBlind() | TransferJoin():
                request.report(_BUSY, "Another transfer is under way")
            case ReplaceLeg(new=new):
                new.hang_up("A transfer is under way")
        return None

    async def _failed(self, target: str, result: DialResult) -> Leg | None:
        note(self._call, TransferKind.ATTENDED, self._by, target, result)
        return await back(self._call, self._kept, self._by)
