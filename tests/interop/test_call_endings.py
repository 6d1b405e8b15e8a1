"""What becomes of calls that go another way than most: how they end, what the journal says of it, and what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import (
    CallEnded,
    CallFact,
    CallOffered,
    CallTransferred,
    Disposition,
    LegCreated,
    LegEnded,
    TransferKind,
    TransferResult,
)
from pbx.call_state import CallState
from sip.session_events import Offered, Progressed
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, description, scripted_carrier, scripted_phone

NUMBER = "+74951112233"
OUTSIDE = "+79037654321"
INACTIVE = description(lines="a=inactive\r\n")


@contextlib.asynccontextmanager
async def company(tmp_path: Path, prompts: Path, **pbx: object) -> AsyncIterator[RamalServer]:
    """Run a server with the extensions 1001 and 1002 and changed knobs."""
    async with ramal_server(tmp_path / "server", prompts=prompts, pbx=pbx) as server:
        for number in ("1001", "1002"):
            await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        yield server


@pytest.fixture
async def carrier(server: RamalServer) -> AsyncIterator[ScriptedPhone]:
    async with scripted_carrier(server) as line:
        yield line


async def talk(caller: ScriptedPhone, number: str, callee: ScriptedPhone) -> tuple[ScriptedCall, ScriptedCall]:
    call = caller.call(number)
    incoming = await callee.incoming()
    incoming.session.answer(description(port=40_010))
    await call.answered()
    return call, incoming


async def test_no_task_waits_for_two_who_merely_talk_and_their_call_ends_all_the_same(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    async with scripted_phone(server, "1001") as ana:
        customer, agent = await talk(carrier, NUMBER, ana)
        (call,) = server.exchange.switch.calls()
        assert call.state is CallState.TALKING
        assert call.id not in [task.get_name() for task in asyncio.all_tasks()]
        customer.session.hang_up()
        assert await agent.over() == 200
        await server.quiet()
        ended = await server.fact(CallEnded)
        assert (ended.call_id, ended.disposition) == (call.id, Disposition.ANSWERED)


async def test_a_customer_who_hangs_up_after_the_greeting_was_answered_by_nobody(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    number = server.exchange.directory.snapshot.numbers[NUMBER]
    await server.exchange.directory.update_number(number.id, greeting="Good day. All our lines are busy.")
    call = carrier.call(NUMBER)
    await call.answered()
    call.session.hang_up()
    end = await server.fact(CallEnded)
    assert (end.disposition, end.sip_status) == (Disposition.NO_ANSWER, 0)


async def test_every_call_that_is_passed_on_may_take_one_hop_less(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with scripted_phone(server, "1001") as ana:
        carrier.call(NUMBER, max_forwards=7)
        assert (await ana.incoming()).session.max_forwards == 6
        ana.call(OUTSIDE, max_forwards=2)
        outgoing = await carrier.incoming()
        assert outgoing.session.max_forwards == 1
        outgoing.session.reject(483)
        assert (await server.fact(CallEnded)).sip_status == 482


@pytest.mark.parametrize(("payloads", "status"), [("8 101", 0), ("18", 488)])
async def test_a_trunk_that_leaves_what_its_183_said_out_of_its_200_is_taken_at_its_word(
    server: RamalServer, carrier: ScriptedPhone, payloads: str, status: int
) -> None:
    async with scripted_phone(server, "1001") as ana:
        call = ana.call(OUTSIDE)
        leg = (await carrier.incoming()).session
        # It knows no reliable responses, and thinks that it has said all.
        leg.request.remove("Supported")
        leg.progress(183, sdp=description(payloads=payloads))
        leg.local_sdp = b"said before"
        leg.answer(b"")
        if status:
            assert await call.over() == status
        else:
            await call.answered()
            call.session.hang_up()
        await server.quiet()


async def test_a_trunk_that_says_183_without_voice_is_at_work(tmp_path: Path, prompts: Path) -> None:
    async with (
        company(tmp_path, prompts, trunk_response_timeout=0.4) as server,
        scripted_carrier(server) as line,
        scripted_phone(server, "1001") as ana,
    ):
        call = ana.call(OUTSIDE)
        outgoing = await line.incoming()
        outgoing.session.progress(183)
        await asyncio.sleep(0.8)
        outgoing.session.answer(description())
        await call.answered()


async def test_ringing_is_heard_though_an_earlier_trunk_had_opened_the_voice(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    directory = server.exchange.directory
    async with scripted_phone(server, "second", register=False) as second, scripted_phone(server, "1001") as ana:
        await directory.create_trunk(name="second", host="127.0.0.1", port=second.port)
        route = directory.snapshot.routes[0]
        await directory.update_route(route.id, trunks=["carrier", "second"])
        call = ana.call(OUTSIDE)
        first = await carrier.incoming()
        first.session.progress(183, sdp=description())
        await call.event(Progressed)
        first.session.reject(500)
        other = await second.incoming()
        other.session.progress(180)
        leg = next(leg for leg in server.exchange.switch._equipment.legs_by_endpoint.values() if leg.incoming)
        async with asyncio.timeout(5):
            while not leg.playing:
                await asyncio.sleep(0.02)
        other.session.answer(description())
        await call.answered()
        assert not leg.playing


async def test_a_caller_without_a_codec_of_ours_rings_nobody(server: RamalServer) -> None:
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        assert await boris.call("1001", sdp=description(payloads="5 101")).over() == 488
        assert ana.untouched
        end = await server.fact(CallEnded)
        assert (end.disposition, end.sip_status) == (Disposition.FAILED, 488)


async def test_a_caller_who_lets_us_offer_and_takes_nothing_of_it_is_hung_up(server: RamalServer) -> None:
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        for payloads in ("8", "18"):
            call = boris.call("1001", sdp=b"")
            incoming = await ana.incoming()
            incoming.session.answer(description())
            await call.answered()
            call.session.accept_offer(description(payloads=payloads))
            await asyncio.sleep(0.3)
            assert call.ended == (payloads == "18")
            call.session.hang_up()
            await incoming.over()
        await server.quiet()
        assert server.engine.statistics().ports_in_use == 0


async def test_a_phone_that_asks_for_our_offer_in_mid_call_moves_its_voice(server: RamalServer) -> None:
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        call, incoming = await talk(boris, "1001", ana)
        call.session.offer(None)
        await call.event(Offered)
        call.session.accept_offer(description(port=40_500, payloads="0 101"))
        legs = server.exchange.switch._equipment.legs_by_endpoint.values()
        (leg,) = [leg for leg in legs if leg.incoming]
        async with asyncio.timeout(5):
            while leg.media.agreed is None or leg.media.agreed.remote[1] != 40_500:
                await asyncio.sleep(0.02)
        assert leg.media.codec == "PCMU"
        assert not incoming.ended


async def test_a_phone_that_holds_and_then_vanishes_is_noticed(tmp_path: Path, prompts: Path) -> None:
    async with (
        company(tmp_path, prompts, media_timeout=0.5, alive_interval=0.2) as server,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as boris,
    ):
        call = ana.call("1002", sdp=INACTIVE)
        incoming = await boris.incoming()
        incoming.session.answer(INACTIVE)
        await call.answered()
        await asyncio.sleep(1.5)
        assert not call.ended, "a phone that answers may be silent"
        boris.stack.core.sessions.clear()
        assert await call.over() == 200
        await server.fact(CallEnded)
        assert server.told(LegEnded)[0].reason


async def test_calls_of_a_trunk_that_is_set_up_by_its_name_are_taken(server: RamalServer) -> None:
    directory = server.exchange.directory
    async with scripted_phone(server, OUTSIDE, register=False) as line, scripted_phone(server, "1001") as ana:
        await directory.create_trunk(name="carrier", host="localhost", port=line.port)
        await directory.create_number(number=NUMBER, kind="extension", target="1001")
        async with asyncio.timeout(5):
            while server.exchange.trunks.state("carrier")[0] != "reachable":
                await asyncio.sleep(0.02)
        line.call(NUMBER)
        await ana.incoming()
        assert (await server.fact(CallOffered)).trunk == "carrier"


async def test_a_changed_password_drops_the_phones_that_knew_the_old_one(server: RamalServer) -> None:
    directory, switch = server.exchange.directory, server.exchange.switch
    async with scripted_phone(server, "1001"), scripted_phone(server, "1002"):
        await directory.update_extension(directory.snapshot.extensions["1001"].id, password="another horse 9")
        await directory.update_extension(directory.snapshot.extensions["1002"].id, name="Renamed")
        assert switch.contacts("1001") == []
        assert len(switch.contacts("1002")) == 1


async def test_a_colleague_who_is_busy_or_hangs_up_gives_the_customer_back(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    switch = server.exchange.switch
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        customer, agent = await talk(carrier, NUMBER, ana)
        (view,) = switch.calls()
        for attempt, answers in enumerate((False, True), 1):
            switch.transfer(view.id, "1002", TransferKind.ATTENDED)
            consulted = await boris.incoming()
            if answers:
                consulted.session.answer(description())
                await server.fact(LegCreated, extension="1002", count=attempt)
                await asyncio.sleep(0.3)
                consulted.session.hang_up()
            else:
                consulted.session.reject(486)
            told = await server.fact(CallTransferred, count=attempt)
            assert told.result is TransferResult.FAILED
            async with asyncio.timeout(10):
                while switch.call(view.id).state != "talking":
                    await asyncio.sleep(0.05)
        assert not customer.ended
        assert not agent.ended
        customer.session.hang_up()
        await agent.over()
        await server.quiet()
        assert server.engine.statistics().ports_in_use == 0


async def test_two_hundred_calls_of_all_kinds_leave_nothing_behind(tmp_path: Path, prompts: Path) -> None:
    """The seed is fixed: a failure can be looked at again."""
    dice = random.Random(20_261)
    async with (
        company(tmp_path, prompts, spoken_hints=False) as server,
        scripted_carrier(server) as line,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1001", transport="tcp") as mobile,
        scripted_phone(server, "1002") as boris,
    ):
        for phone in (ana, mobile, line):
            phone.on_call = lambda call: react(call, dice)
        for _ in range(20):
            calls = [place(dice, line, boris) for _ in range(10)]
            await asyncio.gather(*[live(call, dice.random() / 10, dice) for call in calls])
        await server.quiet(20)
        assert_true_to_the_journal(server.facts)
        assert server.engine.statistics().ports_in_use == 0
        equipment = server.exchange.switch._equipment
        assert not equipment.legs_by_endpoint
        assert not equipment.recordings_by_id
        core = server.exchange.sip.core
        async with asyncio.timeout(5):
            while core.sessions:
                await asyncio.sleep(0.05)


def place(dice: random.Random, line: ScriptedPhone, boris: ScriptedPhone) -> ScriptedCall:
    phone, number = dice.choice(
        [(line, NUMBER), (boris, "1001"), (boris, OUTSIDE), (boris, "1999"), (line, "+74950000000")]
    )
    return phone.call(number)


def react(call: ScriptedCall, dice: random.Random) -> None:
    """Do one of the things a called phone may do, at once."""
    session = call.session
    match dice.randrange(7):
        case 0:
            session.reject(dice.choice([486, 480, 603, 404, 500]))
        case 1:
            session.progress(180)
        case 2:
            session.progress(183, sdp=description())
        case 3:
            session.answer(description(payloads="18"))
        case 4:
            session.answer(description())
            session.hang_up()
        case _:
            session.progress(180)
            session.answer(description())


async def live(call: ScriptedCall, seconds: float, dice: random.Random) -> None:
    """Let a call be for a while, give up or hang up, and see it over."""
    await asyncio.sleep(seconds)
    if not call.ended and dice.random() < 0.2:
        call.session.offer(description(port=40_020, lines="a=sendonly\r\n"))
        await asyncio.sleep(0.02)
    call.session.hang_up()
    await call.over()


def assert_true_to_the_journal(facts: list[CallFact]) -> None:
    """Every call and leg begins once and ends once, and nothing is told of a call after its end."""
    counts = Counter((type(fact).__name__, fact.call_id) for fact in facts if isinstance(fact, CallOffered | CallEnded))
    calls = {fact.call_id for fact in facts}
    # Some give up before they have told who they are; of those nothing is to be told.
    assert len(calls) > 150
    assert counts == Counter({(kind, call): 1 for kind in ("CallOffered", "CallEnded") for call in calls})
    created = Counter(fact.leg_id for fact in facts if isinstance(fact, LegCreated))
    assert set(created.values()) == {1}
    assert created == Counter(fact.leg_id for fact in facts if isinstance(fact, LegEnded))
    last = {fact.call_id: fact for fact in facts}
    assert all(isinstance(fact, CallEnded) for fact in last.values())
