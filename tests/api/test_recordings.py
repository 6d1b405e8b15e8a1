"""Recordings over the API: listed, drawn, played in ranges, and heard by those who may."""

from __future__ import annotations

import hashlib
import io

import httpx
import numpy as np
import pytest
import soundfile

from api.permissions import Role
from core.clock import ManualClock
from recordings.sealer import Sealer
from recordings.storage import RecordingStore
from recordings.tables import TranscriptRow
from recordings.values import TranscriptState

from .conftest import Server
from .story import INBOUND, LOCATION, RECORDING, START, inbound_call, write_recording

AUDIO = f"/api/v1/recordings/{RECORDING}/audio"


@pytest.fixture
async def content(server: Server) -> bytes:
    """A sealed recording of the inbound call, with its transcript; the bytes of its file."""
    folder = server.folder / "recordings"
    content = write_recording(folder)
    await server.journal(*inbound_call())
    sealer = Sealer(server.services.database, RecordingStore(folder), server.services.bus, ManualClock(START), "node1")
    assert await sealer.step() == 1
    await sealer.close()
    async with server.services.database.transaction() as session:
        session.add(
            TranscriptRow(
                id="019f0c6e-7a1b-7c3d-9e4f-00000000000b",
                recording_id=RECORDING,
                call_id=INBOUND,
                state=TranscriptState.DONE,
                segments=[{"channel": 0, "start": 0.5, "end": 1.5, "text": "Добрый день", "confidence": 0.9}],
                search_text="добрый день",
                created_at=START,
                finished_at=START,
            )
        )
    return content


async def test_a_recording_is_listed_and_drawn(server: Server, content: bytes, admin: httpx.AsyncClient) -> None:
    (listed,) = (await admin.get("/api/v1/recordings", params={"call_id": INBOUND})).json()["items"]
    shown = (await admin.get(f"/api/v1/recordings/{RECORDING}")).json()
    assert listed == shown
    assert (shown["state"], shown["channels"], shown["format"], shown["seconds"]) == ("sealed", 2, "wav", 2.0)
    assert shown["sha256"] == hashlib.sha256(content).hexdigest()
    waveform = (await admin.get(f"/api/v1/recordings/{RECORDING}/waveform")).json()
    left, right = waveform["channels"]
    assert waveform["seconds"] == 2.0
    assert max(left) == pytest.approx(0.5, abs=0.02)
    assert max(right) == pytest.approx(0.25, abs=0.02)


