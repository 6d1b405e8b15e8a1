"""Keys, fingerprints and candidates of a media line: read, carried, written again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.offer_answer import MediaNegotiation
from sip.sdp import SessionDescription
from sip.sdp_security import MOST_LINES, Candidate, Crypto, CryptoKey, Fingerprint, Setup, security_of
from tests.sip.descriptions import PHONE

KEY = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32"
DIGEST = ":".join(["4A"] * 32)
BROWSER = f"""v=0\r
o=- 1 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0\r
a=fingerprint:sha-256 {DIGEST}\r
a=msid-semantic: WMS\r
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126\r
c=IN IP4 0.0.0.0\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=candidate:1 1 udp 2113937151 4f3c.local 52311 typ host generation 0 network-cost 999\r
a=candidate:2 1 UDP 1677729535 203.0.113.7 52311 typ srflx raddr 0.0.0.0 rport 0\r
a=candidate:broken\r
a=ice-ufrag:EsAw\r
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r
a=ice-options:trickle\r
a=setup:actpass\r
a=mid:0\r
a=rtcp-mux\r
a=rtpmap:111 opus/48000/2\r
a=rtpmap:126 telephone-event/8000\r
"""


def test_what_a_browser_says_is_read_and_survives_being_written() -> None:
    description = SessionDescription.parse(BROWSER.encode())
    found = security_of(description, description.media[0])
    assert found.secure
    assert found.rtcp_mux
    assert (found.setup, found.ice_ufrag, found.ice_pwd) == (Setup.ACTPASS, "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert found.fingerprints == (Fingerprint("sha-256", bytes([0x4A] * 32)),)
    assert [candidate.kind for candidate in found.candidates] == ["host", "srflx"]
    assert found.candidates[1].extensions == ("raddr", "0.0.0.0", "rport", "0")
    assert description.encode() == BROWSER.encode()


def test_keys_are_read_with_all_that_can_stand_with_them() -> None:
    crypto = Crypto.parse(f"1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=1 UNENCRYPTED_SRTCP")
    assert crypto is not None
    assert (crypto.tag, crypto.suite) == (1, "AES_CM_128_HMAC_SHA1_80")
    assert (len(crypto.keys[0].material), crypto.keys[0].lifetime, crypto.keys[0].key_id) == (30, "2^20", (1, 32))
    assert crypto.parameters == ("KDR=1", "UNENCRYPTED_SRTCP")
    assert str(crypto) == f"1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=1 UNENCRYPTED_SRTCP"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        "x SUITE inline:AAAA",
        "1 SUITE inline:A",
        "1 SUITE uri:x",
        "1 S inline:AAAA;",
    ],
)
def test_a_key_line_that_is_none_is_passed_over(line: str) -> None:
    assert Crypto.parse(line) is None


@pytest.mark.parametrize("line", ["", "sha-256", "sha-256 4A", "sha-256 " + "4A:" * 40, "md5 zz:zz"])
def test_a_fingerprint_that_is_none_is_passed_over(line: str) -> None:
    assert Fingerprint.parse(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1 1 udp 1 10.0.0.1 9",
        "1 1 udp 1 10.0.0.1 99999 typ host",
        "1 1 udp 9999999999 10.0.0.1 9 typ host",
        "1 1 udp 1 10.0.0.1 9 host",
    ],
)
def test_a_candidate_that_is_none_is_passed_over(line: str) -> None:
    assert Candidate.parse(line) is None


def test_a_flood_of_candidates_is_bounded() -> None:
    flood = BROWSER + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 300
    description = SessionDescription.parse(flood.encode())
    assert len(security_of(description, description.media[0]).candidates) <= MOST_LINES


def test_a_phone_that_offers_keys_beside_plain_voice_is_answered_with_plain_voice() -> None:
    offer = PHONE.replace(b"a=sendrecv", b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 " + KEY.encode() + b"\r\na=sendrecv")
    description = SessionDescription.parse(offer)
    assert len(security_of(description, description.media[0]).crypto) == 1
    local = MediaNegotiation("10.0.0.1", 20000, session_id=1)
    local.answer(offer)
    answer = local.description()
    assert b"crypto" not in answer
    assert b"m=audio 20000 RTP/AVP 8 96\r\n" in answer


words = st.text("ABCDEFGHabcdefgh0123456789", min_size=1, max_size=12)


@given(
    st.integers(0, 10**9 - 1),
    words,
    st.lists(
        st.builds(
            CryptoKey,
            st.binary(min_size=1, max_size=64),
            st.sampled_from(["", "2^20", "1048576"]),
            st.none() | st.tuples(st.integers(0, 9999), st.integers(1, 128)),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_keys_survive_being_written_and_read(tag: int, suite: str, keys: list[CryptoKey]) -> None:
    crypto = Crypto(tag, suite, tuple(keys))
    assert Crypto.parse(str(crypto)) == crypto


@given(words, st.integers(1, 256), st.integers(0, 2**32 - 1), st.integers(0, 65535), st.lists(words, max_size=4))
def test_candidates_survive_being_written_and_read(
    foundation: str, component: int, priority: int, port: int, extensions: list[str]
) -> None:
    candidate = Candidate(foundation, component, "udp", priority, "2001:db8::1", port, "host", tuple(extensions))
    assert Candidate.parse(str(candidate)) == candidate


@given(words, st.binary(min_size=8, max_size=64))
def test_fingerprints_survive_being_written_and_read(name: str, digest: bytes) -> None:
    fingerprint = Fingerprint(name.lower(), digest)
    assert Fingerprint.parse(str(fingerprint)) == fingerprint
