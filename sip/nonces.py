"""Nonces of digest challenges: bound to time, realm and the address that asked, and each count of theirs good for one use.

Nothing is remembered of a nonce until it was used with a right password (RFC 7616 sections 3.3, 3.4 and 5.4).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Final

_STAMP: Final = struct.Struct(">II4s")
"""Seconds since 1970, a running number, and what tells this process from another with the same secret."""
_STAMP_BYTES: Final = _STAMP.size
_MAC_BYTES: Final = 12
_LENGTH: Final = (_STAMP_BYTES + _MAC_BYTES) * 2
_COUNT_WINDOW: Final = 64
"""Requests may overtake each other by this many nonce counts."""
_WINDOW_MASK: Final = (1 << _COUNT_WINDOW) - 1
_GENERATIONS: Final = 10
"""Counts are forgotten together with all others of the same tenth of a nonce's life."""


class Nonces:
    """Makes nonces and knows its own again."""

    def __init__(self, realm: str, secret: bytes, *, seconds: int, remembered: int, since: int = 0) -> None:
        """Begin.

        Args:
            realm: what they are for.
            secret: signs them; at least 16 random bytes.
            seconds: how long one may be used.
            remembered: of how many used ones the counts are kept; when there are more, the oldest turn stale.
            since: older ones, in seconds since 1970, are stale: how they were used is not known any more after a restart.
        """
        self._key = hashlib.blake2b(realm.encode(), key=hashlib.sha256(secret).digest(), digest_size=32).digest()
        self._keyed = hashlib.blake2b(key=self._key, digest_size=_MAC_BYTES)
        """What every signature begins with."""
        self._seconds = seconds
        self._span = max(1, seconds // _GENERATIONS)
        self._remembered = remembered
        self._process = os.urandom(4)
        self._number = 0
        self._counts: dict[int, dict[bytes, int]] = {}
        """By the span of time they were made in: stamp, and the highest count above a bit for each of the last counts."""
        self.held = 0
        """Of how many used nonces the counts are kept."""
        self._oldest = since

    def make(self, host: str, second: int) -> str:
        """Return a new nonce for the peer at this address; `second` is the time, in seconds since 1970."""
        self._number = self._number + 1 & 0xFFFFFFFF
        stamp = _STAMP.pack(second & 0xFFFFFFFF, self._number, self._process)
        return (stamp + self._mac(stamp, host)).hex()

    def fresh(self, nonce: str, host: str, second: int) -> bytes:
        """Return the stamp of a nonce that was made here, for this address, and is not too old; of another, nothing."""
        if len(nonce) != _LENGTH:
            return b""
        try:
            data = bytes.fromhex(nonce)
        except ValueError:
            return b""
        stamp = data[:_STAMP_BYTES]
        issued = int.from_bytes(stamp[:4], "big")
        if len(data) * 2 != _LENGTH or issued < self._oldest or not -1 <= second - issued <= self._seconds:
            return b""
        return stamp if hmac.compare_digest(data[_STAMP_BYTES:], self._mac(stamp, host)) else b""

    def use(self, stamp: bytes, count: int, second: int) -> bool:
        """Take note that a fresh nonce was used with this count; False when it was before (`nc`)."""
        span = int.from_bytes(stamp[:4], "big") // self._span
        generation = self._counts.get(span)
        if generation is None:
            self._forget(second)
            generation = self._counts.setdefault(span, {})
        held = generation.get(stamp)
        if held is None:
            generation[stamp] = count << _COUNT_WINDOW | 1
            self.held += 1
            if self.held > self._remembered:
                self._give_up_oldest(second)
            return True
        highest, seen = held >> _COUNT_WINDOW, held & _WINDOW_MASK
        if count > highest:
            shift = min(count - highest, _COUNT_WINDOW)
            highest, seen = count, (seen << shift | 1) & _WINDOW_MASK
        else:
            bit = 1 << (highest - count) if highest - count < _COUNT_WINDOW else 0
            if not bit or seen & bit:
                return False
            seen |= bit
        generation[stamp] = highest << _COUNT_WINDOW | seen
        return True

    def unknowable(self, text: str) -> str:
        """Return 32 hex digits that nobody without the secret can know, always the same for one text."""
        return hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=16).hexdigest()

    def _mac(self, stamp: bytes, host: str) -> bytes:
        mac = self._keyed.copy()
        mac.update(stamp + host.encode())
        return mac.digest()

    def _forget(self, second: int) -> None:
        """Drop the counts of nonces that are too old to be used."""
        for span in [span for span in self._counts if (span + 1) * self._span + self._seconds < second]:
            self.held -= len(self._counts.pop(span))

    def _give_up_oldest(self, second: int) -> None:
        """Drop the oldest counts, and with them every nonce as old, or it could be used twice."""
        span = min(self._counts)
        self.held -= len(self._counts.pop(span))
        self._oldest = max(self._oldest, min((span + 1) * self._span, second + 1))


@lru_cache(maxsize=8192)
def network_of(host: str) -> str:
    """Return what one sender owns: an IPv4 address itself, and of an IPv6 address its /64."""
    if ":" not in host:
        return host
    try:
        return str(IPv6Network((int(IPv6Address(host)), 64), strict=False))
    except ValueError:
        return host
