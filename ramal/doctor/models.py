"""The models of speech and faces that the settings name: are they there, and do they look like what they should be?"""

from __future__ import annotations

from typing import Final

from core.settings import Settings
from ramal.doctor.findings import Finding, Severity, ok
from recordings.errors import SpeechUnavailableError
from recordings.speech import VoskRecogniser

_SUBJECT: Final = "models"


def examine(settings: Settings) -> list[Finding]:
    """Look at the files that the settings name, without loading them; nothing is said of what no setting asks for."""
    findings = []
    speech, detector = settings.speech.vosk_model, settings.faces.detector_model
    if speech is not None:
        try:
            VoskRecogniser(speech).check()
        except SpeechUnavailableError as error:
            message = f"Calls are not written down: {error.message}"
            findings.append(
                Finding(_SUBJECT, Severity.PROBLEM, "speech_model_unusable", message, error.hint, str(speech))
            )
        else:
            findings.append(ok(_SUBJECT, "speech_model", f"The speech model {speech.name} is there."))
    if detector is not None and not detector.is_file():
        message = f"No camera can start: there is no face detector model {detector}."
        advice = "Correct RAMAL_FACES_DETECTOR_MODEL, or leave it out: dlib's detector needs no file."
        findings.append(Finding(_SUBJECT, Severity.PROBLEM, "detector_missing", message, advice, str(detector)))
    elif detector is not None:
        findings.append(ok(_SUBJECT, "detector", f"The face detector model {detector.name} is there."))
    return findings
