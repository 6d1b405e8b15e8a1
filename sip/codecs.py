"""The audio codecs as session descriptions name them (RFC 3551, RFC 4856, RFC 7587)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
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
    passed: bool = False
    """Whether it is not decoded here, but only passed on between two who speak it: nothing of ours can be heard in it."""

    @property
    def label(self) -> str:
        """What settings, the API and the media engine call it: its name, and for L16 and Speex of more than 8 kHz its rate."""
        return (
            f"{self.name}/{self.clock_rate}"
            if self.name in _OF_SEVERAL_RATES and self.clock_rate != 8000
            else self.name
        )

    @property
    def encoding(self) -> str:
        """Its `rtpmap`: name, clock and, where there are several, channels."""
        name = _REGISTERED_AS.get(self.name, self.name)
        return f"{name}/{self.clock_rate}{f'/{self.channels}' if self.channels > 1 else ''}"


_OF_SEVERAL_RATES: Final = frozenset({"L16", "SPEEX"})
_REGISTERED_AS: Final = MappingProxyType({"OPUS": "opus", "ILBC": "iLBC", "SPEEX": "speex"})
"""Case means nothing in names of encodings (RFC 4855 section 3), but some compare it with what RFC 7587, RFC 3952 and RFC 5574 write."""

PCMU: Final = Codec("PCMU", 8000, 0)
PCMA: Final = Codec("PCMA", 8000, 8)
G722: Final = Codec("G722", 8000, 9)
OPUS: Final = Codec("OPUS", 48000, 111, 2, "useinbandfec=1")
"""Two channels by definition; its sound may well be of one (RFC 7587 section 7)."""
L16: Final = Codec("L16", 8000, 97)
L16_WIDE: Final = Codec("L16", 16000, 98)

DEFAULT_CODECS: Final = (PCMA, PCMU, G722, OPUS, L16, L16_WIDE)
"""All that are decoded here, in the order of our own wishes: the cheap ones first."""
OFFERED_CODECS: Final = (PCMA, PCMU, G722, OPUS)
"""What is offered to one of whose wishes nothing is known."""
G729: Final = Codec("G729", 8000, 18, passed=True)
AMR: Final = Codec("AMR", 8000, 118, passed=True)
PASSED_CODECS: Final = (
    G729,
    Codec("G723", 8000, 4, passed=True),
    Codec("G728", 8000, 15, passed=True),
    Codec("GSM", 8000, 3, passed=True),
    Codec("GSM-EFR", 8000, 112, passed=True),
    Codec("G726-16", 8000, 113, passed=True),
    Codec("G726-24", 8000, 114, passed=True),
    Codec("G726-32", 8000, 115, passed=True),
    Codec("G726-40", 8000, 116, passed=True),
    Codec("ILBC", 8000, 117, passed=True),
    AMR,
    Codec("AMR-WB", 16000, 119, passed=True),
    Codec("SPEEX", 8000, 120, passed=True),
    Codec("SPEEX", 16000, 121, passed=True),
    Codec("G7221", 16000, 122, passed=True),
)
"""What is passed on between two who speak it; a party's own number and parameters take the place of those here."""
KNOWN_CODECS: Final = (*DEFAULT_CODECS, *PASSED_CODECS)
"""All that a party may speak."""
_G711: Final = frozenset({"PCMU", "PCMA"})
_BY_LABEL: Final = {codec.label: codec for codec in KNOWN_CODECS}
_LAYOUTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "AMR": {"octet-align": "0", "crc": "0", "robust-sorting": "0", "interleaving": ""},
        "AMR-WB": {"octet-align": "0", "crc": "0", "robust-sorting": "0", "interleaving": ""},
        "ILBC": {"mode": "30"},
        "G7221": {"bitrate": ""},
    }
)
"""By name: the parameters that decide how a packet is laid out, with what holds where they are left out (RFC 4867 section 8.1,
RFC 3952 section 4.2, RFC 5577 section 4.1.1)."""


def by_label(label: str) -> Codec | None:
    """Return the codec of a label, or None when it is not known here."""
    return _BY_LABEL.get(label)


def alike(one: Codec, other: Codec) -> bool:
    """Tell whether legs of two codecs hear each other without decoding."""
    if one.passed:
        return one.label == other.label and _layout(one.name, one.parameters) == _layout(one.name, other.parameters)
    return one.label == other.label or (one.name in _G711 and other.name in _G711)


@lru_cache(maxsize=256)
def _layout(name: str, parameters: str) -> tuple[str, ...]:
    """Return the values of those parameters of a codec that decide how its packets are laid out."""
    usual = _LAYOUTS.get(name)
    if usual is None:
        return ()
    given: dict[str, str] = {}
    for part in parameters.lower().split(";"):
        key, _, value = part.partition("=")
        given.setdefault(key.strip(), value.strip())
    return tuple([given.get(key, default) for key, default in usual.items()])


def table(codecs: Sequence[Codec]) -> dict[tuple[str, int], Codec]:
    """Return codecs by name and clock rate, as a description maps its payload types."""
    if codecs is KNOWN_CODECS:
        return _KNOWN_TABLE
    return _TABLE if codecs is DEFAULT_CODECS else {(codec.name, codec.clock_rate): codec for codec in codecs}


_TABLE: Final = {(codec.name, codec.clock_rate): codec for codec in DEFAULT_CODECS}
_KNOWN_TABLE: Final = {(codec.name, codec.clock_rate): codec for codec in KNOWN_CODECS}


@lru_cache(maxsize=256)
def order(wishes: tuple[Codec, ...], allowed: tuple[Codec, ...] = ()) -> tuple[Codec, ...]:
    """Return what to offer one party so that nothing has to be decoded for the other, as far as that can be.

    Args:
        wishes: the codecs that the other party speaks, its favourite first; none when nothing is known.
        allowed: what may be offered, best first; none stands for all.

    What is only passed on stands last, unless `allowed` wants it otherwise; where the other party speaks nothing else, it stands alone,
    and nothing at all is returned where that is not allowed. Behind what is wished comes the rest that we decode: who speaks nothing
    else is understood all the same.
    """
    decoded = [codec for codec in wishes if not codec.passed]
    passed = [codec for codec in wishes if codec.passed]
    if allowed:
        labels = [codec.label for codec in allowed]
        wished = [codec for codec in wishes if codec.label in labels]
        wished.sort(key=lambda codec: labels.index(codec.label))
        # What the other party numbers and parametrises its own way is so for passed codecs alone.
        wished = [codec if codec.passed else allowed[labels.index(codec.label)] for codec in wished]
        rest = [codec for codec in allowed if not codec.passed and codec not in wished]
        return tuple(wished if passed and not decoded else [*wished, *rest])
    if passed and not decoded:
        return tuple(passed)
    return (*decoded, *(codec for codec in OFFERED_CODECS if codec not in decoded), *passed)
