"""Real phones (pjsua2) on the bare stack, joined by the smallest call control that can pass a call on.

The voices go from phone to phone; what is tested is the signalling: digest, calls, hold, both transfers, and giving up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone, SoftPhoneError
from sip.address import Address
from sip.authentication import HA1s
from sip.binding import Binding
from sip.config import SipConfig
from sip.message import Request
from sip.session import InviteSession
from sip.session_events import (
    Answered,
    Cancelled,
    Ended,
    OfferAnswered,
    Offered,
    OfferRejected,
    Progressed,
    Referred,
    Rejected,
    SessionEvent,
)
from sip.stack import SipStack
from sip.transfer import Refer
from sip.uri import NameAddress

PASSWORD = "correct horse"


class Exchange:
    """Joins two sessions by passing on what each says; `stack` is set before the first call."""

    def __init__(self) -> None:
        self.stack: SipStack
        self.partners: dict[InviteSession, InviteSession] = {}
        self.referrals: dict[InviteSession, tuple[InviteSession, Refer]] = {}
        self.joining: dict[InviteSession, InviteSession] = {}

    def credentials(self, username: str) -> HA1s | None:
        return HA1s.derive(username, "ramal", PASSWORD) if username in ("1001", "1002", "1003") else None

    def identify_trunk(self, request: Request, source: Address) -> str | None:
        return None

    def registered(self, aor: str, bindings: Sequence[Binding]) -> None:
        return

    def invite_received(self, session: InviteSession) -> None:
        session.listener = self
        out = self.ring(session.request.uri.user, session, session.remote_offer)
        if out is None:
            session.reject(480)
        else:
            self.join(session, out)

    def ring(self, user: str, caller: InviteSession, sdp: bytes | None) -> InviteSession | None:
        bindings = self.stack.bindings(user)
        if not bindings:
            return None
        return self.stack.invite(
            bindings[0].uri,
            from_=NameAddress("", caller.remote_identity.uri),
            listener=self,
            sdp=sdp,
            destination=bindings[0].source,
            symmetric=True,
        )

    def join(self, one: InviteSession, other: InviteSession) -> None:
        self.partners[one], self.partners[other] = other, one

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Referred):
            self.transfer(session, event.refer)
            return
        if session in self.referrals:
            self.report(session, event)
        other = self.partners.get(session)
        if session in self.joining and isinstance(event, Offered) and event.sdp is not None:
            self.joining[session].offer(event.sdp)
        elif other is not None:
            self.pass_on(session, other, event)

    def pass_on(self, session: InviteSession, other: InviteSession, event: SessionEvent) -> None:
        match event:
            case Progressed():
                other.progress(event.status, sdp=event.sdp)
            case Answered():
                assert event.sdp is not None
                if other.established:
                    self.joining[session] = other
                    session.accept_offer(event.sdp)
                else:
                    other.answer(event.sdp)
            case Offered():
                other.offer(event.sdp)
            case OfferAnswered():
                self.joining.pop(other, None)
                other.accept_offer(event.sdp)
            case OfferRejected():
                other.reject_offer(event.status)
            case Rejected():
                other.hang_up(status=event.status)
            case Cancelled() | Ended():
                self.partners.pop(session, None)
                if self.partners.get(other) is session:
                    del self.partners[other]
                    other.hang_up()
            case _:
                pass

    def transfer(self, session: InviteSession, refer: Refer) -> None:
        """Connect the partner of the one who refers: with the party of its other call, or with someone new."""
        stays = self.partners[session]
        if refer.replaces is not None:
            replaces = refer.replaces
            second = self.stack.find_session(replaces.call_id, replaces.to_tag, replaces.from_tag)
            if second is None:
                session.reject_refer(refer, 481)
                return
            target = self.partners[second]
            session.accept_refer(refer)
            self.join(stays, target)
            self.joining[stays] = target
            stays.offer(None)
            session.notify_refer(refer, 200)
            return
        session.accept_refer(refer)
        target_or_none = self.ring(refer.uri.user, stays, None)
        if target_or_none is None:
            session.notify_refer(refer, 480)
            return
        self.referrals[target_or_none] = (session, refer)
        self.joining[target_or_none] = stays

    def report(self, session: InviteSession, event: SessionEvent) -> None:
        referrer, refer = self.referrals[session]
        if isinstance(event, Progressed):
            referrer.notify_refer(refer, event.status)
        elif isinstance(event, Rejected):
            referrer.notify_refer(refer, event.status)
            del self.referrals[session]
        elif isinstance(event, Answered):
            stays = self.joining[session]
            self.join(session, stays)
            referrer.notify_refer(refer, 200)
            del self.referrals[session]
            stays.offer(event.sdp)


@contextlib.asynccontextmanager
async def house(*numbers: str, transport: str = "udp") -> AsyncIterator[tuple[Exchange, list[SoftPhone]]]:
    exchange = Exchange()
    ports = (Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"))
    exchange.stack = SipStack(SipConfig(listen=ports), exchange)
    await exchange.stack.start()
    port = next(address.port for address in exchange.stack.addresses if address.transport == transport)
    phones: list[SoftPhone] = []
    try:
        for number in numbers:
            setup = PhoneSetup(f"127.0.0.1:{port}", number, password=PASSWORD, transport=transport)
            phones.append(await SoftPhone.start(setup))
        yield exchange, phones
    finally:
        for phone in phones:
            await phone.close()
        await exchange.stack.close()
        await asyncio.sleep(0.05)


async def connect(caller: SoftPhone, callee: SoftPhone, number: str) -> tuple[PhoneCall, PhoneCall]:
    outgoing = await caller.call(number)
    incoming = await callee.incoming()
    await incoming.answer()
    await incoming.confirmed()
    return await outgoing.confirmed(), incoming


async def nothing_left(exchange: Exchange) -> bool:
    for _ in range(100):
        if not exchange.stack.core.sessions:
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_phones_register_call_hold_and_hang_up(transport: str) -> None:
    async with house("1001", "1002", transport=transport) as (exchange, (ana, bia)):
        assert len(exchange.stack.bindings("1001")) == 1
        server = ana.setup.server
        here, there = await connect(ana, bia, f"sip:1002@{server};transport={transport}")
        await here.hold()
        await there.until(lambda: there.media == "remote_hold", "be held")
        await here.resume()
        await there.until(lambda: there.media == "active", "be active")
        await there.hang_up()
        assert await here.over() == 200
        assert await nothing_left(exchange)


async def test_a_wrong_password_is_refused() -> None:
    async with house("1001") as (exchange, _):
        port = exchange.stack.addresses[0].port
        with pytest.raises(SoftPhoneError, match=r"40[13]"):
            await SoftPhone.start(PhoneSetup(f"127.0.0.1:{port}", "1002", password="guess"))


async def test_busy_nobody_and_giving_up_end_with_their_statuses() -> None:
    async with house("1001", "1002") as (exchange, (ana, bia)):
        call = await ana.call("1002")
        await (await bia.incoming()).answer(486)
        assert await call.over() == 486
        assert await (await ana.call("1003")).over() == 480
        call = await ana.call("1002")
        ringing = await bia.incoming()
        await ringing.answer(180)
        await call.hang_up()
        assert await ringing.over() == 487
        assert await nothing_left(exchange)


async def test_a_blind_transfer_connects_the_customer_with_the_third_phone() -> None:
    async with house("1001", "1002", "1003") as (exchange, (customer, ana, bia)):
        waiting, answered = await connect(customer, ana, "1002")
        await answered.transfer("1003")
        target = await bia.incoming()
        await target.answer()
        await target.confirmed()
        await answered.until(lambda: answered.transfer_status == 200, "be told of success")
        await answered.hang_up()
        await answered.over()
        await asyncio.sleep(0.2)
        assert not waiting.ended
        assert target.media == "active"
        await waiting.hang_up()
        assert await target.over() == 200
        assert await nothing_left(exchange)


async def test_an_attended_transfer_connects_the_parties_of_both_calls() -> None:
    async with house("1001", "1002", "1003") as (exchange, (customer, ana, bia)):
        waiting, first = await connect(customer, ana, "1002")
        await first.hold()
        second, target = await connect(ana, bia, "1003")
        await first.transfer_to(second)
        await first.until(lambda: first.transfer_status == 200, "be told of success")
        for call in (first, second):
            await call.hang_up()
            await call.over()
        await waiting.until(lambda: waiting.media == "active", "hear the third")
        await target.until(lambda: target.media == "active", "hear the customer")
        await target.hang_up()
        assert await waiting.over() == 200
        assert await nothing_left(exchange)
