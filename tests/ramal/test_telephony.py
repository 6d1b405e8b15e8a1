"""What call control is built from, and what is said of settings that cannot be had."""

from pathlib import Path

from structlog.testing import capture_logs

from ramal.telephony import check_speech_model
from recordings.speech import VoskRecogniser


def test_a_speech_model_that_is_not_there_is_told_at_the_start_and_not_after_the_first_call(tmp_path: Path) -> None:
    with capture_logs() as told:
        check_speech_model(VoskRecogniser(tmp_path / "nowhere"))
    assert [(one["event"], one["log_level"]) for one in told] == [("speech_model_unusable", "warning")]
    assert "RAMAL_SPEECH_VOSK_MODEL" in told[0]["hint"]
