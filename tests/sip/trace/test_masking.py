"""No secret reaches the trace, however it is spelt; and all else stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.trace.masking import masked

from .messages import request, response

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 8\r\n"


def mask(payload: bytes) -> bytes:
    return masked(payload, payload.lower())


@pytest.mark.parametrize(
    ("header", "secrets", "kept"),
    [
        (
            'Authorization: Digest username="1001", realm="ramal", nonce="abc7", uri="sip:x", response="d41d8", cnonce="q9"',
            ["abc7", "d41d8", "q9"],
            ['username="1001"', 'realm="ramal"', 'uri="sip:x"'],
        ),
        ("PROXY-AUTHORIZATION:digest username=a,response=d41d8,nonce=abc7", ["d41d8", "abc7"], ["username=a"]),
        (
            'Authorization: Digest username="a",\r\n nonce="abc7",\r\n\tresponse="d41d8"',
            ["abc7", "d41d8"],
            ["username"],
        ),
        ('Authorization: Digest nonce = "ab\\"c7" , response="d41d8', ["c7", "d41d8"], ["Digest"]),
        ("Authorization: Basic YTpi", ["YTpi"], ["Basic"]),
        ("Authorization: Bearer eyJhbGciOi", ["eyJhbGciOi"], ["Bearer"]),
        ("Authorization: eyJhbGciOi", ["eyJhbGciOi"], ["Authorization"]),
        ('WWW-Authenticate: Digest realm="ramal", nonce="abc7", opaque="o77"', ["abc7", "o77"], ['realm="ramal"']),
        ('Proxy-Authenticate: Digest realm="ramal",nonce="abc7",algorithm=MD5', ["abc7"], ["algorithm=MD5"]),
        ('Authentication-Info: nextnonce="abc7", rspauth="d41d8"', ["abc7", "d41d8"], ["Authentication-Info"]),
    ],
)
def test_credentials_and_nonces_are_masked(header: str, secrets: list[str], kept: list[str]) -> None:
    for message in (request(extra=f"{header}\r\n"), response(extra=f"{header}\r\n")):
        text = mask(message).decode()
        assert not [secret for secret in secrets if secret in text]
        assert all(one in text for one in kept)
        assert text.endswith("Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7|2^20|1:4", "WVNfX19"),
        ("a=crypto:2 AEAD_AES_256_GCM inline:first;inline:second", "second"),
        ("A=CRYPTO:1 X inline:WVNfX19", "WVNfX19"),
        ("a=ice-pwd:asd88fgpdd777uzjYhagZg", "asd88"),
        ("a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO", "AQAFgM0"),
        ("k=clear:opensesame", "opensesame"),
    ],
)
def test_media_keys_are_masked_and_the_length_stays_right(line: str, secret: str) -> None:
    message = request(body=f"{SDP}{line}\r\na=sendrecv\r\n")
    clean = mask(message)
    assert secret.encode() not in clean
    assert len(clean) == len(message)
    assert clean.endswith(b"\r\na=sendrecv\r\n")


def test_pressed_keys_are_masked() -> None:
    relay = request("INFO", extra="Content-Type: application/dtmf-relay\r\n", body="Signal= 7\r\nDuration=160\r\n")
    assert b"Signal= *\r\nDuration=160" in mask(relay)
    bare = request("INFO", extra="Content-Type: application/dtmf\r\n", body="7")
    assert mask(bare).endswith(b"\r\n\r\n*")


def test_what_people_write_is_masked_and_the_length_stays_right() -> None:
    written = "my PIN is 4711\r\nkeep it"
    message = request("MESSAGE", extra="Content-Type: text/plain\r\n", body=written)
    clean = mask(message)
    assert clean.endswith(b"\r\n\r\n**************\r\n*******")
    assert len(clean) == len(message)
    assert clean.startswith(b"MESSAGE ")
    assert b"Content-Type: text/plain" in clean


def test_what_people_write_is_masked_also_behind_bare_line_feeds() -> None:
    message = request("MESSAGE", extra="Content-Type: text/plain\r\n", body="my PIN is 4711").replace(b"\r\n", b"\n")
    assert mask(message).endswith(b"\n\n**************")


@pytest.mark.parametrize("message", [request(), request(body=SDP), response("180 Ringing"), b"\x00\xff junk", b""])
def test_what_has_no_secret_stays_as_it_was(message: bytes) -> None:
    assert mask(message) == message


@given(st.text(alphabet=st.characters(min_codepoint=48, max_codepoint=122), min_size=6).filter(lambda t: "=" not in t))
def test_no_spelling_of_a_digest_lets_the_response_through(secret: str) -> None:
    secret = "".join(sign for sign in secret if sign.isalnum()) + "Zq7Zq7"
    for form in (
        f'response="{secret}"',
        f"response={secret}",
        f'RESPONSE = "{secret}", a=b',
        f'x=1,response="{secret}',
    ):
        assert secret.encode() not in mask(request(extra=f"Proxy-Authorization: Digest {form}\r\n"))


@given(st.binary(max_size=400))
def test_rubbish_is_taken_as_it_is(rubbish: bytes) -> None:
    mask(rubbish)
    mask(request() + rubbish)


def test_passwords_in_addresses_are_hidden_and_ports_are_not() -> None:
    shown = mask(
        b"INVITE sip:ana:s3cret@ramal SIP/2.0\r\nTo: <SIPS:ana:s3:c,r;t@ramal:5061;x=y>\r\n"
        b"Route: <sip:10.0.0.1:5060;lr>,<sip:edge@10.0.0.2:5060>\r\nFrom: sip:bob:@h\r\nContact: sip:10.0.0.1:5070\r\n\r\n"
    )
    assert shown == (
        b"INVITE sip:ana:***@ramal SIP/2.0\r\nTo: <SIPS:ana:***@ramal:5061;x=y>\r\n"
        b"Route: <sip:10.0.0.1:5060;lr>,<sip:edge@10.0.0.2:5060>\r\nFrom: sip:bob:***@h\r\nContact: sip:10.0.0.1:5070\r\n\r\n"
    )
