"""SRTP and SRTCP against the vectors of RFC 3711 and RFC 7714, and against libsrtp, packet by packet."""

from __future__ import annotations

import random
import struct

import pylibsrtp
import pytest

from media._engine import SrtpContext, derive_srtp_key
from media.srtp import SrtpProfile

PROFILES = list(SrtpProfile)
SSRC = 0x4D617273


def rtp(sequence: int, payload: bytes = b"voice" * 32, *, ssrc: int = SSRC, extension: bytes = b"") -> bytes:
    head = struct.pack("!BBHII", 0x90 if extension else 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc)
    return head + extension + payload


def report(ssrc: int = SSRC) -> bytes:
    return (
        struct.pack("!BBHI", 0x80, 201, 1, ssrc)
        + struct.pack("!BBHI", 0x81, 202, 4, ssrc)
        + b"\x01\x08marsmars\x00\x00"
    )


def ours(profile: SrtpProfile, master: bytes, *, sending: bool, identifier_size: int = 0) -> SrtpContext:
    return SrtpContext(profile.value, master, identifier_size, sending)


def theirs(profile: SrtpProfile, master: bytes, *, sending: bool) -> pylibsrtp.Session:
    kind = pylibsrtp.Policy.SSRC_ANY_OUTBOUND if sending else pylibsrtp.Policy.SSRC_ANY_INBOUND
    return pylibsrtp.Session(pylibsrtp.Policy(key=master, ssrc_type=kind, srtp_profile=profile.value))


def test_session_keys_are_derived_as_in_rfc_3711_b_3() -> None:
    master = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139" + "0EC675AD498AFEEBB6960B3AABE6")
    assert derive_srtp_key(master, 0, 16).hex() == "c61e7a93744f39ee10734afe3ff7a087"
    assert derive_srtp_key(master, 1, 20).hex() == "cebe321f6ff7716b6fd4ab49af256a156d38baa4"
    assert derive_srtp_key(master, 2, 14).hex() == "30cbbc08863d8c85d49db34a9ae1"


def test_the_key_stream_of_counter_mode_is_that_of_rfc_3711_b_2() -> None:
    key = (bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C"), bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"), bytes(20))
    packet = SrtpContext.with_session_keys(1, key, key, True).protect_rtp(bytes.fromhex("80" + "00" * 11) + bytes(48))
    assert packet is not None
    assert packet[12:60].hex() == (
        "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"
    )


def test_aead_packets_are_those_of_rfc_7714_16_and_17() -> None:
    key = (bytes(range(16)), b"Quid pro quo", b"")
    clear = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"
    packet = SrtpContext.with_session_keys(7, key, key, True).protect_rtp(clear)
    assert packet is not None
    assert packet.hex() == (
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf"
        "8833899d7f27beb16a9152cf765ee4390cce"
    )
    receiver = SrtpContext.with_session_keys(7, key, key, False)
    assert receiver.unprotect_rtp(packet) == clear
    control = bytes.fromhex(
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded"
        "0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
    )
    assert receiver.unprotect_rtcp(control) == bytes.fromhex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_libsrtp_opens_what_we_protect_and_we_what_it_protects(profile: SrtpProfile) -> None:
    master = profile.new_master()
    # The sequence rolls over on the way, and packets are of all sizes, with and without an extension.
    chance = random.Random(4)
    pairs = ((ours(profile, master, sending=True), theirs(profile, master, sending=False)),)
    for sender, receiver in pairs:
        for sequence in range(65000, 67000):
            packet = rtp(sequence, chance.randbytes(chance.randrange(1, 400)), extension=bytes(chance.choice((0, 8))))
            if packet[0] == 0x90:
                packet = packet[:12] + struct.pack("!HHI", 0xBEDE, 1, 0) + packet[20:]
            protected = sender.protect_rtp(packet)
            assert protected is not None
            assert receiver.unprotect(protected) == packet
        for _ in range(5):
            control = sender.protect_rtcp(report())
            assert control is not None
            assert receiver.unprotect_rtcp(control) == report()
    speaker, listener = theirs(profile, master, sending=True), ours(profile, master, sending=False)
    for sequence in range(65000, 67000):
        assert listener.unprotect_rtp(speaker.protect(rtp(sequence))) == rtp(sequence)
    for _ in range(5):
        assert listener.unprotect_rtcp(speaker.protect_rtcp(report())) == report()


@pytest.mark.parametrize("profile", PROFILES)
def test_packets_out_of_order_are_opened_once_each_around_the_rollover(profile: SrtpProfile) -> None:
    master = profile.new_master()
    sender, receiver = ours(profile, master, sending=True), ours(profile, master, sending=False)
    packets = [sender.protect_rtp(rtp(sequence)) for sequence in range(65400, 65700)]
    chance = random.Random(5)
    late = sorted(range(1, len(packets)), key=lambda place: place + chance.randrange(60))
    for place in (0, *late):
        packet = packets[place]
        assert packet is not None
        assert receiver.unprotect_rtp(packet) == rtp(65400 + place)
        assert receiver.unprotect_rtp(packet) is None


