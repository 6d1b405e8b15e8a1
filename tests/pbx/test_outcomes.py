"""What the final statuses of phones and trunks mean for the caller."""

from __future__ import annotations

import pytest

from media.prompt_texts import TEXTS
from pbx.outcomes import ENDINGS, Outcome, of_phones, of_status
from pbx.party import TRANSITIONS, LegState


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([], Outcome.UNAVAILABLE),
        ([486], Outcome.BUSY),
        ([480], Outcome.UNAVAILABLE),
        ([408], Outcome.NO_ANSWER),
        ([603, 486], Outcome.DECLINED),
        ([503, 486], Outcome.BUSY),
        ([503], Outcome.UNAVAILABLE),
        ([404, 480], Outcome.UNAVAILABLE),
        ([488], Outcome.NO_MEDIA),
        ([500, 408], Outcome.NO_ANSWER),
        ([500, 404], Outcome.UNAVAILABLE),
        ([500, 503], Outcome.FAILED),
        ([500, 403], Outcome.NOT_ALLOWED),
        ([403, 486], Outcome.BUSY),
        ([302], Outcome.UNAVAILABLE),
        ([302, 486], Outcome.BUSY),
        ([486, 408, 600, 500], Outcome.BUSY),
    ],
)
def test_the_phones_of_an_extension_mean_together(statuses: list[int], outcome: Outcome) -> None:
    assert of_phones(statuses) is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (403, Outcome.NOT_ALLOWED),
        (404, Outcome.UNKNOWN_NUMBER),
        (503, Outcome.TRUNKS_DOWN),
        (500, Outcome.FAILED),
        (699, Outcome.FAILED),
    ],
)
def test_a_status_has_a_meaning(status: int, outcome: Outcome) -> None:
    assert of_status(status) is outcome


def test_every_outcome_ends_with_a_final_error_and_a_hint_that_can_be_said() -> None:
    for outcome in Outcome:
        ending = ENDINGS[outcome]
        assert 400 <= ending.status < 700
        assert not ending.prompt or ending.prompt in TEXTS


def test_no_leg_comes_back_from_its_end() -> None:
    assert TRANSITIONS[LegState.ENDED] == frozenset()
    for state, following in TRANSITIONS.items():
        assert state not in following
        assert state is LegState.ENDED or LegState.ENDED in following
