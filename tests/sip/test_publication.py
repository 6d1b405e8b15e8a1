"""PUBLISH: what phones tell of themselves, under tags that change with every change."""

from __future__ import annotations

import pytest

from sip.message import Request, Response
from sip.presence_document import CONTENT_TYPE, PresenceState, parse_presence, presence_document
from sip.publication import Publications
from tests.sip.watcher import Scene, Watcher

AWAY = presence_document("sip:alice@x", PresenceState(open=True, activity="away"))
LUNCH = presence_document("sip:alice@x", PresenceState(open=True, activity="lunch"))


class Package:
    name = "presence"
    content_type = CONTENT_TYPE

    def __init__(self) -> None:
        self.told: list[str] = []

    def publisher(self, request: Request, user: str) -> str:
        return user if request.uri.user == user else ""

    def parse(self, body: bytes) -> PresenceState:
        return parse_presence(body)

    def published(self, resource: str) -> None:
        self.told.append(resource)


class Stage(Scene):
    def __init__(self) -> None:
        super().__init__(max_contacts=3)
        self.package = Package()
        self.publications = Publications(self.core.inbound, self.package, self.core.timers, self.core.config)
        self.core.inbound.take("PUBLISH", self.publications.publish)

    def publish(
        self,
        body: bytes = b"",
        *,
        tag: str = "",
        expires: str = "600",
        event: str = "presence",
        user: str = "alice",
        content_type: str = CONTENT_TYPE,
    ) -> Response:
        watcher: Watcher = self.watcher
        return watcher.send(
            watcher.build(
                "PUBLISH",
                f"sip:{user}@10.0.0.2",
                body=body,
                content_type=content_type if body else "",
                Event=event,
                Expires=expires,
                SIP_If_Match=tag,
            )
        )

    @property
    def activities(self) -> list[str]:
        return [state.activity for state in self.publications.values("alice")]


def tag_of(response: Response) -> str:
    tag = response.get("SIP-ETag")
    assert response.status == 200
    assert tag
    return tag


def test_a_publication_is_made_refreshed_changed_and_removed() -> None:
    stage = Stage()
    first = stage.publish(AWAY)
    assert first.get("Expires") == "600"
    second = tag_of(stage.publish(tag=tag_of(first)))
    assert stage.activities == ["away"]
    assert stage.package.told == ["alice"], "a refresh changes nothing"
    third = tag_of(stage.publish(LUNCH, tag=second))
    assert stage.activities == ["lunch"]
    assert len({tag_of(first), second, third}) == 3
    assert stage.publish(tag=third, expires="0").status == 200
    assert stage.activities == []
    assert stage.package.told == ["alice"] * 3


def test_an_old_tag_is_refused_with_412() -> None:
    stage = Stage()
    tag = tag_of(stage.publish(AWAY))
    stage.publish(LUNCH, tag=tag)
    assert stage.publish(AWAY, tag=tag).status == 412
    assert stage.publish(tag="never-given", expires="0").status == 412
    assert stage.activities == ["lunch"]


def test_a_publication_that_is_not_refreshed_is_forgotten() -> None:
    stage = Stage()
    tag = tag_of(stage.publish(AWAY))
    stage.run(599)
    assert stage.activities == ["away"]
    stage.run(2)
    assert stage.activities == []
    assert stage.package.told == ["alice", "alice"]
    assert stage.publish(tag=tag).status == 412
    stage.run(40)
    assert len(stage.core.timers) == 0


def test_several_phones_publish_side_by_side() -> None:
    stage = Stage()
    stage.publish(AWAY)
    stage.publish(LUNCH)
    assert stage.activities == ["away", "lunch"]
    stage.publish(AWAY)
    assert stage.publish(AWAY).status == 403


@pytest.mark.parametrize(
    ("body", "wishes", "status"),
    [
        (AWAY, {"event": "dialog"}, 489),
        (AWAY, {"user": "bob"}, 403),
        (AWAY, {"expires": "5"}, 423),
        (AWAY, {"expires": "soon"}, 400),
        (AWAY, {"content_type": "text/plain"}, 415),
        (b"", {}, 400),
        (b"<presence", {}, 400),
        (b"<!DOCTYPE x []><presence/>", {}, 400),
    ],
)
def test_what_cannot_be_published_is_refused_and_changes_nothing(
    body: bytes, wishes: dict[str, str], status: int
) -> None:
    stage = Stage()
    assert stage.publish(body, **wishes).status == status
    assert stage.activities == []
    assert stage.package.told == []


def test_a_change_that_cannot_be_read_leaves_what_was() -> None:
    stage = Stage()
    tag = tag_of(stage.publish(AWAY))
    assert stage.publish(b"nonsense", tag=tag).status == 400
    assert stage.activities == ["away"]
    assert stage.publish(tag=tag).status == 200
