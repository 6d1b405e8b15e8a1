"""MESSAGE: what text is taken, in which character sets, and what is refused."""

from __future__ import annotations

import pytest

from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import SessionEvent, TextReceived
from sip.text_message import MAX_BYTES, TextMessage
from tests.sip.network import established
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


def test_a_copy_that_comes_by_another_way_is_not_delivered_again() -> None:
    stage = Stage()
    request = stage.watcher.build("MESSAGE", "sip:bob@10.0.0.2", body=b"once", content_type="text/plain")

    def take(message: TextMessage) -> None:
        stage.taken.append(message)
        message.answer(200)

    stage.core.inbound.messages.receiver = take
    assert stage.watcher.send(request).status == 200
    copy = next(packet.message for packet in reversed(stage.network.sent) if packet.what == "MESSAGE")
    copy.set("Via", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKanother;rport")
    assert isinstance(copy, Request)
    assert stage.watcher.send_once(copy).status == 482
    stage.run(40)
    assert [message.text for message in stage.taken] == ["once"]
    assert stage.watcher.send_once(copy).status != 482


class TestInACall:
    @staticmethod
    def say(body: bytes, content_type: str = "text/plain", *, status: int = 200) -> tuple[list[str], int]:
        pair, session, _ = established()
        texts: list[str] = []

        def take(_session: InviteSession, event: SessionEvent) -> None:
            if isinstance(event, TextReceived):
                texts.append(event.text)
                event.answer(status)
                event.answer(500)

        pair.bob_app.listener.on = take
        answers: list[int] = []
        session.send(
            "MESSAGE",
            content_type=content_type,
            body=body,
            on_response=lambda response, _: answers.append(response.status),
        )
        pair.network.run(0.2)
        assert session.established
        return texts, answers[-1]

    def test_it_is_told_and_answered(self) -> None:
        assert self.say("Olá".encode()) == (["Olá"], 200)
        assert self.say(b"no", status=405) == (["no"], 405)

    def test_what_is_no_text_is_refused(self) -> None:
        assert self.say(b"<b>", "text/html") == ([], 415)
        assert self.say(b"\xff\xfe") == ([], 488)
        assert self.say(b"x" * (MAX_BYTES + 1)) == ([], 413)

    def test_ours_is_sent_and_its_answer_heard(self) -> None:
        pair, session, _ = established()
        heard: list[int] = []
        session.pass_text("one", heard.append)
        pair.network.run(0.2)
        assert heard == []
        texted = next(event for event in pair.bob_app.listener.events if isinstance(event, TextReceived))
        texted.answer(202)
        pair.network.run(0.2)
        session.hang_up()
        session.pass_text("too late", heard.append)
        assert heard == [202, 481]
