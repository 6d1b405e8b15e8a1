"""The recogniser's process: loads a Vosk model, then writes down one sound file after another.

Reads lines of JSON (`{"audio": PATH}`) from its input and writes one `SpeechReply` for each to its output; ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import soundfile

from recordings.speech import SpeechReply
from recordings.values import Segment

_BLOCK_SECONDS: Final = 0.5
_LOWEST_PRIORITY: Final = 19


def main() -> int:
    """Serve until the input ends; return the exit status."""
    os.nice(_LOWEST_PRIORITY)
    # The output is for replies alone, whatever a library may print.
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    try:
        with _caught_errors() as caught:
            import vosk  # noqa: PLC0415 - takes half a second and 100 MB; failing to load is a reply, too

            model = vosk.Model(sys.argv[1])
    except Exception as error:
        replies.write(_line(SpeechReply(error=caught[0] if caught else str(error))))
        return 1
    replies.write(_line(SpeechReply(ready=True)))
    for line in sys.stdin.buffer:
        try:
            reply = SpeechReply(segments=tuple(listen(vosk, model, Path(json.loads(line)["audio"]))))
        except Exception as error:
            # The file's fault, or the library's: the next one may do better.
            reply = SpeechReply(error=f"{type(error).__name__}: {error}")
        replies.write(_line(reply))
    return 0


def listen(vosk: Any, model: Any, audio: Path) -> Iterator[Segment]:
    """Give what is said in a sound file, channel by channel."""
    with soundfile.SoundFile(audio) as sound:
        recognisers = [vosk.KaldiRecognizer(model, float(sound.samplerate)) for _ in range(sound.channels)]
        for recogniser in recognisers:
            recogniser.SetWords(True)
        frames = max(1, int(sound.samplerate * _BLOCK_SECONDS))
        while len(block := sound.read(frames, dtype="int16", always_2d=True)):
            for channel, recogniser in enumerate(recognisers):
                if recogniser.AcceptWaveform(np.ascontiguousarray(block[:, channel]).tobytes()):
                    yield from segments_of(recogniser.Result(), channel)
        for channel, recogniser in enumerate(recognisers):
            yield from segments_of(recogniser.FinalResult(), channel)


def segments_of(result: str, channel: int) -> Iterator[Segment]:
    """Give the segment that a result of Vosk tells of, if anything was said."""
    found = json.loads(result)
    words, text = found.get("result") or [], str(found.get("text", "")).strip()
    if not words or not text:
        return
    confidence = sum(float(word.get("conf", 0.0)) for word in words) / len(words)
    yield Segment(
        channel=channel,
        start=round(float(words[0]["start"]), 2),
        end=round(float(words[-1]["end"]), 2),
        text=text,
        confidence=round(confidence, 3),
    )


@contextlib.contextmanager
def _caught_errors() -> Iterator[list[str]]:
    """Collect the last error that native code writes to the standard error output; Vosk tells its reasons only there."""
    caught: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield caught
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            errors = [line for line in lines if line.startswith("ERROR")]
            if errors:
                caught.append(errors[-1].partition(") ")[2][:400])


def _line(reply: SpeechReply) -> bytes:
    return msgspec.json.encode(reply) + b"\n"


if __name__ == "__main__":
    sys.exit(main())
