"""STUN binding requests that phones send to the SIP port to keep a NAT open and to learn their address (RFC 8489, RFC 5626 4.4.2)."""

from __future__ import annotations

import ipaddress
import struct
from typing import Final

_COOKIE: Final = 0x2112A442
_BINDING_REQUEST: Final = 0x0001
_BINDING_SUCCESS: Final = 0x0101
_BINDING_ERROR: Final = 0x0111
_XOR_MAPPED_ADDRESS: Final = 0x0020
_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_OPTIONAL: Final = 0x8000
"""Attributes from here on may be ignored by one who does not know them."""
_HARMLESS: Final = frozenset({0x0006, 0x0008, 0x0020, 0x0024, 0x0025})
"""USERNAME, MESSAGE-INTEGRITY, XOR-MAPPED-ADDRESS, PRIORITY, USE-CANDIDATE: known, and of no meaning to a keep-alive."""
_MAX_ATTRIBUTES: Final = 16
_HEADER: Final = struct.Struct("!HHI12s")
_LONGEST: Final = 576
"""Bytes; a keep-alive has 20 to 28."""


def binding_response(data: bytes, host: str, port: int) -> bytes | None:
    """Return the answer to a binding request, or None when the datagram is none.

    Args:
        data: the datagram.
        host: the IP address that it came from.
        port: the port that it came from.
    """
    if not _HEADER.size <= len(data) <= _LONGEST:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != _BINDING_REQUEST or cookie != _COOKIE or length != len(data) - _HEADER.size or length % 4:
        return None
    unknown = _unknown_attributes(data)
    if unknown is None:
        return None
    if unknown:
        listed = struct.pack(f"!{len(unknown)}H", *unknown)
        body = _attribute(_ERROR_CODE, b"\0\0\x04\x14Unknown Attribute") + _attribute(_UNKNOWN_ATTRIBUTES, listed)
        return _HEADER.pack(_BINDING_ERROR, len(body), _COOKIE, transaction) + body
    body = _attribute(_XOR_MAPPED_ADDRESS, _mapped(host, port, transaction))
    return _HEADER.pack(_BINDING_SUCCESS, len(body), _COOKIE, transaction) + body


def _unknown_attributes(data: bytes) -> list[int] | None:
    """Return the attributes that must be understood and are not (RFC 8489 section 6.3.1); None: they cannot be read."""
    unknown: list[int] = []
    position, count = _HEADER.size, 0
    while position < len(data):
        kind, length = struct.unpack_from("!HH", data, position)
        position += 4 + (length + 3) // 4 * 4
        count += 1
        if position > len(data) or count > _MAX_ATTRIBUTES:
            return None
        if kind < _OPTIONAL and kind not in _HARMLESS:
            unknown.append(kind)
    return unknown


def _mapped(host: str, port: int, transaction: bytes) -> bytes:
    address = ipaddress.ip_address(host)
    mask = struct.pack("!I", _COOKIE) + transaction
    hidden = bytes(one ^ other for one, other in zip(address.packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if address.version == 4 else 2, port ^ (_COOKIE >> 16)) + hidden


def _attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("!HH", kind, len(value)) + value + padding
