"""Resampling keeps the telephone's band, lets no alias through and loses no sample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from media.coding import Resampler

PAIRS = [(a, b) for a in (8000, 16000, 48000) for b in (8000, 16000, 48000) if a != b]


def resampled(samples: NDArray[np.int16], a: int, b: int, piece: int = 0) -> NDArray[np.int16]:
    """Pass samples through in pieces, 20 ms each by default."""
    machine = Resampler(a, b)
    size = piece or a // 50
    parts = [machine.process(samples[at : at + size].tobytes()) for at in range(0, len(samples), size)]
    return np.frombuffer(b"".join(parts), np.int16)


def sine(hertz: float, rate: int) -> NDArray[np.int16]:
    return np.asarray(16000 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate), dtype=np.int16)


def gain_db(samples: NDArray[np.int16]) -> float:
    """Of the settled middle, against the sine's own level."""
    middle = samples[len(samples) // 4 : -len(samples) // 4].astype(float)
    return float(20 * np.log10(np.sqrt(np.mean(middle**2)) / (16000 / np.sqrt(2)) + 1e-9))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_band_of_the_lower_rate_comes_through_with_its_level(a: int, b: int) -> None:
    lower = min(a, b)
    for share in (0.02, 0.1, 0.25, 0.4, 0.43):
        assert gain_db(resampled(sine(share * lower, a), a, b)) == pytest.approx(0, abs=0.2), share


@pytest.mark.parametrize(("a", "b"), [(a, b) for a, b in PAIRS if a > b])
def test_what_the_lower_rate_cannot_carry_is_gone_and_does_not_fold(a: int, b: int) -> None:
    for share in (0.51, 0.6, 0.75, 0.95):
        assert gain_db(resampled(sine(min(share * b, a / 2.1), a), a, b)) < -55, share


@pytest.mark.parametrize(("a", "b"), [(a, b) for a, b in PAIRS if a < b])
def test_a_higher_rate_holds_no_image_of_the_band(a: int, b: int) -> None:
    heard = resampled(sine(0.43 * a, a), a, b).astype(float)
    spectrum = np.abs(np.fft.rfft(heard[b // 4 : 3 * b // 4] * np.hanning(b // 2))) ** 2
    hertz = np.fft.rfftfreq(b // 2, 1 / b)
    image = spectrum[hertz > a / 2].sum() / spectrum.sum()
    assert 10 * np.log10(image) < -50


@pytest.mark.parametrize(("a", "b"), PAIRS)
@pytest.mark.parametrize("piece", [7, 160, 1000])
def test_pieces_of_any_length_make_the_same_stream(a: int, b: int, piece: int) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, a // 2, dtype=np.int16)
    np.testing.assert_array_equal(resampled(noise, a, b, piece), resampled(noise, a, b))
    assert len(resampled(noise, a, b, piece)) == (len(noise) * b + a - 1) // a


def test_full_scale_does_not_wrap() -> None:
    square = np.where(np.arange(8000) // 8 % 2, 32767, -32768).astype(np.int16)
    heard = resampled(square, 8000, 16000)
    assert np.abs(np.diff(heard.astype(int))).max() < 45000
