"""The main orders of transfers, forwarding and forks with real phones: pjsua2, baresip and SIPp as processes of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.events import CallTransferred, LegEnded, LegMoved, RecordingStarted, TransferKind, TransferResult
from ramal.softphone.controller import SoftPhone
from sip.message import Response
from sip.session import InviteSession
from sip.transaction import ClientTransaction
from tests.interop.conftest import TONES, PhoneFactory
from tests.support.baresip import Baresip
from tests.support.ramal_server import PASSWORD, RamalServer
from tests.support.sipp import run_sipp
from tests.support.tones import complete, loudness, seconds_of

Voices = dict[str, Path]
NUMBER = "+74951112233"
SCENARIO = Path(__file__).parent / "scenarios" / "refer_and_leave.xml"


async def test_pjsua2_transfers_to_a_colleague_whose_phone_still_rings(
    server: RamalServer,
    phone: PhoneFactory,
    trunk: SoftPhone,
    voices: Voices,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    updates: list[int] = []
    heard = InviteSession._heard_update

    def note(session: InviteSession, response: Response, transaction: ClientTransaction) -> None:
        updates.append(response.status)
        heard(session, response, transaction)

    monkeypatch.setattr(InviteSession, "_heard_update", note)
    ana, boris = await phone("1001"), await phone("1002")
    customer = await trunk.call(f"sip:{NUMBER}@{server.address}", voices["trunk"])
    first = await ana.incoming()
    await first.answer()
    await customer.confirmed()
    await server.fact(RecordingStarted)
    await first.hold()
    consultation = await ana.call("1002", voices["1001"])
    ringing = await boris.incoming()
    await ringing.answer(180)
    await consultation.until(lambda: consultation.state == "ringing", "ring")
    await first.transfer_to(consultation)
    await server.fact(LegMoved)
    await ringing.answer()
    await ringing.confirmed()
    await ringing.play(voices["1002"])
    await customer.record(tmp_path / "customer-hears.wav")
    done = await server.fact(CallTransferred)
    await first.over()
    assert first.transfer_status == 200
    assert updates == [200], "the phone was not told whom it talks with"
    assert (done.kind, done.result, done.to_number) == (TransferKind.ATTENDED, TransferResult.COMPLETED, "1002")
    await asyncio.sleep(1.2)
    await customer.hang_up()
    await ringing.over()
    await server.quiet()
    assert seconds_of(await complete(tmp_path / "customer-hears.wav"), TONES["1002"]) > 0.6


@pytest.mark.parametrize("answer", [200, 486])
async def test_sipp_leaves_after_its_refer_and_is_told_how_it_went(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path, answer: int
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    keys = {"user": "1003", "target": "1002"}
    login = ["-au", "1003", "-ap", PASSWORD]
    scenario = asyncio.create_task(
        run_sipp(SCENARIO, server.address, folder=tmp_path, service="1001", keys=keys, extra=login, timeout=20)
    )
    kept = await ana.incoming()
    await kept.answer()
    target = await boris.incoming()
    await target.answer(180)
    await asyncio.sleep(0.3)
    await target.answer(answer)
    result = await scenario
    assert (result.successful, result.failed) == (1, 0), result.log
    transferred = await server.fact(CallTransferred)
    assert transferred.result is (TransferResult.COMPLETED if answer == 200 else TransferResult.FAILED)
    await kept.hang_up()
    await server.quiet()


async def test_baresip_and_pjsua2_ring_for_one_extension_and_the_slower_is_told_that_it_was_taken(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    ana, desk = await phone("1001"), await phone("1002")
    await server.exchange.directory.create_device(extension="1002", username="boris-mobile", password=PASSWORD)
    async with Baresip(
        tmp_path / "baresip", "boris-mobile", voices["1002"], server=server.address, password=PASSWORD
    ) as mobile:
        await mobile.registered()
        call = await ana.call("1002", voices["1001"])
        incoming = await desk.incoming()
        await mobile.wait_for("CALL_INCOMING")
        await incoming.answer()
        await call.confirmed()
        await mobile.wait_for("CALL_CLOSED")
        taken = await server.fact(LegEnded, reason="Call completed elsewhere")
        assert taken.sip_status == 487
        await call.hang_up()
        await server.quiet()


async def test_an_agent_forwards_by_star_code_hears_so_and_is_followed(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    ana, boris, clara = await phone("1001"), await phone("1002"), await phone("1003")
    setting = await ana.call("*72*1003")
    await setting.confirmed()
    await setting.record(tmp_path / "confirmation.wav")
    assert await setting.over(20) == 200
    assert loudness(await complete(tmp_path / "confirmation.wav")) > 0.005
    call = await boris.call("1001", voices["1002"])
    incoming = await clara.incoming()
    await incoming.answer()
    await call.confirmed()
    await call.hang_up()
    await incoming.over()
    asking = await ana.call("*90")
    await asking.confirmed()
    await asking.press("1003#")
    await asking.over(20)
    extension = server.exchange.directory.snapshot.extensions["1001"]
    assert (extension.forward_to, extension.forward_busy_to) == ("1003", "1003")
    await server.quiet()
