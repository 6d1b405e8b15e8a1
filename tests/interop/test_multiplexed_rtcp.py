"""A phone that offers to take RTCP on the port of RTP (RFC 5761) gets it there, and what it reports is heard."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from core.events import CallEnded, LegStatistics
from ramal.softphone.controller import PhoneSetup, SoftPhone
from tests.interop.conftest import PhoneFactory
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, RamalServer


async def test_pjsua2_shares_its_port_with_rtcp_and_a_plain_phone_does_not(
    server: RamalServer, phone: PhoneFactory, voices: dict[str, Path]
) -> None:
    setup = PhoneSetup(
        server=server.address,
        username="1001",
        port=free_port(),
        rtp_port=free_port() & ~1,
        password=PASSWORD,
        multiplex=True,
    )
    async with contextlib.AsyncExitStack() as stack:
        ana = await SoftPhone.start(setup)
        stack.push_async_callback(ana.close)
        boris = await phone("1002")
        call = await ana.call("1002", voices["1001"])
        incoming = await boris.incoming()
        await incoming.answer()
        await call.confirmed()
        await incoming.play(voices["1002"])
        [live] = server.exchange.switch._calls.values()
        shared = {leg.party.extension: leg.media for leg in live.legs}
        assert shared["1001"].agreed is not None
        assert shared["1001"].agreed.multiplexed
        assert shared["1002"].agreed is not None
        assert not shared["1002"].agreed.multiplexed
        # Each tells how it hears us, after some five seconds.
        async with asyncio.timeout(20):
            for media in shared.values():
                while (figures := media.statistics()) is None or figures.reports == 0:
                    await asyncio.sleep(0.1)
                assert figures.packets_rejected == 0
        await call.hang_up()
        await server.fact(LegStatistics, count=2)
        await server.fact(CallEnded)
        await server.quiet()
