"""What the engine tells about endpoints and recordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True, frozen=True)
class DigitReceived:
    """The party pressed a key (RFC 4733): told once, when the key is let go. `digit` is one of 0-9 * # A-D."""

    endpoint_id: int
    digit: str
    duration_ms: int


@dataclass(slots=True, frozen=True)
class FirstPacket:
    """The first RTP packet of the party came; once in an endpoint's life."""

    endpoint_id: int


@dataclass(slots=True, frozen=True)
class MediaTimeout:
    """Nothing came from a party for too long; told once, and again only after it was heard or configured anew."""

    endpoint_id: int
    silent_seconds: float


@dataclass(slots=True, frozen=True)
class PlaybackEnded:
    """A playback is over; told exactly once for each. `completed` is false when it was stopped, replaced, or its endpoint closed."""

    endpoint_id: int
    playback_id: int
    completed: bool = True


@dataclass(slots=True, frozen=True)
class RecordingFailed:
    """The recording's disk fails or is too slow; the recording goes on and tries again each second.

    Told when the trouble begins, and again with the final loss when it is over or the recording is closed. `lost_seconds` counts
    from the start of the recording; it stays 0.0 as long as the engine could keep everything in memory.
    """

    recording_id: int
    reason: str
    lost_seconds: float


@dataclass(slots=True, frozen=True)
class RecordingClosed:
    """The file is complete and on the disk; nothing will change it any more."""

    recording_id: int


@dataclass(slots=True, frozen=True)
class SpeakerChanged:
    """Another party of a mixer is the one who speaks; who spoke last stays the speaker through everybody's pauses."""

    mixer_id: int
    endpoint_id: int


@dataclass(slots=True, frozen=True)
class HandshakeReceived:
    """A datagram of DTLS came from where the party showed itself."""

    endpoint_id: int
    datagram: bytes


@dataclass(slots=True, frozen=True)
class ConsentLost:
    """No connectivity check came for so long that the party is taken for gone (RFC 7675); told once."""

    endpoint_id: int
    silent_seconds: float


@dataclass(slots=True, frozen=True)
class VoiceBegan:
    """A party that is listened to begins to speak, after so many seconds of silence."""

    endpoint_id: int
    after_seconds: float


@dataclass(slots=True, frozen=True)
class VoiceEnded:
    """A party that is listened to stopped speaking some 0.4 s ago; it spoke for so many seconds, those included."""

    endpoint_id: int
    after_seconds: float


MediaEvent = (
    DigitReceived
    | FirstPacket
    | MediaTimeout
    | PlaybackEnded
    | RecordingFailed
    | RecordingClosed
    | SpeakerChanged
    | HandshakeReceived
    | ConsentLost
    | VoiceBegan
    | VoiceEnded
)


_Maker = Callable[[int, int, float, str, bytes], MediaEvent]

_MAKERS: Final[dict[int, _Maker]] = {
    1: lambda source, number, value, _reason, _data: DigitReceived(source, chr(number), round(value)),
    2: lambda source, _number, _value, _reason, _data: FirstPacket(source),
    3: lambda source, _number, value, _reason, _data: MediaTimeout(source, value),
    4: lambda source, number, value, _reason, _data: PlaybackEnded(source, number, completed=value > 0),
    5: lambda source, _number, value, reason, _data: RecordingFailed(source, reason, value),
    6: lambda source, _number, _value, _reason, _data: RecordingClosed(source),
    20: lambda source, number, _value, _reason, _data: SpeakerChanged(source, number),
    30: lambda source, _number, _value, _reason, data: HandshakeReceived(source, data),
    31: lambda source, _number, value, _reason, _data: ConsentLost(source, value),
    21: lambda source, _number, value, _reason, _data: VoiceBegan(source, value),
    22: lambda source, _number, value, _reason, _data: VoiceEnded(source, value),
}
"""How events are made from what the native engine hands out, by the kinds of native/events.hpp."""


def decode(kind: int, source: int, number: int, value: float, told: str | bytes) -> MediaEvent:
    """Make an event of what the native engine hands out."""
    maker = _MAKERS.get(kind)
    if maker is None:
        raise ValueError(f"The native engine is of another version: unknown event {kind}")
    reason, data = (told, b"") if isinstance(told, str) else ("", told)
    return maker(source, number, value, reason, data)
