"""Sound files are played at the pace of speech, in place of the peer's voice, and their end is told once."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.codec import DECODED_CODECS
from media.engine import Codec, PlaybackEnded
from media.errors import SoundFileError
from tests.media.phone import Samples, pitch, studio, tone

pytestmark = pytest.mark.usefixtures("on_each_backend")


@pytest.fixture
def sounds(tmp_path: Path) -> dict[str, Path]:
    """Two short files."""
    return {name: write(tmp_path / f"{name}.wav", tone(hertz, 0.2)) for name, hertz in (("low", 500), ("high", 1500))}


def write(path: Path, samples: Samples, rate: int = 8000, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.mark.parametrize("codec", DECODED_CODECS)
async def test_files_are_heard_one_after_the_other(sounds: dict[str, Path], codec: Codec) -> None:
    async with studio() as room:
        anna, a = room.party(codec)
        playback = a.play([sounds["low"], sounds["high"]])
        heard = await anna.hear_many(20)
        assert pitch(anna.samples(heard[:10])) == pytest.approx(500, abs=8)
        assert pitch(anna.samples(heard[10:])) == pytest.approx(1500, abs=8)
        assert {b.timestamp - a.timestamp for a, b in itertools.pairwise(heard)} == {codec.clock_rate // 50}
        assert await room.event(PlaybackEnded) == [PlaybackEnded(a.id, playback, completed=True)]


@pytest.mark.parametrize("packet_ms", [10, 30, 40, 60])
@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.G722, Codec.L16])
async def test_a_sound_comes_in_packets_as_long_as_the_party_wants_and_loses_nothing(
    sounds: dict[str, Path], codec: Codec, packet_ms: int
) -> None:
    async with studio() as room:
        anna, a = room.party(codec)
        a.pack(packet_ms)
        playback = a.play([sounds["low"], sounds["high"]])
        heard = await anna.hear_many(-(-400 // packet_ms))
        assert await room.event(PlaybackEnded) == [PlaybackEnded(a.id, playback, completed=True)]
        step = codec.clock_rate * packet_ms // 1000
        assert {later.timestamp - earlier.timestamp & 0xFFFFFFFF for earlier, later in itertools.pairwise(heard)} == {
            step
        }
        assert {later.sequence - earlier.sequence & 0xFFFF for earlier, later in itertools.pairwise(heard)} == {1}
        assert [packet.marker for packet in heard] == [True] + [False] * (len(heard) - 1)
        sizes = [len(packet.payload) for packet in heard]
        assert set(sizes[:-1]) == {sizes[0]}
        assert sum(sizes) == 400 * sizes[0] // packet_ms
        samples = anna.samples(heard)
        assert pitch(samples[: len(samples) // 2]) == pytest.approx(500, abs=8)
        assert pitch(samples[len(samples) // 2 :]) == pytest.approx(1500, abs=8)


async def test_packets_grow_no_longer_than_networks_carry_and_opus_keeps_its_own(sounds: dict[str, Path]) -> None:
    async with studio() as room:
        for codec, length in ((Codec.L16_WIDE, 1280), (Codec.OPUS, None)):
            anna, a = room.party(codec)
            a.pack(60)
            a.play(sounds["low"], loop=True)
            heard = await anna.hear_many(6)
            milliseconds = 40 if length else 20
            steps = {later.timestamp - earlier.timestamp & 0xFFFFFFFF for earlier, later in itertools.pairwise(heard)}
            assert steps == {codec.clock_rate * milliseconds // 1000}
            assert length is None or {len(packet.payload) for packet in heard} == {length}


async def test_a_new_sound_begins_with_nothing_left_of_the_old_and_20_ms_come_back(sounds: dict[str, Path]) -> None:
    async with studio() as room:
        anna, a = room.party()
        a.pack(60)
        a.play(sounds["low"], loop=True)
        await anna.hear_many(2)
        a.pack(20)
        a.play(sounds["high"], loop=True)
        while len((first := await anna.hear()).payload) != 160:
            pass
        assert first.marker
        heard = [first, *await anna.hear_many(9)]
        assert {len(packet.payload) for packet in heard} == {160}
        assert pitch(anna.samples(heard)) == pytest.approx(1500, abs=8)


async def test_a_file_that_fills_no_whole_packet_ends_in_silence(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        a.play(write(tmp_path / "odd.wav", np.full(250, 8000, dtype=np.int16)))
        samples = anna.samples(await anna.hear_many(2))
        assert (samples[:250] > 7000).all()
        assert (samples[250:] == 0).all()


async def test_a_loop_goes_on_until_it_is_stopped(sounds: dict[str, Path]) -> None:
    async with studio() as room:
        anna, a = room.party()
        playback = a.play(sounds["low"], loop=True)
        assert pitch(anna.samples(await anna.hear_many(30))) == pytest.approx(500, abs=8)
        a.stop_play()
        assert await room.event(PlaybackEnded) == [PlaybackEnded(a.id, playback, completed=False)]


async def test_a_new_sound_takes_the_place_of_the_old(sounds: dict[str, Path]) -> None:
    async with studio() as room:
        _, a = room.party()
        first = a.play(sounds["low"], loop=True)
        second = a.play(sounds["high"])
        told = await room.event(PlaybackEnded, 2)
        assert told == [PlaybackEnded(a.id, first, completed=False), PlaybackEnded(a.id, second, completed=True)]


async def test_a_prompt_covers_the_bridge_and_then_the_peer_is_heard_in_the_same_stream(
    sounds: dict[str, Path],
) -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        b.play(sounds["low"])
        heard = []
        for _ in range(10):
            anna.send(b"\x10" * 160)
            heard.append(await boris.hear())
        await room.event(PlaybackEnded)
        anna.send(b"\x10" * 160)
        heard.append(await boris.hear())
        assert b"\x10" * 160 not in [packet.payload for packet in heard[:10]]
        assert heard[10].payload == b"\x10" * 160
        assert len({packet.ssrc for packet in heard}) == 1
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(heard)} == {1}
        assert heard[10].timestamp - heard[9].timestamp >= 160


async def test_playing_to_nobody_ends_all_the_same(sounds: dict[str, Path]) -> None:
    async with studio() as room:
        endpoint = room.engine.create_endpoint()
        playback = endpoint.play(sounds["low"])
        assert await room.event(PlaybackEnded) == [PlaybackEnded(endpoint.id, playback, completed=True)]


async def test_closing_ends_a_playback(sounds: dict[str, Path]) -> None:
    async with studio() as room:
        _, a = room.party()
        playback = a.play(sounds["low"], loop=True)
        a.close()
        late = a.play(sounds["low"])
        told = await room.event(PlaybackEnded, 2)
        assert told == [PlaybackEnded(a.id, playback, completed=False), PlaybackEnded(a.id, late, completed=False)]


async def test_a_changed_file_is_read_anew(sounds: dict[str, Path]) -> None:
    async with studio() as room:
        anna, a = room.party()
        a.play(sounds["low"])
        await anna.hear_many(10)
        write(sounds["low"], tone(2000, 0.3))
        a.play(sounds["low"])
        assert pitch(anna.samples(await anna.hear_many(15))) == pytest.approx(2000, abs=8)


async def test_an_empty_list_or_file_ends_at_once(tmp_path: Path) -> None:
    async with studio() as room:
        _, a = room.party()
        a.play([])
        await room.event(PlaybackEnded, 1)
        a.play(write(tmp_path / "empty.wav", np.zeros(0, dtype=np.int16)), loop=True)
        await room.event(PlaybackEnded, 2)


@pytest.mark.parametrize(
    ("rate", "channels", "subtype", "says"),
    [
        (16000, 1, "PCM_16", "8000 Hz"),
        (8000, 2, "PCM_16", "mono"),
        (8000, 1, "FLOAT", "16-bit"),
        (8000, 1, "ULAW", "16"),
    ],
)
async def test_a_wrong_format_is_refused_with_what_is_wrong(
    tmp_path: Path, rate: int, channels: int, subtype: str, says: str
) -> None:
    path = tmp_path / "wrong.wav"
    soundfile.write(path, np.zeros((800, channels)), rate, subtype=subtype)
    async with studio() as room:
        _, a = room.party()
        with pytest.raises(SoundFileError, match=says):
            a.play(path)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0", b"RIFF____WAVEdata\x04\0\0\0abcd", b"x" * 99]
)
async def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.wav"
    path.write_bytes(content)
    async with studio() as room:
        _, a = room.party()
        with pytest.raises(SoundFileError):
            a.play(path)


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    async with studio() as room:
        _, a = room.party()
        with pytest.raises(SoundFileError, match=r"nowhere\.wav"):
            a.play(tmp_path / "nowhere.wav")
        with pytest.raises(SoundFileError, match="no file"):
            a.play(tmp_path)