async def test_the_whole_file_is_played(content: bytes, admin: httpx.AsyncClient) -> None:
    answer = await admin.get(AUDIO)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    samples, rate = soundfile.read(io.BytesIO(answer.content))
    assert (rate, samples.shape) == (8000, (16000, 2))
    assert np.abs(samples[:, 0]).max() > np.abs(samples[:, 1]).max()


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=100-199", 206, slice(100, 200)),
        ("bytes=1000-", 206, slice(1000, None)),
        ("bytes=-500", 206, slice(-500, None)),
        ("bytes=0-99999999", 206, slice(0, None)),
        ("bytes=-99999999", 206, slice(0, None)),
        ("bytes=5-2", 200, slice(0, None)),
        ("bytes=0-1,5-6", 200, slice(0, None)),
        ("bytes=", 200, slice(0, None)),
        ("bytes=a-b", 200, slice(0, None)),
        ("lines=0-5", 200, slice(0, None)),
        ("bytes=" + "9" * 400 + "-", 200, slice(0, None)),
    ],
)
async def test_ranges(content: bytes, admin: httpx.AsyncClient, header: str, status: int, part: slice) -> None:
    answer = await admin.get(AUDIO, headers={"Range": header})
    assert answer.status_code == status
    assert answer.content == content[part]
    if status == 206:
        first = len(content) - len(answer.content) if header.startswith("bytes=-") else part.start
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(content)}"


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0"])
async def test_a_range_beyond_the_end_is_a_416_with_the_size(
    content: bytes, admin: httpx.AsyncClient, header: str
) -> None:
    answer = await admin.get(AUDIO, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(content)}"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_conditions_and_head(content: bytes, admin: httpx.AsyncClient) -> None:
    etag = (await admin.get(AUDIO)).headers["etag"]
    unchanged = await admin.get(AUDIO, headers={"If-None-Match": f'"x", W/{etag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    same = await admin.get(AUDIO, headers={"Range": "bytes=0-9", "If-Range": etag})
    other = await admin.get(AUDIO, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)
    head = await admin.head(AUDIO, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"], head.content) == (206, "10", b"")


async def test_listening_is_audited_once_and_again_after_a_while(
    server: Server, content: bytes, admin: httpx.AsyncClient
) -> None:
    async with await server.as_role(Role.MANAGER) as manager:
        for first in range(0, 500, 100):
            await manager.get(AUDIO, headers={"Range": f"bytes={first}-{first + 99}"})
        server.clock.advance(3600)
        await manager.get(AUDIO)
        await manager.get(f"/api/v1/recordings/{RECORDING}/waveform")
        await manager.get("/api/v1/recordings/nothing/audio")
    entries = (await admin.get("/api/v1/audit", params={"resource": "recordings"})).json()["items"]
    assert [(one["actor"], one["action"], one["target"]) for one in entries] == [
        ("manager token", "listen", RECORDING)
    ] * 2


@pytest.mark.parametrize(("extension", "status"), [("1001", 200), ("1002", 200), ("1003", 404), ("1004", 404)])
async def test_agents_hear_the_calls_they_spoke_in(server: Server, content: bytes, extension: str, status: int) -> None:
    async with await server.as_role(Role.AGENT, extension) as agent:
        for path in (AUDIO, f"/api/v1/recordings/{RECORDING}", f"/api/v1/recordings/{RECORDING}/waveform"):
            assert (await agent.get(path)).status_code == status
        assert (await agent.get(f"/api/v1/transcripts/{RECORDING}")).status_code == status
        expected = 1 if status == 200 else 0
        assert len((await agent.get("/api/v1/recordings")).json()["items"]) == expected
        assert len((await agent.get("/api/v1/transcripts")).json()["items"]) == expected
        assert (await agent.delete(f"/api/v1/recordings/{RECORDING}")).status_code == 403


async def test_a_file_that_is_gone_is_a_404_and_not_half_an_answer(
    server: Server, content: bytes, admin: httpx.AsyncClient
) -> None:
    (server.folder / "recordings" / LOCATION).unlink()
    answer = await admin.get(AUDIO)
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("recordings.audio_missing")


async def test_what_was_said_is_read_and_searched(content: bytes, admin: httpx.AsyncClient) -> None:
    transcript = (await admin.get(f"/api/v1/transcripts/{RECORDING}")).json()
    assert transcript == (await admin.get(f"/api/v1/transcripts/{transcript['id']}")).json()
    assert [(one["channel"], one["text"]) for one in transcript["segments"]] == [(0, "Добрый день")]
    assert len((await admin.get("/api/v1/transcripts", params={"search": "ДОБРЫЙ"})).json()["items"]) == 1
    assert (await admin.get("/api/v1/transcripts", params={"search": "пока"})).json()["items"] == []
    missing = await admin.get("/api/v1/transcripts/nothing")
    assert missing.status_code == 404
    assert "Speech recognition is off" in missing.json()["hint"]


async def test_an_administrator_deletes_a_recording_for_good(
    server: Server, content: bytes, admin: httpx.AsyncClient
) -> None:
    assert (await admin.delete(f"/api/v1/recordings/{RECORDING}")).status_code == 204
    assert (await admin.get(AUDIO)).status_code == 404
    assert not (server.folder / "recordings" / LOCATION).exists()
