"""Phones that demand the extensions of SIP: pjsua2 with reliable provisional responses and
session timers.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.events import CallEnded, Disposition, MediaAlive
from sip.session_tables import TimerState
from tests.interop.conftest import TONES, PhoneFactory
from tests.support.ramal_server import RamalServer
from tests.support.tones import complete, seconds_of


async def test_phones_that_demand_reliable_ringing_and_session_timers_call_each_other(
    server: RamalServer, phone: PhoneFactory, voices: dict[str, Path], tmp_path: Path
) -> None:
    ana, boris = [await phone(name, extensions=True) for name in ("1001", "1002")]
    call = await ana.call("1002", voices["1001"])
    incoming = await boris.incoming()
    await incoming.answer(180)
    await call.until(lambda: call.state == "ringing", "ring")
    await incoming.answer()
    await call.confirmed()
    await incoming.confirmed()
    await incoming.play(voices["1002"])
    await call.record(tmp_path / "ana-hears.wav")
    await server.fact(MediaAlive)
    await asyncio.sleep(1.0)
    sessions = list(server.exchange.sip.core.sessions.values())
    assert {session.timer.state for session in sessions if session.timer is not None} == {TimerState.OURS}
    assert all(session.updates for session in sessions)
    await incoming.hang_up()
    assert await call.over() == 200
    assert (await server.fact(CallEnded)).disposition is Disposition.ANSWERED
    assert seconds_of(await complete(tmp_path / "ana-hears.wav"), TONES["1002"]) > 0.5
    await server.quiet()
