"""Encoding and decoding a packet at a time, for tools, measurements and tests: calls are coded inside the engine."""

from __future__ import annotations

from media import _engine
from media._engine import Hearing, Resampler, VoiceDetector
from media.codec import Codec

__all__ = ["Hearing", "Resampler", "VoiceDetector", "decoder", "encoder"]


def decoder(codec: Codec, *, sample_rate: int = 16000) -> _engine.Decoder:
    """Return a decoder for one stream.

    `sample_rate` (8000, 16000 or 48000) is a wish: Opus grants each of them, the others have one rate. Look at its `rate`.
    """
    return _engine.Decoder(codec.number, sample_rate)


def encoder(codec: Codec, *, sample_rate: int = 16000) -> _engine.Encoder:
    """Return an encoder for one stream, of frames of 20 ms; `sample_rate` as with `decoder`."""
    return _engine.Encoder(codec.number, sample_rate)
