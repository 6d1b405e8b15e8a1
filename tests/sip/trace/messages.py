"""Messages for the trace's tests."""

from __future__ import annotations

from sip.trace.values import End, TracedMessage

SERVER = End("127.0.0.1", 5060)
PHONE = End("192.0.2.7", 5062)
CARRIER = End("198.51.100.9", 5060)


def request(
    method: str = "INVITE", call_id: str = "one@phone", extra: str = "", body: str = "", cseq: int = 1
) -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body.startswith("v=") else ""
    return (
        f"{method} sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK{cseq}\r\n"
        f"From: <sip:1002@127.0.0.1>;tag=a\r\nTo: <sip:1001@127.0.0.1>\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def response(status: str = "200 OK", method: str = "INVITE", call_id: str = "one@phone", extra: str = "") -> bytes:
    return (
        f"SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1\r\nFrom: <sip:1002@127.0.0.1>;tag=a\r\n"
        f"To: <sip:1001@127.0.0.1>;tag=b\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
    ).encode()


def traced(payload: bytes, *, at: float = 1_800_000_000.0, sent: bool = False, peer: End = PHONE) -> TracedMessage:
    return TracedMessage(at, sent, "udp", SERVER, peer, payload)
