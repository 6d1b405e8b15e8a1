"""What is fuzzed: each target takes bytes as a stranger may send them, and raises when a promise is broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from core.clock import ManualClock
from sip.address import Address
from sip.authentication import DigestAuthenticator, HA1s, Verified
from sip.bodies import body_problem, digit_of, reason_of, sdp_of
from sip.codecs import KNOWN_CODECS
from sip.config import SipConfig
from sip.core import SipCore
from sip.errors import MalformedMessageError, MalformedSdpError, NotAcceptableHereError
from sip.framing import KeepAlive, StreamParser
from sip.message import Request, Response, response_to
from sip.offer_answer import MediaNegotiation
from sip.parser import parse_message
from sip.presence_document import parse_presence, presence_document
from sip.sdp import SessionDescription, rewrite_address
from sip.sdp_security import security_of
from tests.sip.network import PhoneApplication

_OURS: Final = Address("10.0.0.2", 5060)
_PEER: Final = Address("192.0.2.1", 5060)
_NOON: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
_DIGEST: Final = DigestAuthenticator("ramal", b"not so secret in a test")
_HA1S: Final = HA1s.derive("1001", "ramal", "secret")


def message(data: bytes) -> None:
    """A datagram: it is refused by the one error there is for that, or understood, and survives being written."""
    try:
        parsed = parse_message(data)
    except MalformedMessageError:
        return
    written = parsed.encode()
    assert parse_message(written).encode() == written
    for look in (body_problem, digit_of, reason_of, sdp_of):
        look(parsed)
    if not isinstance(parsed, Request):
        return
    try:
        parsed.validate()
    except MalformedMessageError:
        return
    answer = parse_message(response_to(parsed, 200, to_tag="t").encode())
    assert isinstance(answer, Response)
    assert answer.call_id == parsed.call_id
    assert answer.cseq == parsed.cseq
    for address in (parsed.from_, parsed.to, *parsed.contacts):
        again = type(address).parse(str(address))
        assert (str(again), again.uri) == (str(address), address.uri)


def sdp(data: bytes) -> None:
    """A description: it is refused, or read, written, looked at and answered line for line."""
    rewrite_address(data, "10.0.0.2", 20000)
    try:
        description = SessionDescription.parse(data)
    except MalformedSdpError:
        return
    written = description.encode()
    assert SessionDescription.parse(written).encode() == written
    for media in description.media:
        security_of(description, media)
    ours = MediaNegotiation("10.0.0.2", 20000, session_id=1, codecs=KNOWN_CODECS)
    try:
        ours.answer(description.encode())
    except (MalformedSdpError, NotAcceptableHereError):
        return
    said = ours.description()
    answer = SessionDescription.parse(said)
    assert [media.kind for media in answer.media] == [media.kind for media in description.media]
    assert sum(media.port != 0 for media in answer.media) == 1
    ours.answer(description.encode())
    assert ours.description() == said
    assert all(
        len(media.formats) == len(set(media.formats))
        for media in SessionDescription.parse(ours.offer()).media
        if media.port
    )


def stream(data: bytes) -> None:
    """A stream: how it is cut into pieces changes nothing of what comes out. The first byte says how it is cut."""
    if not data:
        return
    step, data = data[0] + 1, data[1:]
    whole, pieces = StreamParser(), StreamParser()
    at_once = [_shown(item) for item in whole.feed(data)]
    bit_by_bit = [
        _shown(item) for start in range(0, len(data), step) for item in pieces.feed(data[start : start + step])
    ]
    # Two line ends are one ping or two pongs, as they come.
    assert [item for item in at_once if item is not None] == [item for item in bit_by_bit if item is not None]
    assert whole.broken == pieces.broken


def _shown(item: Request | Response | KeepAlive | MalformedMessageError) -> str | None:
    if isinstance(item, KeepAlive):
        return None
    return repr(item) if isinstance(item, Request | Response) else item.message


def frame(data: bytes) -> None:
    """A datagram or WebSocket frame at the whole stack: it never raises, logs no mistake of ours and leaves nothing behind."""
    structlog.configure(processors=[_loud, _swallow], cache_logger_on_first_use=False)
    clock = ManualClock()
    application = PhoneApplication(lambda session: session.progress(180))
    core = SipCore(SipConfig(), application, clock, lambda _data, _to: None, local_address=lambda _peer: _OURS)
    core.receive(data, _PEER)
    # Again, as UDP doubles it.
    core.receive(data, _PEER)
    for session in application.sessions:
        session.reject(486)
    for _ in range(8):
        clock.advance(20)
        core.timers.run_due()
    assert not core.sessions
    assert core.transactions.live == 0


def presence(data: bytes) -> None:
    """A published document: it is refused, or read, and what those who watch are told of it can be read again."""
    try:
        state = parse_presence(data)
    except MalformedMessageError:
        return
    again = parse_presence(presence_document("sip:1001@ramal", state))
    assert (again.open, again.activity) == (state.open, state.activity)


def credentials(data: bytes) -> None:
    """An Authorization that nobody made with a password: it never raises, and proves nothing."""
    value = data.decode("utf-8", "replace").replace("\r", " ").replace("\n", " ")
    request = Request("REGISTER", "sip:ramal", [("Authorization", value)])
    verdict = _DIGEST.verify_request(request, _nobody, _NOON, host=_PEER.host)
    assert not isinstance(verdict, Verified)


def _nobody(username: str) -> HA1s | None:
    return _HA1S if username == "1001" else None


def _loud(_logger: Any, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    assert method not in ("error", "exception", "critical"), event
    return event


def _swallow(_logger: Any, _method: str, _event: structlog.types.EventDict) -> str:
    raise structlog.DropEvent


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "message": message,
    "sdp": sdp,
    "stream": stream,
    "frame": frame,
    "presence": presence,
    "credentials": credentials,
}
