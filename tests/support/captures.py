"""Reads capture files as strictly as a reader of the format would: classic PCAP with raw IP and UDP, checksums checked."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Packet:
    """A UDP datagram of a capture."""

    time: float
    source: str
    destination: str
    payload: bytes


def packets(capture: bytes) -> list[Packet]:
    """Return the datagrams of a capture file; whatever is not as the formats say fails."""
    magic, major, minor, _zone, _accuracy, _longest, link = struct.unpack_from("<IHHiIII", capture)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    position, found = 24, []
    while position < len(capture):
        seconds, microseconds, kept, full = struct.unpack_from("<IIII", capture, position)
        assert microseconds < 1_000_000
        assert kept <= full
        position += 16
        found.append(_packet(seconds + microseconds / 1e6, capture[position : position + kept]))
        position += kept
    assert position == len(capture)
    return found


def _packet(time: float, data: bytes) -> Packet:
    if data[0] >> 4 == 4:
        assert data[0] == 0x45
        assert _sum(data[:20]) == 0xFFFF
        (total,) = struct.unpack_from("!H", data, 2)
        protocol, hosts, udp = data[9], (data[12:16], data[16:20]), data[20:]
    else:
        assert data[0] >> 4 == 6
        total = 40 + struct.unpack_from("!H", data, 4)[0]
        protocol, hosts, udp = data[6], (data[8:24], data[24:40]), data[40:]
    assert total == len(data)
    assert protocol == 17
    source, destination, length, _checksum = struct.unpack_from("!HHHH", udp)
    assert length == len(udp)
    pseudo = hosts[0] + hosts[1] + struct.pack("!II", length, 17)
    assert _sum(pseudo + udp) == 0xFFFF
    ends = [_end(host, port) for host, port in zip(hosts, (source, destination), strict=True)]
    return Packet(time, ends[0], ends[1], udp[8:])


def _end(host: bytes, port: int) -> str:
    address = ipaddress.ip_address(host)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _sum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
