"""What can go wrong with recordings and transcripts."""

from __future__ import annotations

from core.errors import Fault, InvalidInputError, NotFoundError, RamalError


class RecordingError(RamalError):
    """The root of the recordings' errors."""

    id = "recordings.error"


class RecordingInputError(RecordingError, InvalidInputError):
    """A parameter breaks a rule; the message names both."""

    id = "recordings.invalid_input"
    fault = Fault.CALLER
    http_status = 422


class RecordingNotFoundError(RecordingError, NotFoundError):
    """There is no such recording, waveform or transcript."""

    id = "recordings.not_found"
    fault = Fault.CALLER
    http_status = 404


class RangeNotSatisfiableError(RecordingError):
    """The asked range of bytes lies beyond the file (RFC 9110 section 15.5.17)."""

    id = "recordings.range_not_satisfiable"
    fault = Fault.CALLER
    http_status = 416

    def __init__(self, message: str, *, size: int) -> None:
        super().__init__(message)
        self.size = size
        """The size of the file in bytes, for the answer's Content-Range."""


class BadLocationError(RecordingError):
    """A location is not a plain relative URL below the recordings folder."""

    id = "recordings.bad_location"
    fault = Fault.OURS
    http_status = 500


class AudioMissingError(RecordingError):
    """The recording's file is not in the store."""

    id = "recordings.audio_missing"
    fault = Fault.OURS
    http_status = 404


class DamagedAudioError(RecordingError):
    """The recording's file cannot be read as sound."""

    id = "recordings.damaged_audio"
    fault = Fault.OURS
    http_status = 500


class StoreUnavailableError(RecordingError):
    """The store of recordings cannot be used at present: not mounted, not permitted, not answering."""

    id = "recordings.store_unavailable"
    fault = Fault.OURS
    http_status = 503


class SpeechUnavailableError(RecordingError):
    """Speech recognition is off, or its model cannot be used."""

    id = "recordings.speech_unavailable"
    fault = Fault.OURS
    http_status = 503


class SpeechFailedError(RecordingError):
    """The recogniser gave up on one recording."""

    id = "recordings.speech_failed"
    fault = Fault.OURS
    http_status = 500
