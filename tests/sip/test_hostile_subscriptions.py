"""Rubbish in SUBSCRIBE, PUBLISH and MESSAGE: it is answered, breaks nothing, and leaves nothing behind."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sip.authentication import authorise
from sip.message import Request, Response
from sip.text_message import TextMessage
from tests.sip.test_publication import Stage
from tests.sip.watcher import PASSWORD, Watcher

VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=40),
    st.sampled_from(
        [
            "dialog",
            "dialog;id=",
            "dialog;id=a;id=b",
            "presence",
            "PRESENCE;x",
            "0",
            "-1",
            "60",
            "99999999999",
            "1e3",
            "*/*",
        ]
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Event", "Expires", "Accept", "SIP-If-Match", "Content-Type", "Allow-Events", "Supported", "Contact"]
    ),
    VALUES,
    max_size=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["SUBSCRIBE", "PUBLISH", "MESSAGE"]), HEADERS, st.binary(max_size=60), st.booleans())
def test_whatever_the_headers_say_is_answered(method: str, headers: dict[str, str], body: bytes, inside: bool) -> None:
    stage = Stage()
    taken: list[TextMessage] = []

    def take(message: TextMessage) -> None:
        taken.append(message)
        message.answer(200)

    stage.core.inbound.messages.receiver = take
    watcher: Watcher = stage.watcher
    assert watcher.subscribe().status == 200
    target = "sip:bob@10.0.0.2" if method != "PUBLISH" else "sip:alice@10.0.0.2"
    request = watcher.build(method, target, inside=inside, body=body)
    for name, value in headers.items():
        request.set(name, value)
    response = _signed(watcher, request)
    assert response.status not in (100, 500, 501)
    stage.run(3000)
    assert len(stage.notifier) == 0
    assert stage.core.transactions.live == stage.core.transactions.finished == 0
    assert len(stage.core.timers) == 0
    assert stage.publications.values("alice") == []


def _signed(watcher: Watcher, request: Request) -> Response:
    response = watcher.send_once(request)
    for status, asks, answers in (
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ):
        if response.status == status:
            challenge = response.get_all(asks)
            again = watcher.build(request.method, str(request.uri), body=request.body)
            again.headers = [*again.headers[:6], *request.headers[6:]]
            again.set(answers, authorise(challenge, watcher.user, PASSWORD, request.method, request.uri, request.body))
            return watcher.send_once(again)
    return response
