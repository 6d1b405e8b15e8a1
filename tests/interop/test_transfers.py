"""Transfers in every order: while it rings, from either side, of a transferred call, to one who rings, and to one who does not want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.events import CallEnded, CallTransferred, Disposition, LegMoved, TransferKind, TransferResult
from pbx.call import Call
from pbx.leg import Leg
from sip import session_requests
from sip.message import Request
from sip.session import InviteSession
from sip.session_events import Progressed, ReferProgressed, SessionEvent, TextReceived
from sip.session_requests import PeerRequests
from sip.transaction import ServerTransaction
from sip.transfer import Replaces
from sip.uri import NameAddress, Uri
from tests.interop.test_forwarding import OUTSIDE, forward, hang_up, phones, take
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, description, scripted_carrier

NUMBER = "+74951112233"
_QUICK = {"spoken_hints": False, "transfer_patience": 0.1}


@pytest.fixture
async def server(tmp_path: Path, prompts: Path) -> AsyncIterator[RamalServer]:
    """A server with the extensions 1001 to 1003 that gives no spoken hints; phones ring 5 seconds."""
    async with ramal_server(tmp_path / "server", prompts=prompts, pbx=_QUICK) as running:
        for number in ("1001", "1002", "1003"):
            await running.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        yield running


@pytest.fixture
async def carrier(server: RamalServer) -> AsyncIterator[ScriptedPhone]:
    async with scripted_carrier(server) as line:
        yield line


async def talk(caller: ScriptedPhone, number: str, callee: ScriptedPhone) -> tuple[ScriptedCall, ScriptedCall]:
    call = caller.call(number)
    incoming = await take(callee)
    await call.answered()
    return call, incoming


async def consulting(
    carrier: ScriptedPhone, agent: ScriptedPhone, colleague: ScriptedPhone
) -> tuple[ScriptedCall, ScriptedCall, ScriptedCall, ScriptedCall]:
    """Have an agent talk to a customer and call the colleague 1002, who rings: the calls of the three, the agent's two in the middle."""
    customer, held = await talk(carrier, NUMBER, agent)
    consultation = agent.call("1002")
    ringing = await colleague.incoming()
    ringing.session.progress(180)
    async with asyncio.timeout(5):
        while not consultation.session.remote_tag:
            await asyncio.sleep(0.02)
    return customer, held, consultation, ringing


def to(user: str, **parameters: str) -> Uri:
    return Uri("sip", user, "127.0.0.1", parameters=tuple(parameters.items()))


def dialog_of(call: ScriptedCall) -> Replaces:
    """Return how the server would be asked for this dialog."""
    session = call.session
    return Replaces(session.call_id, to_tag=session.remote_tag, from_tag=session.local_tag)


def told(call: ScriptedCall) -> list[tuple[int, bool]]:
    """Return what the phone was told of its transfer: statuses, and whether each is the last word."""
    return [(event.status, event.final) for event in call.events if isinstance(event, ReferProgressed)]


async def last_word(call: ScriptedCall) -> list[int]:
    """Wait for the end of the transfer's subscription, and return all statuses that were told."""
    async with asyncio.timeout(20):
        while not any(final for _, final in told(call)):
            await asyncio.sleep(0.02)
    return [status for status, _ in told(call)]


