"""Judging generated greetings as the engine does on a live call: its own voice detector, then the judge, in the time of the sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from media.answerer import Answerer, AnswererJudge
from media.coding import VoiceDetector
from tests.support.greetings import RATE, Greeting

_FRAME = RATE // 50


def judge(greeting: Greeting) -> tuple[Answerer, float]:
    """Return who it is taken for, and after how many seconds."""
    detector, judge = VoiceDetector(), AnswererJudge()
    samples = np.asarray(np.clip(greeting.sound, -1, 1) * 32767, dtype=np.int16)
    speaks = False
    for start in range(0, len(samples) - _FRAME + 1, _FRAME):
        now = (start + _FRAME) / RATE
        before, speaks = speaks, detector.frame(samples[start : start + _FRAME].tobytes())
        if speaks is not before:
            (judge.voice_began if speaks else judge.voice_ended)(now)
        if (verdict := judge.wait(now)) is not None:
            return verdict, now
    return judge.wait(judge.next_look) or Answerer.UNKNOWN, judge.next_look


def outcomes(greetings: Iterable[Greeting]) -> Counter[tuple[bool, Answerer]]:
    """Count by whether it is a machine, and who it was taken for."""
    return Counter((greeting.machine, judge(greeting)[0]) for greeting in greetings)
