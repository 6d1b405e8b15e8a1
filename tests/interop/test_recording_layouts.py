"""What is in a recording when parties come and go: one file across transfers and a conference, in stereo or with a channel a party."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.events import CallEnded, RecordingStarted, RecordingStopped, RecordingTrackBegan
from ramal.softphone.controller import PhoneCall, SoftPhone
from tests.interop.conftest import TONES, PhoneFactory, Voices, customer_calls
from tests.support.ramal_server import RamalServer
from tests.support.tones import read, seconds_of, share


async def recorded(server: RamalServer, customer: PhoneCall) -> Path:
    """End the call, and return its one file."""
    await customer.hang_up()
    stopped = await server.fact(RecordingStopped)
    await server.fact(CallEnded)
    assert len(server.told(RecordingStarted)) == len(server.told(RecordingStopped)) == 1
    return server.recordings / stopped.location


@pytest.mark.parametrize("layout", ["stereo", "parties"])
async def test_a_conference_is_in_the_file_of_the_call_that_is_transferred_to_it(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, layout: str
) -> None:
    settings = server.company.settings
    await server.company.save(settings.model_copy(update={"recording_layout": layout}))
    await server.exchange.directory.create_conference(number="700", name="Round")
    waiting = []
    for name in ("1002", "1003"):
        call = await (await phone(name)).call("700", voices[name])
        waiting.append(await call.confirmed())
    ana = await phone("1001")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    await asyncio.sleep(2.0)
    await incoming.hold()
    await asyncio.sleep(0.5)
    await incoming.resume()
    await incoming.transfer("700")
    await incoming.over()
    await asyncio.sleep(3.0)
    file = await recorded(server, customer)
    # The customer speaks on its own channel all the time, also in the room, and nobody else is there.
    left = read(file, 0)
    assert seconds_of(left, TONES["trunk"]) > left.size / 8000 - 2.0
    assert seconds_of(left, TONES["1001"]) == 0
    room = 1 if layout == "stereo" else 2
    assert seconds_of(read(file, 1), TONES["1001"], window=0.2) > 1.0
    # Both who were in the room are heard together beside the customer.
    others = read(file, room)[-12000:-2000]
    for name in ("1002", "1003"):
        assert share(others, TONES[name]) > 0.2, name
    assert share(others, TONES["trunk"]) < 0.01
    if layout == "parties":
        assert [(one.channel, one.extension) for one in server.told(RecordingTrackBegan)] == [
            (0, ""),
            (1, "1001"),
            (2, ""),
        ]
        assert server.told(RecordingTrackBegan)[2].leg_id == ""
    for call in waiting:
        await call.hang_up()
    await server.quiet()


async def test_each_party_has_a_channel_of_its_own_where_the_company_wants_that(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices
) -> None:
    settings = server.company.settings
    await server.company.save(settings.model_copy(update={"recording_layout": "parties"}))
    ana, boris = await phone("1001"), await phone("1002")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    await asyncio.sleep(2.0)
    await incoming.transfer("1002")
    taken = await boris.incoming()
    await taken.answer()
    await taken.play(voices["1002"])
    await incoming.over()
    await asyncio.sleep(2.0)
    file = await recorded(server, customer)
    assert server.told(RecordingStarted)[0].channels == 4
    for channel, name in enumerate(("trunk", "1001", "1002")):
        sound = read(file, channel)
        assert seconds_of(sound, TONES[name]) > 1.2, name
        assert all(seconds_of(sound, TONES[other]) == 0 for other in TONES if other != name), name
    assert not read(file, 3).any()
    tracks = server.told(RecordingTrackBegan)
    assert [(one.channel, one.extension) for one in tracks] == [(0, ""), (1, "1001"), (2, "1002")]
    assert len({one.leg_id for one in tracks}) == 3
    await server.quiet()
