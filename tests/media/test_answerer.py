"""Who took a call: the judge in injected time, and how often it errs on greetings that were never heard before."""

from __future__ import annotations

import pytest

from media.answerer import Answerer, AnswererJudge, AnswererLimits
from tests.support.answerers import outcomes
from tests.support.greetings import generated


def test_a_short_word_and_a_pause_is_a_person() -> None:
    judge = AnswererJudge()
    assert judge.voice_began(0.6) is None
    assert judge.voice_ended(1.7) is None
    assert judge.next_look == pytest.approx(1.3 + 1.2)
    assert judge.wait(2.4) is None
    assert judge.wait(2.5) is Answerer.PERSON


def test_one_who_goes_on_speaking_is_a_machine_pauses_left_out() -> None:
    judge = AnswererJudge()
    judge.voice_began(0.5)
    judge.voice_ended(1.9)
    judge.voice_began(2.5)
    # One second was spoken before.
    assert judge.next_look == pytest.approx(2.5 + 2.2 - 1.0)
    assert judge.wait(3.6) is None
    assert judge.wait(3.7) is Answerer.MACHINE
    assert judge.voice_ended(9.0) is Answerer.MACHINE


def test_voice_that_begins_after_the_pause_of_a_person_changes_nothing() -> None:
    judge = AnswererJudge()
    judge.voice_began(0.2)
    judge.voice_ended(1.0)
    assert judge.voice_began(4.0) is Answerer.PERSON


def test_silence_is_not_judged() -> None:
    judge = AnswererJudge()
    assert judge.wait(3.9) is None
    assert judge.wait(4.0) is Answerer.UNKNOWN


def test_one_who_stammers_on_is_given_up_in_the_end() -> None:
    judge = AnswererJudge(AnswererLimits(longest=5.0))
    for start in (0.5, 1.5, 2.5, 3.5, 4.5):
        assert judge.voice_began(start) is None
        judge.voice_ended(start + 0.6)
    assert judge.wait(5.0) is Answerer.UNKNOWN


def test_of_greetings_never_heard_before_nineteen_in_twenty_are_judged_right() -> None:
    counts = outcomes(generated(160, seed=404))
    wrong = sum(
        count
        for (machine, who), count in counts.items()
        if who is not (Answerer.MACHINE if machine else Answerer.PERSON)
    )
    assert sum(counts.values()) == 160
    assert wrong <= 8, counts
