"""Ringing one or several devices at once: the first that answers wins, the others are told so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from core.events import PartyRole
from pbx.bridge import Bridge
from pbx.entries import Conference
from pbx.equipment import Equipment
from pbx.leg import Leg
from pbx.outcomes import Outcome, best_response, of_phones
from pbx.party import Party
from sip.address import Address
from sip.codecs import Codec
from sip.session import InviteSession
from sip.uri import Uri

_GLOBAL_FAILURE: Final = 600


class Attempt(msgspec.Struct, frozen=True):
    """One device or trunk to be rung."""

    party: Party
    role: PartyRole
    invite: Callable[[bytes, Leg], InviteSession]
    """Sends the INVITE with the given offer; the leg listens."""
    way: Address | None = None
    """Where the INVITE goes; None: not known."""


class DialResult(msgspec.Struct, frozen=True):
    """Who answered, or why nobody did."""

    leg: Leg | None = None
    outcome: Outcome = Outcome.UNAVAILABLE
    status: int = 0
    """The final SIP status that said so, or 0."""
    cause: str = ""
    """The Reason header that came with it."""
    redirects: tuple[Uri, ...] = ()
    """Where a phone sent the call instead (3xx)."""
    room: Conference | None = None
    """A conference's room, which nobody has to answer for."""

    @property
    def reached(self) -> Leg:
        """The leg that answered; only to be asked where there is one."""
        if self.leg is None:
            raise RuntimeError("nobody answered")
        return self.leg


class Patience(msgspec.Struct, frozen=True):
    """How long a trunk may take to show that it works on a call, in seconds."""

    response: float
    """For any response, be it 100: without one it is down."""
    progress: float
    """From then on for one that tells of progress: setting up a call abroad can take long."""


class Dialling:
    """The legs being rung at one time, and what the one who waits hears of it."""

    def __init__(self, equipment: Equipment, listener: Leg | None) -> None:
        """Begin with nothing rung.

        Args:
            equipment: what calls work with.
            listener: the leg that waits; None when nobody does.
        """
        self._equipment = equipment
        self._listener = listener
        self._decided = False
        self._winner: Leg | None = None
        self._sign = False
        self._wants_sign = False
        self._waiter: asyncio.Future[None] | None = None
        self._early: Bridge | None = None
        self._started = False
        self.legs: list[Leg] = []
        self.statuses: list[int] = []
        self.cause = ""
        """The Reason header of the one who gave up, which those who ring are told (RFC 3326)."""
        self._redirects: tuple[Uri, ...] = ()
        self._causes: dict[int, str] = {}

    @property
    def favourite(self) -> Codec | None:
        """What the one who waits has to be spoken to in; None where anything that we decode will do."""
        return self._listener.media.favourite if self._listener is not None else None

    @property
    def ringing(self) -> bool:
        """Whether the answer is still open."""
        return not self._decided

    def started(self) -> None:
        """Take note that all legs were opened, of which some may have failed already."""
        self._started = True
        self._finish_if_all_failed()

    def ringing_heard(self) -> None:
        """A device rings: let the one who waits know."""
        self._note_sign()
        listener = self._listener
        if listener is None or not listener.alive or self._early is not None:
            return
        if listener.answered or listener.media.agreed is not None:
            # Where an earlier trunk has opened the voice before its failure, a 180 would be heard by nobody.
            if not listener.playing:
                listener.play(self._equipment.prompts.ringback(self._equipment.country), loop=True)
        else:
            listener.ring()

    def early_media_heard(self, leg: Leg) -> None:
        """The other side sends voice before the answer: let the one who waits hear it, if only one is rung."""
        listener = self._listener
        if len(self.legs) > 1 or listener is None or not listener.open_early(like=leg.media.speaks):
            self.ringing_heard()
            return
        self._note_sign()
        if self._early is None:
            listener.stop_playing()
            self._early = Bridge(self._equipment, listener, leg)
            self._early.connect()

    def surrender(self) -> list[Leg]:
        """Give away the legs that ring: they ring on elsewhere, and nobody waits for them here any more."""
        if self._early is not None:
            self._early.cut()
            self._early = None
        legs = [leg for leg in self.legs if leg.alive]
        self.legs = []
        return legs

    def give_up(self) -> None:
        """Ring no more: nobody waits for the answer."""
        self._stop()

    def answered(self, leg: Leg) -> None:
        """A leg of ours, or one that picks the call up, was answered."""
        if self.ringing:
            self._decide(leg)
        else:
            leg.hang_up(elsewhere=True)

    def ended(self, status: int, leg: Leg | None = None) -> None:
        """A leg failed with a final SIP status, or could not even be opened.

        6xx speaks for all (RFC 3261 section 21.6). So does a phone that sends the call on: its user decided, and the others would ring
        on for a call that is being taken elsewhere.
        """
        self.statuses.append(status)
        if leg is not None and self.ringing:
            if leg.cause:
                self._causes[status] = leg.cause
            self._redirects = leg.redirects
        if self.ringing and (status >= _GLOBAL_FAILURE or self._redirects):
            self._decide(None)
        self._finish_if_all_failed()

    async def result(self, seconds: float, patience: Patience | None = None) -> DialResult:
        """Wait for the answer, until all failed or the time is over; then only the winner is left.

        Args:
            seconds: how long it may ring.
            patience: how long to wait for signs of life, if that matters; without them the status is 408.
        """
        try:
            if patience is not None and not await self._lives(patience):
                return DialResult(outcome=Outcome.FAILED, status=408)
            if self.ringing:
                await self._wait(seconds)
            if self.ringing:
                return DialResult(outcome=Outcome.NO_ANSWER, status=480)
            if self._winner is not None:
                return DialResult(self._winner)
            status = best_response(self.statuses)
            return DialResult(
                outcome=of_phones(self.statuses),
                status=status,
                cause=self._causes.get(status, ""),
                redirects=self._redirects,
            )
        finally:
            self._stop()

    async def _lives(self, patience: Patience) -> bool:
        if await self._sign_within(patience.response):
            return True
        return any(leg.heard for leg in self.legs) and await self._sign_within(patience.progress)

    async def _sign_within(self, seconds: float) -> bool:
        if self.ringing and not self._sign:
            self._wants_sign = True
            try:
                await self._wait(seconds)
            finally:
                self._wants_sign = False
        return self._sign or not self.ringing

    async def _wait(self, seconds: float) -> None:
        """Wait until there is a decision, or a sign where one is wanted, or the time is over."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _note_sign(self) -> None:
        self._sign = True
        if self._wants_sign:
            self._wake()

    def _decide(self, winner: Leg | None) -> None:
        self._decided, self._winner = True, winner
        self._wake()

    def _finish_if_all_failed(self) -> None:
        if self._started and self.ringing and not any(leg.alive for leg in self.legs):
            self._decide(None)

    def _stop(self) -> None:
        """Leave only the winner; whoever answers from now on comes too late."""
        if self.ringing:
            self._decide(None)
        winner = self._winner
        if self._early is not None:
            self._early.cut()
        if self._listener is not None:
            self._listener.stop_playing()
        for leg in self.legs:
            if leg is not winner:
                leg.hang_up("No longer wanted", elsewhere=winner is not None, cause=self.cause)
