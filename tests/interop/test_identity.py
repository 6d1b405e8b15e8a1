"""Who is shown to whom, who forwarded, and with what reason phones stop ringing: told by headers, seen by the other side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import CallEnded, CallOffered, LegCreated
from sip.message import Request
from sip.uri import Uri
from tests.interop.test_forwarding import OUTSIDE, forward, hang_up, phones, take
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, scripted_carrier

NUMBER = "+74951112233"
CUSTOMER = "+79161112233"
REAL = "+79037654321"
ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'


@pytest.fixture
async def server(tmp_path: Path, prompts: Path) -> AsyncIterator[RamalServer]:
    """A server with the extensions 1001 to 1003 that gives no spoken hints."""
    async with ramal_server(tmp_path / "server", prompts=prompts, pbx={"spoken_hints": False}) as running:
        for number in ("1001", "1002", "1003"):
            await running.exchange.directory.create_extension(number=number, name=f"Name {number}", password=PASSWORD)
        yield running


@pytest.fixture
async def carrier(server: RamalServer) -> AsyncIterator[ScriptedPhone]:
    async with scripted_carrier(server) as line:
        yield line


def request_of(call: ScriptedCall) -> Request:
    return call.request


async def test_a_trunk_is_believed_who_calls(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001") as (ana,):
        call = carrier.call(NUMBER, headers=[("P-Asserted-Identity", f'"Padaria" <sip:{REAL}@carrier>')])
        seen = request_of(await take(ana))
        assert (seen.from_.uri.user, seen.from_.display_name) == (REAL, "Padaria")
        assert (await server.fact(CallOffered)).from_number == REAL
        assert seen.get("P-Asserted-Identity") is None
        await call.answered()
        await hang_up(server, call)


async def test_a_trunk_that_is_not_trusted_is_neither_believed_nor_told(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    directory = server.exchange.directory
    await directory.update_trunk(directory.snapshot.trunks["carrier"].id, trust_identity=False)
    async with phones(server, "1001") as (ana,):
        headers = [("P-Asserted-Identity", f"<sip:{REAL}@carrier>"), ("Diversion", "<sip:+74990001122@carrier>")]
        call = carrier.call(NUMBER, headers=headers)
        seen = request_of(await take(ana))
        assert (seen.from_.uri.user, seen.get("Diversion")) == (CUSTOMER, None)
        await call.answered()
        await hang_up(server, call)
        call = ana.call(f"*67{OUTSIDE}")
        seen = request_of(await take(carrier))
        assert (seen.from_.uri.user, seen.get("Privacy"), seen.get("P-Asserted-Identity")) == ("anonymous", "id", None)
        await call.answered()
        await hang_up(server, call)


async def test_a_phone_is_not_believed_who_it_is(server: RamalServer) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call("1002", headers=[("P-Asserted-Identity", "<sip:1003@127.0.0.1>")])
        assert request_of(await take(boris)).from_.uri.user == "1001"
        await call.answered()
        await hang_up(server, call)


async def test_a_caller_who_stays_unknown_is_unknown_to_everybody(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001") as (ana,):
        headers = [("P-Asserted-Identity", f"<sip:{REAL}@carrier>"), ("Privacy", "id")]
        call = carrier.call(NUMBER, headers=headers)
        seen = request_of(await take(ana))
        assert str(seen.from_).startswith("Anonymous <sip:anonymous@anonymous.invalid>")
        assert REAL.encode() not in seen.encode()
        assert CUSTOMER.encode() not in seen.encode()
        assert (await server.fact(CallOffered)).from_number == "anonymous"
        await call.answered()
        await hang_up(server, call)


@pytest.mark.parametrize("code", ["*67", "*31"])
async def test_a_code_hides_the_number_for_one_call(server: RamalServer, carrier: ScriptedPhone, code: str) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call(f"{code}1002")
        seen = request_of(await take(boris))
        assert seen.from_.uri.host == "anonymous.invalid"
        assert b"sip:1001" not in seen.encode()
        assert b"Name 1001" not in seen.encode()
        offered = await server.fact(CallOffered)
        assert (offered.from_number, offered.to_number) == ("1001", "1002")
        await call.answered()
        await hang_up(server, call)

        call = ana.call(f"{code}{OUTSIDE}")
        seen = request_of(await take(carrier))
        assert (seen.from_.uri.host, seen.get("Privacy")) == ("anonymous.invalid", "id")
        assert seen.get("P-Asserted-Identity") == f"<sip:{NUMBER}@127.0.0.1>"
        await call.answered()
        await hang_up(server, call)

        call = ana.call("1002")
        assert request_of(await take(boris)).from_.uri.user == "1001"
        await call.answered()
        await hang_up(server, call)


async def test_a_phone_that_hides_itself_is_hidden(server: RamalServer) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call("1002", headers=[("Privacy", "id")])
        assert request_of(await take(boris)).from_.uri.user == "anonymous"
        await call.answered()
        await hang_up(server, call)


async def test_who_is_called_learns_who_sent_the_call_on(server: RamalServer, carrier: ScriptedPhone) -> None:
    await forward(server, "1001", forward_to="1002")
    await forward(server, "1002", forward_busy_to=OUTSIDE)
    async with phones(server, "1002") as (boris,):
        call = carrier.call(NUMBER, headers=[("Diversion", "<sip:+74990001122@carrier>;reason=no-answer")])
        seen = await boris.incoming()
        assert request_of(seen).get_all("Diversion") == [
            "<sip:1001@127.0.0.1>;reason=unconditional;counter=1",
            "<sip:+74990001122@127.0.0.1>;reason=no-answer;counter=1",
        ]
        seen.session.reject(486)
        out = request_of(await take(carrier))
        assert [value.partition(">")[0] for value in out.get_all("Diversion")] == [
            f"<sip:{NUMBER}@127.0.0.1",
            f"<sip:{NUMBER}@127.0.0.1",
            "<sip:+74990001122@127.0.0.1",
        ]
        assert (out.get("History-Info") or "").endswith(f"<sip:{OUTSIDE}@127.0.0.1;cause=486>;index=1.1.1.1;mp=1.1.1")
        assert (await server.fact(CallOffered)).diverted_from == "+74990001122"
        assert (await server.fact(LegCreated, trunk="carrier", incoming=False)).forwarded_by == "1002"
        await call.answered()
        await hang_up(server, call)


async def test_all_phones_ring_and_those_that_did_not_answer_are_told_why(server: RamalServer) -> None:
    async with phones(server, "1001", "1002", "1002", "1002") as (ana, desk, mobile, tablet):
        call = ana.call("1002")
        ringing = [await phone.incoming() for phone in (mobile, tablet)]
        for one in ringing:
            one.session.progress(180)
        ringing[1].session.reject(486)
        await take(desk)
        await call.answered()
        assert await ringing[0].over() == 487
        assert ringing[0].events[-1].cause == ELSEWHERE  # type: ignore[union-attr]
        await hang_up(server, call)


async def test_the_best_of_the_final_responses_is_told(server: RamalServer) -> None:
    async with phones(server, "1001", "1002", "1002") as (ana, desk, mobile):
        call = ana.call("1002")
        (await desk.incoming()).session.reject(500)
        (await mobile.incoming()).session.reject(486, headers=[("Reason", 'Q.850;cause=17;text="User busy"')])
        assert await call.over() == 486
        assert call.events[-1].cause == 'Q.850;cause=17;text="User busy"'  # type: ignore[union-attr]


async def test_the_reason_of_the_one_who_hangs_up_reaches_the_other(server: RamalServer) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call("1002")
        other = await take(boris)
        await call.answered()
        call.session.hang_up(cause="Q.850;cause=31")
        assert await other.over() == 200
        assert other.events[-1].cause == "Q.850;cause=31"  # type: ignore[union-attr]
        call = ana.call("1002")
        other = await boris.incoming()
        other.session.progress(180)
        call.session.hang_up(cause="SIP;cause=600, Q.850;cause=17")
        await other.over()
        assert other.events[-1].cause == "SIP;cause=600, Q.850;cause=17"  # type: ignore[union-attr]
        await server.quiet()


async def test_a_phone_that_sends_the_call_on_is_followed(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001", "1002", "1002", "1003") as (ana, desk, mobile, clara):
        call = ana.call("1002")
        (await mobile.incoming()).session.progress(180)
        (await desk.incoming()).session.reject(302, headers=[("Contact", "<sip:1003@127.0.0.1>")])
        seen = await take(clara)
        assert request_of(seen).get("Diversion") == "<sip:1002@127.0.0.1>;reason=deflection;counter=1"
        await call.answered()
        await hang_up(server, call)
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call("1002")
        (await boris.incoming()).session.reject(302, headers=[("Contact", f"<sip:{OUTSIDE}@127.0.0.1>")])
        await take(carrier)
        await call.answered()
        await hang_up(server, call)


@pytest.mark.parametrize(
    "contact", ["<sip:1001@127.0.0.1>", "<sip:bob@192.0.2.1>", "<sip:1999@x>", "<sip:127.0.0.1>", "<<"]
)
async def test_a_phone_cannot_send_a_call_to_nowhere_or_in_circles(server: RamalServer, contact: str) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call("1002")
        (await boris.incoming()).session.reject(302, headers=[("Contact", contact)])
        assert await call.over() == 480
        assert ana.untouched
        await server.fact(CallEnded)


async def test_a_carrier_cannot_send_a_call_elsewhere(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001") as (ana,):
        call = ana.call(OUTSIDE)
        target = Uri("sip", "+88213000000", "127.0.0.1")
        (await carrier.incoming()).session.reject(302, headers=[("Contact", f"<{target}>")])
        assert await call.over() == 480
        assert carrier.untouched
