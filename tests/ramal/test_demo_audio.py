"""How the demo finds out whether one heard the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ramal.demo.audio import RATE, hears, make_speech
from tests.support.tones import read

SPEAKERS = ("customer", "desk", "colleague")


@pytest.fixture
async def speech(tmp_path: Path) -> dict[str, Path]:
    return await make_speech(tmp_path)


async def test_everybody_is_told_from_the_others_though_all_have_one_voice(speech: dict[str, Path]) -> None:
    heard = {(listener, said) for listener in SPEAKERS for said in SPEAKERS if hears(speech[listener], speech[said])}
    assert heard == {(speaker, speaker) for speaker in SPEAKERS}


async def test_speech_that_a_busy_phone_cut_to_pieces_is_still_heard(speech: dict[str, Path]) -> None:
    # Of every 300 ms, 60 are skipped: the rest comes too early by as much.
    samples = read(speech["customer"])
    period, skipped = int(0.3 * RATE), int(0.06 * RATE)
    cut = np.concatenate([samples[start : start + period - skipped] for start in range(0, samples.size, period)])
    assert hears(cut, speech["customer"])
    assert not hears(cut, speech["desk"])
    assert not hears(np.zeros_like(cut), speech["customer"])
