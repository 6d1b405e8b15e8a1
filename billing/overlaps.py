"""Rates that would hold for the same prefix and kind at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from billing.rate_deck import SINCE_EVER, WITHOUT_END
from billing.values import RateDraft

T = TypeVar("T")


def find_overlaps(items: Iterable[T], draft: Callable[[T], RateDraft]) -> Iterator[tuple[T, T]]:
    """Yield (this one, one before it) for each item whose validity begins before that of an earlier-beginning one has ended.

    Args:
        items: what is to stand beside each other in one tariff.
        draft: how to get the rate of an item. Items that begin together count in the order given.
    """
    groups: defaultdict[tuple[str, str | None], list[T]] = defaultdict(list)
    for item in items:
        rate = draft(item)
        groups[rate.prefix, rate.kind].append(item)
    for group in groups.values():
        if len(group) == 1:
            continue
        group.sort(key=lambda item: begins(draft(item)))
        reaching = group[0]
        for item in group[1:]:
            if begins(draft(item)) < ends(draft(reaching)):
                yield item, reaching
            if ends(draft(item)) > ends(draft(reaching)):
                reaching = item


def begins(rate: RateDraft) -> datetime:
    """Return the first moment of a rate."""
    return rate.valid_from or SINCE_EVER


def ends(rate: RateDraft) -> datetime:
    """Return the first moment at which a rate holds no more."""
    return rate.valid_to or WITHOUT_END