@pytest.mark.parametrize("side", ["called", "calling"])
async def test_the_agent_may_leave_before_the_target_answers(
    server: RamalServer, carrier: ScriptedPhone, side: str
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        if side == "called":
            customer, agent = await talk(carrier, NUMBER, ana)
        else:
            agent, customer = await talk(ana, OUTSIDE, carrier)
        agent.session.refer(to("1002"), referred_by="<sip:1001@phone.example>")
        incoming = await boris.incoming()
        incoming.session.progress(180)
        await agent.event(ReferProgressed, count=3)
        assert [status for status, _ in told(agent)] == [202, 100, 180]
        agent.session.hang_up()
        incoming.session.answer(description(port=40_020))
        transferred = await server.fact(CallTransferred)
        assert (transferred.kind, transferred.result) == (TransferKind.BLIND, TransferResult.COMPLETED)
        assert not customer.ended
        assert incoming.request.get("Referred-By") == "<sip:1001@phone.example>"
        await hang_up(server, incoming)
        assert customer.ended


async def test_a_transferred_call_is_transferred_again_and_back(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001", "1002", "1003") as (ana, boris, clara):
        customer, agent = await talk(carrier, NUMBER, ana)
        for phone in (boris, clara, ana):
            agent.session.refer(to(phone.username))
            following = await take(phone)
            assert await last_word(agent) == [202, 100, 200]
            assert await agent.over() == 200
            agent = following
        await server.fact(CallTransferred, count=3)
        assert not customer.ended
        await hang_up(server, customer)
        assert len(server.told(CallEnded)) == 1


@pytest.mark.parametrize(("answer", "status"), [(486, 486), (603, 603), (480, 480), (404, 480), (500, 500), (0, 404)])
async def test_a_target_that_does_not_take_the_call_gives_it_back(
    server: RamalServer, carrier: ScriptedPhone, answer: int, status: int
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        agent.session.refer(to("1002" if answer else "1999"))
        if answer:
            (await boris.incoming()).session.reject(answer)
        assert await last_word(agent) == [202, 100, status]
        failed = await server.fact(CallTransferred)
        assert (failed.result, failed.sip_status) == (TransferResult.FAILED, status)
        async with asyncio.timeout(10):
            while server.exchange.switch.calls()[0].state != "talking":
                await asyncio.sleep(0.05)
        assert not agent.ended
        agent.session.refer(to("1002"))
        await take(boris)
        assert await agent.over() == 200
        await hang_up(server, customer)


async def test_a_target_that_never_answers_gives_the_call_back_though_the_agent_has_left_and_forwards(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        await forward(server, "1001", forward_to="1002", do_not_disturb=True, call_waiting=False)
        agent.session.refer(to("1002"))
        ringing = await boris.incoming()
        ringing.session.progress(180)
        agent.session.hang_up()
        again = await take(ana)
        assert await ringing.over() == 487
        assert again.request.from_.uri.user == "+79161112233"
        assert not customer.ended
        await hang_up(server, again)
        assert customer.ended


async def test_a_call_that_nobody_takes_back_ends(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        agent.session.refer(to("1002"))
        (await boris.incoming()).session.reject(486)
        agent.session.hang_up()
        (await ana.incoming()).session.reject(486)
        assert await customer.over() == 200
        await server.quiet()
        assert (await server.fact(CallEnded)).disposition is Disposition.ANSWERED


async def test_a_customer_who_gives_up_ends_the_transfer_for_all(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        agent.session.refer(to("1002"))
        ringing = await boris.incoming()
        ringing.session.progress(180)
        customer.session.hang_up()
        assert await ringing.over() == 487
        assert await agent.over() == 200
        assert told(agent)[-1] == (487, True)
        await server.quiet()


@pytest.mark.parametrize("first", ["customer", "agent"])
async def test_a_transfer_of_a_call_that_ends_has_its_last_word(
    server: RamalServer, carrier: ScriptedPhone, first: str
) -> None:
    async with phones(server, "1001", "1002") as (ana, _boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        if first == "customer":
            customer.session.hang_up()
        agent.session.refer(to("1002"))
        customer.session.hang_up()
        assert await agent.over() == 200
        await server.quiet()
        statuses = await last_word(agent) if told(agent) else [487]
        assert statuses[-1] in (481, 487)


class EndingFirst:
    """A leg's listener that ends the call just before whatever the phone asks for, as a BYE of the other side read in one go with it."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        """End the call, and pass the event on."""
        call = self._leg.owner
        assert isinstance(call, Call)
        call.end("Hung up by the other")
        self._leg.session_event(session, event)


@pytest.mark.parametrize("asks", ["by REFER", "by *2"])
async def test_a_transfer_that_is_asked_for_at_the_moment_the_other_hangs_up_is_refused(
    server: RamalServer, carrier: ScriptedPhone, asks: str
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        _, agent = await talk(carrier, NUMBER, ana)
        own = agent.session
        session = server.exchange.sip.find_session(own.call_id, own.remote_tag, own.local_tag)
        assert session is not None
        assert isinstance(session.context, Leg)
        with capture_logs() as logs:
            if asks == "by *2":
                own.send_key("*", 100)
                await asyncio.sleep(0.2)
            session.listener = EndingFirst(session.context)
            if asks == "by *2":
                own.send_key("2", 100)
            else:
                own.refer(to("1002"))
            assert await agent.over() == 200
            await server.quiet()
        assert not [line for line in logs if line["log_level"] == "error"]
        assert boris.untouched


@pytest.mark.parametrize("leaves", [False, True])
async def test_an_attended_transfer_to_one_who_still_rings_lets_it_ring_on(
    server: RamalServer, carrier: ScriptedPhone, leaves: bool
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent, consultation, ringing = await consulting(carrier, ana, boris)
        agent.session.refer(to("1002"), replaces=dialog_of(consultation))
        if leaves:
            consultation.session.hang_up()
            await agent.event(ReferProgressed, count=2)
            agent.session.hang_up()
        await consultation.over()
        await server.fact(LegMoved)
        assert not ringing.ended
        ringing.session.answer(description(port=40_020))
        if not leaves:
            assert await last_word(agent) == [202, 100, 180, 200]
            assert await agent.over() == 200
        done = await server.fact(CallTransferred)
        assert (done.kind, done.result, done.to_number) == (TransferKind.ATTENDED, TransferResult.COMPLETED, "1002")
        assert done.other_call_id
        assert boris.untouched
        assert not customer.ended
        await hang_up(server, customer)
        assert ringing.ended


async def test_one_who_rings_and_declines_after_the_transfer_gives_the_call_back(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent, consultation, ringing = await consulting(carrier, ana, boris)
        agent.session.refer(to("1002"), replaces=dialog_of(consultation))
        await consultation.over()
        ringing.session.reject(603)
        assert await last_word(agent) == [202, 100, 180, 603]
        assert not agent.ended
        await hang_up(server, customer)


async def begin_consultation(agent: ScriptedCall, dialled: str) -> None:
    """Have an agent press `*2` and then a number."""
    for key in f"*2{dialled}":
        agent.session.send_key(key, 100)
        await asyncio.sleep(0.05)


async def test_an_agent_who_presses_star_2_and_leaves_without_dialling_is_rung_at_once(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    async with phones(server, "1001") as (ana,):
        customer, agent = await talk(carrier, NUMBER, ana)
        await begin_consultation(agent, "")
        agent.session.hang_up()
        failed = await server.fact(CallTransferred, seconds=3.0)
        assert failed.result is TransferResult.FAILED
        again = await ana.incoming()
        again.session.answer(description(port=40_020))
        await hang_up(server, again)
        assert customer.ended


async def test_an_agent_who_leaves_after_the_last_digit_has_dialled_the_number(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        await begin_consultation(agent, "1002")
        agent.session.hang_up()
        async with asyncio.timeout(2):
            incoming = await boris.incoming()
        incoming.session.answer(description(port=40_020))
        done = await server.fact(CallTransferred)
        assert (done.result, done.to_number) == (TransferResult.COMPLETED, "1002")
        await hang_up(server, incoming)
        assert customer.ended


async def test_a_phone_that_wants_no_word_of_it_gets_none(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        agent.session.send(
            "REFER",
            headers=[("Contact", agent.session.contact), ("Refer-To", f"<{to('1002')}>"), ("Refer-Sub", "false")],
        )
        await take(boris)
        assert await agent.over() == 200
        assert told(agent) == []
        await hang_up(server, customer)


async def test_what_cannot_be_done_is_refused_and_costs_no_call(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001") as (ana,):
        customer, agent = await talk(carrier, NUMBER, ana)
        agent.session.refer(to("1002"), replaces=Replaces("nobody", "a", "b"))
        agent.session.refer(to("1002", method="BYE"))
        agent.session.refer(to(""))
        agent.session.refer(Uri("https", "//127.0.0.1/1002", ""))
        await agent.event(ReferProgressed, count=4)
        assert [status for status, _ in told(agent)] == [404, 400, 400, 416]
        await asyncio.sleep(0.2)
        assert not agent.ended
        assert not server.told(CallTransferred)
        await hang_up(server, customer)


async def test_nobody_is_referred_outside_of_a_call(server: RamalServer) -> None:
    async with phones(server, "1001") as (ana,):
        response = await ana.stack.request(
            "REFER",
            to("1002"),
            from_=NameAddress("", to("1001")),
            destination=("127.0.0.1", server.port, "udp"),
            headers=[("Refer-To", f"<{to('1003')}>"), ("Contact", f"<sip:1001@127.0.0.1:{ana.port}>")],
        )
        assert response.status == 403


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The UPDATEs that came, to whom ever in this process."""
    came: list[Request] = []
    usual = session_requests._HANDLERS["UPDATE"]

    def update(session: PeerRequests, request: Request, transaction: ServerTransaction) -> None:
        came.append(request)
        usual(session, request, transaction)

    monkeypatch.setitem(session_requests._HANDLERS, "UPDATE", update)
    return came


async def test_after_an_attended_transfer_the_phone_shows_the_customer(
    server: RamalServer, carrier: ScriptedPhone, updates: list[Request]
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        customer, agent = await talk(carrier, NUMBER, ana)
        consultation, _ = await talk(ana, "1002", boris)
        agent.session.refer(to("1002"), replaces=dialog_of(consultation))
        assert await last_word(agent) == [202, 100, 200]
        async with asyncio.timeout(5):
            while not updates:
                await asyncio.sleep(0.02)
        (update,) = updates
        assert update.get("P-Asserted-Identity") == "<sip:+79161112233@127.0.0.1>"
        assert update.get("Remote-Party-ID") == "<sip:+79161112233@127.0.0.1>;party=calling;privacy=off;screen=yes"
        assert update.body == b""
        await hang_up(server, customer)


async def test_after_a_blind_transfer_a_colleague_is_told_whom_it_talks_with(
    server: RamalServer, updates: list[Request]
) -> None:
    async with phones(server, "1001", "1002", "1003") as (ana, boris, clara):
        call, agent = await talk(ana, "1002", boris)
        agent.session.refer(to("1003"))
        await take(clara)
        assert await agent.over() == 200
        async with asyncio.timeout(5):
            while not updates:
                await asyncio.sleep(0.02)
        assert [update.get("P-Asserted-Identity") for update in updates] == ["1003 <sip:1003@127.0.0.1>"]
        assert "party=called" in (updates[0].get("Remote-Party-ID") or "")
        await hang_up(server, call)


async def test_a_text_in_a_call_is_for_the_other_party(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001") as (ana,):
        customer, agent = await talk(carrier, NUMBER, ana)
        heard: list[int] = []
        agent.session.pass_text("Olá", heard.append)
        text = await customer.event(TextReceived)
        text.answer(200)
        customer.session.pass_text("Oi", heard.append)
        (await agent.event(TextReceived)).answer(486)
        async with asyncio.timeout(5):
            while len(heard) < 2:
                await asyncio.sleep(0.02)
        assert (text.text, heard) == ("Olá", [200, 486])
        await hang_up(server, customer)


async def test_a_text_before_the_answer_is_for_nobody(server: RamalServer) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call("1002")
        ringing = await boris.incoming()
        ringing.session.progress(180)
        await call.event(Progressed)
        heard: list[int] = []
        call.session.pass_text("hello?", heard.append)
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.02)
        assert heard == [480]
        await hang_up(server, call)
