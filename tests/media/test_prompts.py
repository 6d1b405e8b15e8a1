"""Prompts are spoken once and kept; tones and music are made; without a voice there is a tone and a hint."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.errors import SpeechTextError, UnknownPromptError
from media.music import hold_music
from media.prompt_texts import LANGUAGES, TEXTS, closest_language
from media.prompts import PromptStore
from media.tones import render, tones_of
from tests.media.phone import Samples, loudness, pitch


@pytest.fixture
def store(tmp_path: Path) -> PromptStore:
    """An empty store."""
    return PromptStore(tmp_path / "prompts")


def samples(path: Path) -> Samples:
    """What the engine will play."""
    information = soundfile.info(path)
    assert (information.samplerate, information.channels, information.subtype) == (8000, 1, "PCM_16")
    read, _ = soundfile.read(path, dtype="int16")
    return np.asarray(read, dtype=np.int16)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_has_its_text_in_every_language(language: str) -> None:
    for key, texts in TEXTS.items():
        names = {name for _, name, _, _ in string.Formatter().parse(texts["en"]) if name}
        assert {name for _, name, _, _ in string.Formatter().parse(texts[language]) if name} == names, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_greeting_is_spoken_with_the_company(store: PromptStore, language: str) -> None:
    spoken = samples(store.path("greeting", language, company="Aurora"))
    assert 2 < len(spoken) / 8000 < 15
    assert loudness(spoken) > 1000
    assert store.path("greeting", language, company="Aurora") != store.path("greeting", language, company="Boreal")


def test_languages_differ_and_unknown_ones_are_english(store: PromptStore) -> None:
    assert len({store.path("busy", language) for language in LANGUAGES}) == 3
    assert store.path("busy", "xx") == store.path("busy", "en")
    assert [closest_language(tag) for tag in ("pt", "PT-br", "ru-RU", "en-GB", "")] == [
        "pt-BR",
        "pt-BR",
        "ru",
        "en",
        "en",
    ]


def test_a_prompt_is_spoken_once(store: PromptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.path("goodbye", "en")
    monkeypatch.setattr("media.speech.subprocess.run", None)
    assert store.path("goodbye", "en") == first


def test_a_text_is_words_and_never_an_option_or_a_command(store: PromptStore, tmp_path: Path) -> None:
    hostile = f"--version; $(touch {tmp_path}/owned) [[h@'loU]] `id`\n-w {tmp_path}/owned"
    assert len(samples(store.say(hostile, "en"))) > 8000
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("text", ["", " \n", "x" * 1001])
def test_a_text_is_bounded(store: PromptStore, text: str) -> None:
    with pytest.raises(SpeechTextError, match="1 to 1000"):
        store.say(text, "en")


def test_unknown_prompts_and_missing_names_are_told(store: PromptStore) -> None:
    with pytest.raises(UnknownPromptError, match="nonsense"):
        store.path("nonsense", "en")
    with pytest.raises(UnknownPromptError, match="company"):
        store.path("greeting", "en")


def test_without_espeak_there_is_a_hint_and_a_tone(store: PromptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.check() == ""
    monkeypatch.setattr("media.speech.shutil.which", lambda _: None)
    assert "apt-get install espeak-ng" in store.check()
    assert pitch(samples(store.path("busy", "ru"))) == pytest.approx(950, abs=5)


def test_after_espeak_came_prompts_are_spoken(store: PromptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setattr("media.speech.shutil.which", lambda _: None)
        tone = store.path("busy", "ru")
    assert store.path("busy", "ru") != tone


def test_a_failing_espeak_gives_a_tone(store: PromptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.speech.shutil.which", lambda _: "/bin/false")
    assert pitch(samples(store.path("busy", "ru"))) == pytest.approx(950, abs=5)


def test_free_texts_are_forgotten_when_there_are_too_many(store: PromptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.prompts._MOST_SAID", 2)
    said = [store.say(text, "en") for text in ("one", "two", "three")]
    assert sum(path.exists() for path in said) == 2


def test_ringback_and_busy_are_those_of_the_country(store: PromptStore) -> None:
    ringing = samples(store.ringback("RU"))
    assert len(ringing) == 4 * 8000
    assert pitch(ringing) == pytest.approx(425, abs=2)
    assert loudness(ringing[8000:]) == 0
    assert store.ringback("BR") != store.ringback("RU")
    assert len(samples(store.busy("BR"))) == 2 * 8000
    assert len(render(tones_of("??").busy)) == 8000


def test_a_country_code_cannot_lead_out_of_the_folder(store: PromptStore, tmp_path: Path) -> None:
    assert store.ringback("../../x").parent == tmp_path / "prompts"


def test_hold_music_is_even_short_and_without_a_seam(store: PromptStore) -> None:
    music = samples(store.hold_music())
    assert 20 <= len(music) / 8000 <= 30
    seconds = [loudness(part) for part in np.array_split(music, 28)]
    assert min(seconds) > 500
    assert max(seconds) < 6 * min(seconds)
    assert abs(int(music[0]) - int(music[-1])) < np.abs(np.diff(music.astype(int))).max()
    assert np.array_equal(hold_music(), hold_music())


def test_preparing_makes_what_callers_must_not_wait_for(store: PromptStore, tmp_path: Path) -> None:
    store.prepare("RU")
    made = {path.stem.split("-")[0] for path in (tmp_path / "prompts").iterdir()}
    assert made == {"ringback", "busy", "music", "entering", "leaving"}


def test_tones_of_many_countries_can_be_told_apart_and_last_as_long_as_they_should() -> None:
    countries = ("AR", "AU", "BR", "CN", "DE", "FR", "GB", "JP", "RU", "TR", "US")
    assert len({tones_of(country) for country in countries}) == len(countries)
    for country in countries:
        for tone in (tones_of(country).ringback, tones_of(country).busy):
            assert len(render(tone)) == pytest.approx(8000 * sum(tone.cadence), abs=4)
    assert tones_of("KZ") == tones_of("RU")
