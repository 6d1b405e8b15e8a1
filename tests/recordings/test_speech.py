"""Vosk behind the interface: the real library refuses missing and broken models plainly; its process may die without harm."""

import json
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recordings.errors import SpeechFailedError, SpeechUnavailableError
from recordings.speech import VoskRecogniser
from recordings.speech_process import segments_of
from recordings.values import Segment


def broken_model(folder: Path, *, parameters: str = "--min-active=200\n", acoustic: bytes = b"no model") -> Path:
    """A folder that looks like a model, with content that is none."""
    for name in ("am", "conf", "graph"):
        (folder / name).mkdir(parents=True)
    (folder / "am/final.mdl").write_bytes(acoustic)
    (folder / "conf/model.conf").write_text(parameters)
    (folder / "conf/mfcc.conf").write_text("--sample-frequency=16000\n")
    (folder / "graph/HCLG.fst").write_bytes(b"no graph")
    return folder


def silence(folder: Path) -> Path:
    path = folder / "call.wav"
    soundfile.write(path, np.zeros((800, 2), np.int16), 8000)
    return path


async def test_a_missing_model_is_told_before_any_process_starts(tmp_path: Path) -> None:
    recogniser = VoskRecogniser(tmp_path / "nowhere", python="/nonexistent")
    with pytest.raises(SpeechUnavailableError, match="There is no folder") as raised:
        await recogniser.transcribe(silence(tmp_path), 0.1)
    assert "alphacephei.com" in raised.value.hint


@pytest.mark.parametrize("lacking", ["am/final.mdl", "conf/mfcc.conf", "graph/HCLG.fst"])
async def test_a_folder_that_is_no_model_is_told_with_what_it_lacks(tmp_path: Path, lacking: str) -> None:
    model = broken_model(tmp_path / "model")
    (model / lacking).unlink()
    with pytest.raises(SpeechUnavailableError, match=lacking):
        VoskRecogniser(model).check()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "TransitionModel"),
        ({"acoustic": b""}, "final.mdl|token"),
        ({"acoustic": b"\0B<TransitionModel> "}, "Topology"),
        ({"parameters": "--no-such-option=1\n"}, "no-such-option"),
    ],
)
async def test_the_real_library_tells_why_it_cannot_load_a_broken_model(
    tmp_path: Path, content: dict[str, str], reason: str
) -> None:
    recogniser = VoskRecogniser(broken_model(tmp_path / "model", **content))  # type: ignore[arg-type]
    with pytest.raises(SpeechUnavailableError, match=reason):
        await recogniser.transcribe(silence(tmp_path), 0.1)
    await recogniser.rest()


def process_that(folder: Path, behaviour: str) -> str:
    """An interpreter that runs `behaviour` in place of the recogniser, with a function `reply`."""
    script = folder / "process"
    head = (
        f"#!{sys.executable}\nimport json, os, sys\ndef reply(**fields):\n    print(json.dumps(fields), flush=True)\n"
    )
    script.write_text(head + textwrap.dedent(behaviour))
    script.chmod(0o755)
    return str(script)


async def test_a_process_that_dies_in_a_file_is_started_anew_for_the_next(tmp_path: Path) -> None:
    python = process_that(
        tmp_path,
        """
        reply(ready=True)
        for line in sys.stdin:
            if "bad" in line:
                os.abort()
            reply(segments=[dict(channel=1, start=2, end=3, text="b", confidence=1),
                            dict(channel=0, start=0, end=1, text="a", confidence=1)])
        """,
    )
    recogniser = VoskRecogniser(broken_model(tmp_path / "model"), python=python)
    with pytest.raises(SpeechFailedError, match="ended or hung"):
        await recogniser.transcribe(tmp_path / "bad.wav", 1.0)
    said = await recogniser.transcribe(tmp_path / "good.wav", 1.0)
    assert [segment.text for segment in said] == ["a", "b"]
    await recogniser.rest()


async def test_a_file_that_the_process_refuses_is_told_and_the_process_stays(tmp_path: Path) -> None:
    python = process_that(
        tmp_path,
        """
        reply(ready=True)
        for line in sys.stdin:
            reply(error=f"{os.getpid()}")
        """,
    )
    recogniser = VoskRecogniser(broken_model(tmp_path / "model"), python=python)
    told = []
    for _ in range(2):
        with pytest.raises(SpeechFailedError) as raised:
            await recogniser.transcribe(tmp_path / "x.wav", 1.0)
        told.append(raised.value.message)
    assert told[0] == told[1]
    await recogniser.rest()


@pytest.mark.parametrize("behaviour", ["sys.exit(1)", "print('not json', flush=True)", "os.abort()"])
async def test_a_process_that_cannot_begin_is_a_model_that_cannot_be_loaded(tmp_path: Path, behaviour: str) -> None:
    recogniser = VoskRecogniser(broken_model(tmp_path / "model"), python=process_that(tmp_path, behaviour))
    with pytest.raises(SpeechUnavailableError, match="cannot be loaded"):
        await recogniser.transcribe(tmp_path / "x.wav", 1.0)
    await recogniser.rest()


def test_a_result_with_words_is_a_segment() -> None:
    result = {
        "result": [
            {"conf": 1.0, "end": 1.05, "start": 0.51, "word": "добрый"},
            {"conf": 0.5, "end": 1.5, "start": 1.05, "word": "день"},
        ],
        "text": "добрый день",
    }
    assert list(segments_of(json.dumps(result), 1)) == [Segment(1, 0.51, 1.5, "добрый день", 0.75)]


@pytest.mark.parametrize("result", ['{"text" : ""}', "{}", '{"result": [], "text": "x"}'])
def test_a_result_without_words_is_none(result: str) -> None:
    assert list(segments_of(result, 0)) == []
