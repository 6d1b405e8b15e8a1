"""The ladder: who sent what to whom, as text with a column for each participant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from sip.trace.values import End, TracedMessage

_NARROWEST: Final = 22
_WIDEST: Final = 44
_OURS: Final = "Ramal"


def ladder(messages: Sequence[TracedMessage], names: Mapping[End, str]) -> str:
    """Draw messages, in the order of time, as a ladder.

    Each line has the time (UTC) and the seconds since the first message. The first peer stands left of us, later ones right. A
    message that was sent before, byte for byte, is marked as `again`.

    Args:
        messages: at least one.
        names: who the peers are, by their ends, where it is known.
    """
    columns = _columns(messages)
    labels = [label + (" again" if again else "") for label, again in _labels(messages)]
    heads = [_head(column, messages, names) for column in columns]
    longest = max(len(text) for text in [*labels, *(line for head in heads for line in head)])
    width = min(max(longest + 6, _NARROWEST), _WIDEST)
    margin = " " * 24
    lines = [margin + "".join(text[: width - 2].center(width) for text in row) for row in zip(*heads, strict=True)]
    positions = {column: index for index, column in enumerate(columns)}
    began = messages[0].time
    for message, label in zip(messages, labels, strict=True):
        ours = positions[None]
        peer = positions[message.peer]
        begin, end = (ours, peer) if message.sent else (peer, ours)
        moment = datetime.fromtimestamp(message.time, UTC).strftime("%H:%M:%S.%f")[:-3]
        lines.append(f"{moment} {message.time - began:+10.3f} " + _rung(label, begin, end, len(columns), width))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def participants(messages: Sequence[TracedMessage]) -> list[End]:
    """Return the peers in the order in which they appeared."""
    return list(dict.fromkeys(message.peer for message in messages))


def repeated(messages: Sequence[TracedMessage]) -> list[bool]:
    """Tell for each message whether the same bytes went the same way before."""
    seen: set[tuple[End, End, bytes]] = set()
    told: list[bool] = []
    for message in messages:
        key = (message.source, message.destination, message.payload)
        told.append(key in seen)
        seen.add(key)
    return told


def _columns(messages: Sequence[TracedMessage]) -> list[End | None]:
    """Return the participants from left to right; None is us."""
    first, *others = participants(messages)
    return [first, None, *others]


def _head(column: End | None, messages: Sequence[TracedMessage], names: Mapping[End, str]) -> tuple[str, str]:
    if column is not None:
        return names.get(column, ""), str(column)
    locals_ = list(dict.fromkeys(str(message.local) for message in messages))
    return _OURS, locals_[0] + (" ..." if len(locals_) > 1 else "")


def _labels(messages: Sequence[TracedMessage]) -> list[tuple[str, bool]]:
    return list(zip((message.summary for message in messages), repeated(messages), strict=True))


def _rung(label: str, begin: int, end: int, count: int, width: int) -> str:
    """Draw the lifelines, and an arrow from one of them to another with a label on its part beside us."""
    line = list(" " * (width * count))
    posts = [width * index + width // 2 for index in range(count)]
    for post in posts:
        line[post] = "|"
    left, right = sorted((posts[begin], posts[end]))
    line[left + 1 : right] = "-" * (right - left - 1)
    line[right - 1 if begin < end else left + 1] = ">" if begin < end else "<"
    # On the stretch next to the middle column, which every arrow has.
    near = left + 1 if left == posts[1] else right - width + 1
    text = f" {label[: width - 6]} "
    start = near + (width - 1 - len(text)) // 2
    line[start : start + len(text)] = text
    return "".join(line)
