"""MESSAGE: what text is taken, in which character sets, and what is refused."""

from __future__ import annotations

import pytest

from sip.message import Response
from sip.text_message import MAX_BYTES, TextMessage
from tests.sip.watcher import Scene


class Stage(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.taken: list[TextMessage] = []
        self.core.inbound.messages.receiver = self.taken.append

    def say(self, body: bytes, content_type: str = "text/plain", **headers: str) -> Response:
        request = self.watcher.build(
            "MESSAGE", "sip:bob@10.0.0.2", inside=False, body=body, content_type=content_type, **headers
        )
        return self.watcher.send(request)


def taken(body: bytes, content_type: str = "text/plain") -> TextMessage:
    stage = Stage()

    def take(message: TextMessage) -> None:
        stage.taken.append(message)
        message.answer(200)

    stage.core.inbound.messages.receiver = take
    assert stage.say(body, content_type).status == 200
    return stage.taken[0]


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"Hello", "text/plain", "Hello"),
        ("Olá, Привет".encode(), "text/plain;charset=UTF-8", "Olá, Привет"),
        ("Привет".encode("cp1251"), 'text/plain; charset="windows-1251"', "Привет"),
        ("Olá".encode("latin-1"), "TEXT/Plain;charset=iso-8859-1", "Olá"),
        (b"two\r\nlines\tand\x00\x07 bells", "text/plain", "two\r\nlines\tand bells"),
        (b"", "", ""),
    ],
)
def test_a_text_is_read_in_its_character_set(body: bytes, content_type: str, text: str) -> None:
    message = taken(body, content_type)
    assert (message.text, message.sender, message.target.user) == (text, "alice", "bob")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"<b>x</b>", "text/html", 415),
        (b"x", "message/cpim", 415),
        (b"\xff\xfe", "text/plain", 488),
        (b"x", "text/plain;charset=rot13", 488),
        (b"x" * (MAX_BYTES + 1), "text/plain", 413),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, content_type: str, status: int) -> None:
    stage = Stage()
    assert stage.say(body, content_type).status == status
    assert stage.taken == []


def test_a_stranger_is_challenged_and_a_compressed_text_refused() -> None:
    stage = Stage()
    request = stage.watcher.build("MESSAGE", "sip:bob@10.0.0.2", body=b"x", content_type="text/plain")
    assert stage.watcher.send_once(request).status == 407
    assert stage.say(b"x", Content_Encoding="gzip").status == 415


def test_an_answer_is_given_once() -> None:
    stage = Stage()

    def answer_thrice(message: TextMessage) -> None:
        for status in (202, 480, 200):
            message.answer(status)

    stage.core.inbound.messages.receiver = answer_thrice
    response = stage.say(b"x")
    assert response.status == 202
    assert response.get("Contact") is None
    assert len([one for one in stage.watcher.responses if one.status != 407]) == 1


def test_without_anybody_to_deliver_a_text_is_refused() -> None:
    stage = Stage()
    stage.core.inbound.messages.receiver = None
    assert stage.say(b"x").status == 480
