"""The server as a process, with real phones in a recorded call, and what can happen to it: killed, its disk full, a phone gone."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ramal.demo.company import Api
from ramal.softphone.controller import PhoneCall, SoftPhone
from tests.support.ports import free_port
from tests.support.ramal_process import CARRIER, MOBILE, RamalProcess, only_record, ramal_process, until
from tests.support.tones import complete, read, seconds_of, write_tone

AGENT_TONE, CUSTOMER_TONE = 500.0, 1500.0
ALIVE_SECONDS = 2.0
"""How often the journal hears that voice goes on."""

pytestmark = pytest.mark.timeout(150)


@contextlib.asynccontextmanager
async def talking(server: RamalProcess, folder: Path) -> AsyncIterator[tuple[PhoneCall, PhoneCall, SoftPhone]]:
    """Give the two ends of a call that extension 1001 made to a mobile number, both of whom speak, and the customer's phone."""
    agent_tone = write_tone(folder / "agent.wav", AGENT_TONE)
    customer_tone = write_tone(folder / "customer.wav", CUSTOMER_TONE)
    port = free_port(host=CARRIER)
    await server.create_company(port)
    async with contextlib.AsyncExitStack() as stack:
        agent = await server.phone("1001")
        stack.push_async_callback(agent.close)
        customer = await server.carrier(port)
        stack.push_async_callback(customer.close)
        call = await agent.call(MOBILE, agent_tone)
        answered = await customer.incoming()
        await answered.answer()
        await call.confirmed()
        await answered.play(customer_tone)
        await answered.record(folder / "customer-heard.wav")
        yield call, answered, customer


async def test_a_server_killed_in_mid_call_closes_bills_and_keeps_it_once(tmp_path: Path) -> None:
    async with ramal_process(tmp_path) as server:
        await server.start()
        async with talking(server, tmp_path):
            await asyncio.sleep(3 * ALIVE_SECONDS)
            await server.kill()
            killed = datetime.now(UTC)
        await server.start()
        async with server.api() as api:
            record = await until(lambda: billed(api), "the record of the call with its bill")
            check_interrupted(record, killed)
            recording = await until(lambda: sealed(api, record["recording_id"]), "the sealed recording")
            await check_audio(api, recording)
            seen = await everything(api, record["id"], recording["id"])
        await server.stop()
        await server.start()
        async with server.api() as api:
            await until(lambda: only_record(api), "the record after another start")
            assert await everything(api, record["id"], recording["id"]) == seen
            assert len((await api.get("recordings"))["items"]) == 1


def check_interrupted(record: dict[str, Any], killed: datetime) -> None:
    """The call ended when its voice was last known to be alive, and its outgoing leg is billed until then."""
    assert (record["disposition"], record["recovered"]) == ("interrupted", True)
    ended = datetime.fromisoformat(record["ended_at"])
    assert killed - timedelta(seconds=2 * ALIVE_SECONDS) < ended <= killed
    talked = (ended - datetime.fromisoformat(record["answered_at"])).total_seconds()
    assert talked > ALIVE_SECONDS
    assert all(leg["ended_at"] for leg in record["legs"])
    (charge,) = record["charges"]
    assert (charge["number"], charge["kind"], charge["state"]) == (MOBILE, "mobile", "rated")
    assert abs(charge["billed_seconds"] - talked) <= 1.5
    # Six roubles a minute, by the second.
    assert Decimal(charge["amount"]) == Decimal(charge["billed_seconds"]) / 10


async def check_audio(api: Api, recording: dict[str, Any]) -> None:
    """The customer is on the left and the agent on the right, nearly to the moment of the kill."""
    assert recording["state"] in {"sealed", "recovered"}
    file = io.BytesIO(await api.download(f"recordings/{recording['id']}/audio"))
    with wave.open(file) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, 8000)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2) / 32768
    assert seconds_of(samples[:, 0], CUSTOMER_TONE) > 2 * ALIVE_SECONDS
    assert seconds_of(samples[:, 1], AGENT_TONE) > 2 * ALIVE_SECONDS
    assert recording["seconds"] == pytest.approx(len(samples) / 8000, abs=0.1)


async def billed(api: Api) -> dict[str, Any] | None:
    record = await only_record(api)
    return record if record is not None and record["charges"] else None


async def sealed(api: Api, recording_id: str) -> dict[str, Any] | None:
    recording: dict[str, Any] = await api.get(f"recordings/{recording_id}")
    return recording if recording["sealed_at"] else None


async def everything(api: Api, record_id: str, recording_id: str) -> list[Any]:
    """Return all that a second start must leave as it is."""
    return [
        await api.get(f"cdrs/{record_id}"),
        await api.get(f"recordings/{recording_id}"),
        (await api.get("activities"))["items"],
        (await api.get("leads"))["items"],
    ]


async def test_a_phone_that_loses_its_power_ends_the_call_with_the_reason(tmp_path: Path) -> None:
    async with ramal_process(tmp_path, MEDIA_SILENCE_SECONDS="5") as server:
        await server.start()
        async with talking(server, tmp_path) as (call, _answered, customer), server.api() as api:
            await asyncio.sleep(1.0)
            await customer.kill()
            await call.over(20)
            record = await until(lambda: only_record(api), "the record of the call")
            assert record["disposition"] == "answered"
            assert any("Vanished phone" in leg["reason"] for leg in record["legs"])
            assert (await api.get("calls"))["items"] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder for recordings on a disk of 128 kB: four seconds of a call."""
    folder = tmp_path / "data" / "recordings"
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def test_a_full_disk_costs_the_recording_but_not_a_moment_of_the_call(tmp_path: Path, small_disk: Path) -> None:
    async with ramal_process(tmp_path) as server:
        await server.start()
        async with talking(server, tmp_path) as (call, answered, _customer), server.api() as api:
            await asyncio.sleep(10.0)
            assert not call.ended
            await answered.stop_recording()
            heard = await complete(tmp_path / "customer-heard.wav")
            assert seconds_of(heard[-5 * 8000 :], AGENT_TONE) > 4.5
            await call.hang_up()
            await answered.over()
            record = await until(lambda: only_record(api), "the record of the call")
            assert record["disposition"] == "answered"
            recording = await until(lambda: sealed(api, record["recording_id"]), "the end of the recording")
            assert recording["failure"]
            assert recording["lost_seconds"] > 2
            (file,) = small_disk.rglob("*.wav")
            assert seconds_of(read(file, 1), AGENT_TONE) > 2
