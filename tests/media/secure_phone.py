"""A phone whose voice libsrtp encrypts, and a program that checks connectivity as browsers do (RFC 8445)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import struct
import zlib

import pylibsrtp

from media.engine import Codec, Endpoint
from media.srtp import SrtpKeys, SrtpProfile
from tests.media.phone import PATIENCE, Heard, Phone, Studio

_COOKIE = 0x2112A442


class SecurePhone(Phone):
    """Encrypts what it sends, and opens what it hears."""

    def __init__(self, profile: SrtpProfile, *, codec: Codec = Codec.PCMU, ssrc: int = 0x1234) -> None:
        super().__init__(codec, ssrc=ssrc)
        self.profile = profile
        self.hear_with(profile.new_master())
        self.speak_with(profile.new_master())

    def speak_with(self, master: bytes) -> None:
        """Encrypt with this key from now on."""
        self.outgoing = master
        kind = pylibsrtp.Policy.SSRC_ANY_OUTBOUND
        self._out = pylibsrtp.Session(pylibsrtp.Policy(key=master, ssrc_type=kind, srtp_profile=self.profile.value))

    def hear_with(self, master: bytes) -> None:
        """Open with this key from now on."""
        self.incoming = master
        kind = pylibsrtp.Policy.SSRC_ANY_INBOUND
        self._in = pylibsrtp.Session(pylibsrtp.Policy(key=master, ssrc_type=kind, srtp_profile=self.profile.value))

    @property
    def keys(self) -> SrtpKeys:
        """The keys as the engine is to have them."""
        return SrtpKeys(self.profile, self.outgoing, self.incoming)

    def protected(self, payload: bytes, *, payload_type: int | None = None, step: int = 160) -> bytes:
        """Make the next packet without sending it."""
        number = self.codec.payload_type if payload_type is None else payload_type
        header = struct.pack("!BBHII", 0x80, number, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc)
        self.sequence += 1
        self.timestamp += step
        return self._out.protect(header + payload)

    def send(self, payload: bytes, *, payload_type: int | None = None, marker: bool = False, step: int = 160) -> None:
        """Send one packet, encrypted."""
        del marker
        self.rtp.sendto(self.protected(payload, payload_type=payload_type, step=step), self.remote)

    async def hear(self, seconds: float = PATIENCE) -> Heard:
        """Wait for the next RTP packet and open it; an error of libsrtp when it cannot be."""
        while True:
            data, source = await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(self.rtp, 2048), seconds)
            if data[0] >> 6 == 2 and not 192 <= data[1] <= 223:
                break
        _, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        payload = self._in.unprotect(data)[12:]
        return Heard(source, bool(second >> 7), second & 127, sequence, timestamp, ssrc, payload)

    def report(self, *, ssrc: int | None = None) -> bytes:
        """A receiver report with nothing in it, encrypted."""
        name = struct.pack("!BBHI", 0x81, 202, 4, self.ssrc) + b"\x01\x08marsmars\x00\x00"
        return self._out.protect_rtcp(struct.pack("!BBHI", 0x80, 201, 1, ssrc or self.ssrc) + name)

    async def reported(self, *, multiplexed: bool) -> bytes:
        """Wait for the next compound of RTCP, and open it."""
        source = self.rtp if multiplexed else self.rtcp
        while True:
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(source, 2048), PATIENCE)
            if data[0] >> 6 == 2 and 192 <= data[1] <= 223:
                return self._in.unprotect_rtcp(data)


def secure_party(room: Studio, profile: SrtpProfile, codec: Codec = Codec.PCMU) -> tuple[SecurePhone, Endpoint]:
    """A phone that encrypts, and the endpoint that stands for it."""
    phone = SecurePhone(profile, codec=codec, ssrc=0x1000 + len(room.phones))
    room.phones.append(phone)
    endpoint = room.engine.create_endpoint()
    endpoint.encrypt(phone.keys)
    endpoint.configure(remote=phone.address, codec=codec, telephone_event=101)
    phone.call(endpoint)
    return phone, endpoint


def check(fragment: str, password: str, *, nominate: bool = False, theirs: str = "them") -> bytes:
    """A connectivity check: a binding request with name, priority, role, integrity and fingerprint."""
    name = f"{fragment}:{theirs}".encode()
    body = struct.pack("!HH", 0x0006, len(name)) + name + bytes(-len(name) % 4)
    body += struct.pack("!HHI", 0x0024, 4, 0x6E7F1EFF) + struct.pack("!HH", 0x802A, 8) + secrets.token_bytes(8)
    if nominate:
        body += struct.pack("!HH", 0x0025, 0)
    return signed(0x0001, secrets.token_bytes(12), body, password)


def signed(kind: int, transaction: bytes, body: bytes, password: str) -> bytes:
    """A message of STUN with integrity and fingerprint (RFC 8489 sections 14.5 and 14.7)."""
    head = struct.pack("!HHI", kind, len(body) + 24, _COOKIE) + transaction
    body += struct.pack("!HH", 0x0008, 20) + hmac.digest(password.encode(), head + body, hashlib.sha1)
    head = struct.pack("!HHI", kind, len(body) + 8, _COOKIE) + transaction
    return head + body + struct.pack("!HHI", 0x8028, 4, zlib.crc32(head + body) ^ 0x5354554E)
