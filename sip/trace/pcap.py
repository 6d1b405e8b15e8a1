"""The trace as a capture file that Wireshark opens: classic PCAP, raw IP, with headers made up around the messages.

Every message becomes one UDP packet between the ends it travelled between, also where it came over TCP, TLS or a WebSocket: what
was split over segments, or encrypted, can so be read as well. Times, addresses, ports and messages are those of the trace.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import Final

from sip.trace.values import End, TracedMessage

_FILE_HEADER: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)
"""Magic, version 2.4, UTC, no accuracy given, longest packet, link type LINKTYPE_RAW: packets begin with the IP header."""
_PACKET: Final = struct.Struct("<IIII")
_UDP: Final = struct.Struct("!HHHH")
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")
_UDP_NUMBER: Final = 17
_HOPS: Final = 64
_MOST_PAYLOAD: Final = 65_535 - 20 - 8
_UNKNOWN: Final = "192.0.2.1"
"""Stands for a peer whose name was never resolved (RFC 5737: documentation)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def pcap(messages: Iterable[TracedMessage]) -> bytes:
    """Return a capture file of messages."""
    parts = [_FILE_HEADER]
    for number, message in enumerate(messages):
        payload = message.payload[:_MOST_PAYLOAD]
        packet = _packet(message.source, message.destination, payload, number & 0xFFFF)
        microseconds = round(message.time * 1_000_000)
        full = len(packet) + len(message.payload) - len(payload)
        parts.append(_PACKET.pack(microseconds // 1_000_000, microseconds % 1_000_000, len(packet), full))
        parts.append(packet)
    return b"".join(parts)


def _packet(source: End, destination: End, payload: bytes, number: int) -> bytes:
    """Return an IP packet with a UDP datagram (RFC 791, RFC 8200, RFC 768)."""
    sender, receiver = _address(source.host), _address(destination.host)
    if sender.version != receiver.version:
        # IPv6 holds both: an IPv4 address is mapped (RFC 4291 section 2.5.5.2).
        sender, receiver = _as_version_6(sender), _as_version_6(receiver)
    length = _UDP.size + len(payload)
    pseudo = sender.packed + receiver.packed + struct.pack("!IHBB", length, 0, 0, _UDP_NUMBER)
    bare = _UDP.pack(source.port, destination.port, length, 0)
    datagram = _UDP.pack(source.port, destination.port, length, _checksum(pseudo + bare + payload) or 0xFFFF) + payload
    if sender.version == 6:
        return _IPV6.pack(6 << 28, length, _UDP_NUMBER, _HOPS, sender.packed, receiver.packed) + datagram
    return _ipv4_header(sender.packed, receiver.packed, length, number) + datagram


def _ipv4_header(sender: bytes, receiver: bytes, length: int, number: int) -> bytes:
    total = _IPV4.size + length
    bare = _IPV4.pack(0x45, 0, total, number, 0, _HOPS, _UDP_NUMBER, 0, sender, receiver)
    return _IPV4.pack(0x45, 0, total, number, 0, _HOPS, _UDP_NUMBER, _checksum(bare), sender, receiver)


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _address(host: str) -> Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return ipaddress.ip_address(_UNKNOWN)


def _as_version_6(address: Address) -> ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv6Address):
        return address
    return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
