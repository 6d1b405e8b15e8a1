"""The audio codecs as session descriptions name them (RFC 3551, RFC 7587)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(slots=True, frozen=True)
class Codec:
    """An encoding as SDP names it."""

    name: str
    """In upper case."""
    clock_rate: int
    """Hertz."""
    payload_type: int
    """The number that we offer it with."""
    channels: int = 1
    parameters: str = ""
    """What stands in its `fmtp` line."""

    @property
    def label(self) -> str:
        """What settings, the API and the media engine call it: its name, and for L16 of more than 8 kHz its rate."""
        return f"L16/{self.clock_rate}" if self.name == "L16" and self.clock_rate != 8000 else self.name

    @property
    def encoding(self) -> str:
        """Its `rtpmap`: name, clock and, where there are several, channels."""
        return f"{self.name}/{self.clock_rate}{f'/{self.channels}' if self.channels > 1 else ''}"


PCMU: Final = Codec("PCMU", 8000, 0)
PCMA: Final = Codec("PCMA", 8000, 8)
G722: Final = Codec("G722", 8000, 9)
OPUS: Final = Codec("OPUS", 48000, 111, 2, "useinbandfec=1")
"""Two channels by definition; its sound may well be of one (RFC 7587 section 7)."""
L16: Final = Codec("L16", 8000, 97)
L16_WIDE: Final = Codec("L16", 16000, 98)

DEFAULT_CODECS: Final = (PCMA, PCMU, G722, OPUS, L16, L16_WIDE)
"""All that are spoken here, in the order of our own wishes: the cheap ones first."""
OFFERED_CODECS: Final = (PCMA, PCMU, G722, OPUS)
"""What is offered to one of whose wishes nothing is known."""
_G711: Final = frozenset({"PCMU", "PCMA"})
_BY_LABEL: Final = {codec.label: codec for codec in DEFAULT_CODECS}


def by_label(label: str) -> Codec | None:
    """Return the codec of a label, or None when it is not spoken here."""
    return _BY_LABEL.get(label)


def alike(one: str, other: str) -> bool:
    """Tell whether legs of two codecs, given by their labels, hear each other without decoding."""
    return one == other or (one in _G711 and other in _G711)


def table(codecs: Sequence[Codec]) -> dict[tuple[str, int], Codec]:
    """Return codecs by name and clock rate, as a description maps its payload types."""
    return _TABLE if codecs is DEFAULT_CODECS else {(codec.name, codec.clock_rate): codec for codec in codecs}


_TABLE: Final = {(codec.name, codec.clock_rate): codec for codec in DEFAULT_CODECS}


@lru_cache(maxsize=256)
def order(wishes: tuple[str, ...], allowed: tuple[Codec, ...] = ()) -> tuple[Codec, ...]:
    """Return what to offer one party so that nothing has to be decoded for the other, as far as that can be.

    Args:
        wishes: labels of the codecs that the other party speaks, its favourite first; none when nothing is known.
        allowed: what may be offered, best first; none stands for all.

    Behind those comes the rest: who speaks nothing else is understood all the same.
    """
    if allowed:
        return (*(codec for codec in allowed if codec.label in wishes), *(c for c in allowed if c.label not in wishes))
    wished = [codec for label in wishes if (codec := _BY_LABEL.get(label)) is not None]
    return (*wished, *(codec for codec in OFFERED_CODECS if codec not in wished))
