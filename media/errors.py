"""What can go wrong in the media plane, worded for the one who can act on it."""

from __future__ import annotations

from core.errors import Fault, RamalError


class MediaError(RamalError):
    """The root of the family."""

    id = "media.error"


class EngineUnavailableError(MediaError):
    """The native engine cannot run: it is not built, or its address cannot be bound."""

    id = "media.engine_unavailable"
    http_status = 503


class EngineClosedError(MediaError):
    """The engine is closed; nothing new can be opened."""

    id = "media.engine_closed"
    http_status = 503


class PortsExhaustedError(MediaError):
    """Every pair of RTP ports is taken, or the process may open no more files."""

    id = "media.ports_exhausted"
    http_status = 503


class InvalidEndpointError(MediaError):
    """An endpoint cannot be pointed there: not an IP address, a port or payload type out of range."""

    id = "media.invalid_endpoint"
    fault = Fault.CALLER
    http_status = 422


class InvalidDigitError(MediaError):
    """Not a DTMF digit."""

    id = "media.invalid_digit"
    fault = Fault.CALLER
    http_status = 422


class InvalidGainError(MediaError):
    """A gain of a mixer is out of range."""

    id = "media.invalid_gain"
    fault = Fault.CALLER
    http_status = 422


class SoundFileError(MediaError):
    """A sound file is missing, unreadable, or not 8 kHz mono 16-bit WAV."""

    id = "media.sound_file"
    http_status = 500


class RecordingFileError(MediaError):
    """A recording cannot be created, read or repaired."""

    id = "media.recording_file"
    http_status = 500


class SpeechUnavailableError(MediaError):
    """espeak-ng is missing or failed."""

    id = "media.speech_unavailable"
    http_status = 503


class SpeechTextError(MediaError):
    """A text is empty or too long to be spoken."""

    id = "media.speech_text"
    fault = Fault.CALLER
    http_status = 422


class UnknownPromptError(MediaError):
    """There is no such prompt, or a name in it was not given."""

    id = "media.unknown_prompt"


class HandshakeError(MediaError):
    """No keys can be agreed with the party."""

    id = "media.handshake_failed"
    fault = Fault.CALLER