def test_a_packet_older_than_the_window_is_refused_though_it_never_came() -> None:
    profile = SrtpProfile.AES_CM_128_HMAC_SHA1_80
    master = profile.new_master()
    sender, receiver = ours(profile, master, sending=True), ours(profile, master, sending=False)
    packets = [sender.protect_rtp(rtp(sequence)) or b"" for sequence in range(1000, 1300)]
    newest = []
    for place in (0, 200, 73):
        assert receiver.unprotect_rtp(packets[place])
        newest.append(receiver.last_was_newest)
    assert newest == [True, True, False]
    assert receiver.unprotect_rtp(packets[72]) is None


@pytest.mark.parametrize("profile", PROFILES)
def test_no_key_stream_is_used_twice(profile: SrtpProfile) -> None:
    sender = ours(profile, profile.new_master(), sending=True)
    assert sender.protect_rtp(rtp(7)) is not None
    assert sender.protect_rtp(rtp(7, b"something else")) is None
    assert sender.protect_rtp(rtp(8)) is not None


@pytest.mark.parametrize("profile", PROFILES)
def test_whatever_bit_is_changed_the_packet_is_refused(profile: SrtpProfile) -> None:
    master = profile.new_master()
    sender = ours(profile, master, sending=True)
    packet, control = sender.protect_rtp(rtp(7, b"seven")), sender.protect_rtcp(report())
    assert packet is not None
    assert control is not None
    receiver = ours(profile, master, sending=False)
    for whole, open_it in ((packet, receiver.unprotect_rtp), (control, receiver.unprotect_rtcp)):
        for place in range(len(whole)):
            for bit in range(8):
                broken = bytearray(whole)
                broken[place] ^= 1 << bit
                assert open_it(bytes(broken)) is None
        for length in range(len(whole)):
            assert open_it(whole[:length]) is None
        assert open_it(whole) is not None


@pytest.mark.parametrize("profile", PROFILES)
def test_rubbish_of_any_size_is_refused(profile: SrtpProfile) -> None:
    chance = random.Random(6)
    receiver = ours(profile, profile.new_master(), sending=False)
    for size in [*range(80), 1499, 1500, 1501, 4000]:
        for first in (0x80, 0x90, 0x8F, 0x9F, 0xA0):
            data = bytes([first, *chance.randbytes(size)])[:size]
            assert receiver.unprotect_rtp(data) is None
            assert receiver.unprotect_rtcp(data) is None


def test_a_stream_whose_beginning_was_not_heard_may_have_rolled_over() -> None:
    profile = SrtpProfile.AES_CM_128_HMAC_SHA1_80
    master = profile.new_master()
    sender, receiver = theirs(profile, master, sending=True), ours(profile, master, sending=False)
    for sequence in range(65530, 65540):
        packet = sender.protect(rtp(sequence))
    assert receiver.unprotect_rtp(packet) == rtp(65539)


def test_each_source_of_one_key_has_a_rollover_counter_of_its_own() -> None:
    profile = SrtpProfile.AEAD_AES_128_GCM
    master = profile.new_master()
    sender, receiver = theirs(profile, master, sending=True), ours(profile, master, sending=False)
    for sequence in range(65500, 65600):
        for ssrc, shift in ((1, 0), (2, 20000)):
            packet = rtp(sequence - shift, ssrc=ssrc)
            assert receiver.unprotect_rtp(sender.protect(packet)) == packet


def test_a_key_identifier_in_each_packet_is_passed_over() -> None:
    for profile in PROFILES:
        master = profile.new_master()
        packet = ours(profile, master, sending=True).protect_rtp(rtp(9))
        assert packet is not None
        # RFC 3711 section 3.1: before the tag; RFC 7714 section 8.2: the tag of AEAD counts as payload.
        tag = {SrtpProfile.AES_CM_128_HMAC_SHA1_80: 10, SrtpProfile.AES_CM_128_HMAC_SHA1_32: 4}.get(profile, 0)
        marked = packet[: len(packet) - tag] + b"\0\0\0\1" + packet[len(packet) - tag :]
        assert ours(profile, master, sending=False, identifier_size=4).unprotect_rtp(marked) == rtp(9)


@pytest.mark.parametrize(("profile", "size"), [(1, 28), (2, 31), (7, 30), (3, 30), (0, 0)])
def test_a_key_of_another_size_or_profile_is_refused(profile: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"profile|length"):
        SrtpContext(profile, bytes(size), 0, True)
