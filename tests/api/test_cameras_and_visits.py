"""Cameras, visits and visitors over the API; nothing is analysed here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select

from core.identifiers import new_id
from face_tracker.tables import ConsentRow, ErasureRow, VisitorRow, VisitRow

from .conftest import Server

DOOR = {"name": "door", "source": "rtsp://viewer:secret@192.0.2.10/stream1", "enabled": False}


async def add_visits(server: Server, camera_id: str, visitor_id: str) -> None:
    begin = datetime(2026, 1, 1, 9, 0, tzinfo=UTC)
    async with server.services.database.transaction() as session:
        session.add(
            VisitorRow(
                id=visitor_id,
                camera_id=camera_id,
                templates=b"sealed",
                visits=2,
                first_seen_at=begin,
                last_seen_at=begin,
                expires_at=begin + timedelta(days=30),
            )
        )
        for hour, visitor, returning, first in (
            (0, visitor_id, False, True),
            (0, None, False, True),
            (2, visitor_id, True, False),
        ):
            session.add(
                VisitRow(
                    id=new_id(),
                    camera_id=camera_id,
                    visitor_id=visitor,
                    started_at=begin + timedelta(hours=hour),
                    ended_at=begin + timedelta(hours=hour, minutes=5),
                    returning=returning,
                    first_of_day=first,
                )
            )


async def test_a_day_is_summed_up_and_listed(server: Server, admin: httpx.AsyncClient) -> None:
    camera = (await admin.post("/api/v1/cameras", json=DOOR)).json()
    visitor = new_id()
    await add_visits(server, camera["id"], visitor)
    summary = (await admin.get("/api/v1/visits/summary", params={"day": "2026-01-01"})).json()
    assert {name: summary[name] for name in ("visitors", "visits", "new", "returning")} == {
        "visitors": 2,
        "visits": 3,
        "new": 2,
        "returning": 1,
    }
    assert (summary["by_hour"][9], summary["by_hour"][11], len(summary["by_hour"])) == (2, 1, 24)
    assert (await admin.get("/api/v1/visits/summary")).json() == summary
    visits = (await admin.get("/api/v1/visits")).json()["items"]
    assert [(one["camera"], one["returning"]) for one in visits] == [("door", True), ("door", False), ("door", False)]
    assert visits[0]["visitor_id"] == visitor
    assert visits[0]["ended_at"] == "2026-01-01T11:05:00Z"
    assert (await admin.get("/api/v1/visits/summary", params={"day": "0001-01-01"})).status_code in {200, 422}
    assert (await admin.get("/api/v1/visits/summary", params={"day": "yesterday"})).status_code == 422


async def test_a_visitor_is_erased_and_the_proof_stays(server: Server, admin: httpx.AsyncClient) -> None:
    camera = (await admin.post("/api/v1/cameras", json=DOOR)).json()
    visitor = new_id()
    await add_visits(server, camera["id"], visitor)
    listed = (await admin.get("/api/v1/visitors")).json()["items"]
    assert [(one["id"], one["returning"]) for one in listed] == [(visitor, True)]
    assert "sealed" not in str(listed)
    assert (await admin.delete(f"/api/v1/visitors/{visitor}", params={"reason": "letter"})).status_code == 204
    assert (await admin.get("/api/v1/visitors")).json()["items"] == []
    assert {one["visitor_id"] for one in (await admin.get("/api/v1/visits")).json()["items"]} == {None}
    async with server.services.database.reading() as session:
        proof = (await session.scalars(select(ErasureRow))).one()
    assert (proof.visitor_id, proof.reason, proof.erased_by) == (visitor, "letter", "administrator token")


async def test_recognition_needs_its_consent_and_ends_with_it(server: Server, admin: httpx.AsyncClient) -> None:
    camera = (await admin.post("/api/v1/cameras", json=DOOR)).json()
    assert (camera["mode"], camera["running"]) == ("counting", False)
    assert "secret" not in camera["source"]
    path = f"/api/v1/cameras/{camera['id']}"
    for consent in ({}, {"legal_basis": "", "notice": "x"}, {"legal_basis": " ", "notice": "x"}):
        assert (await admin.patch(path, json={"recognition": consent})).status_code == 422
    consent = {"legal_basis": "GDPR art. 9(2)(a)", "notice": "Faces are recognised here."}
    assert (await admin.patch(path, json={"recognition": consent})).json()["mode"] == "recognition"
    assert (await admin.patch(path, json={"recognition": None})).json()["mode"] == "counting"
    async with server.services.database.reading() as session:
        record = (await session.scalars(select(ConsentRow))).one()
    assert record.recorded_by == "administrator token"
    assert record.withdrawn_at is not None
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get("/api/v1/cameras")).json()["items"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a/b#"},
        {"name": ""},
        {"source": ""},
        {"gap_seconds": 0},
        {"template_days": 9999},
        {"source": "ftp://x/y"},
        {"source": "rtsp://[::1/stream"},
        {"source": "rtsp://viewer:pass/word@192.0.2.10/stream"},
        {"source": "rtsp://192.0.2.10:99999/stream"},
        {"source": "rtsp://192.0.2.10/\x00"},
        {"source": "v" * 1000},
    ],
)
async def test_wrong_cameras_are_refused(admin: httpx.AsyncClient, change: dict[str, object]) -> None:
    assert (await admin.post("/api/v1/cameras", json=DOOR | change)).status_code == 422


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://viewer:p@ss:w@rd@192.0.2.10/stream", "rtsp://viewer:***@192.0.2.10/stream"),
        ("rtsp://vie@wer:secret@[2001:db8::1]:554/a@b", "rtsp://vie@wer:***@[2001:db8::1]:554/a@b"),
        (
            "rtsp://192.0.2.10/user=admin&password=secret&channel=1",
            "rtsp://192.0.2.10/user=admin&password=***&channel=1",
        ),
        ("rtsp://192.0.2.10/live?user=admin&pwd=se_cret", "rtsp://192.0.2.10/live?user=admin&pwd=***"),
        ("rtsp://viewer@192.0.2.10:554/a@b", "rtsp://viewer@192.0.2.10:554/a@b"),
    ],
)
async def test_a_cameras_password_is_shown_to_nobody_wherever_its_address_has_it(
    admin: httpx.AsyncClient, source: str, shown: str
) -> None:
    made = await admin.post("/api/v1/cameras", json=DOOR | {"source": source})
    assert made.json()["source"] == shown
    assert (await admin.get("/api/v1/cameras")).json()["items"][0]["source"] == shown


async def test_a_taken_camera_name_is_a_conflict(admin: httpx.AsyncClient) -> None:
    await admin.post("/api/v1/cameras", json=DOOR)
    assert (await admin.post("/api/v1/cameras", json=DOOR)).status_code == 409


async def test_the_proof_of_an_erasure_can_be_shown(server: Server, admin: httpx.AsyncClient) -> None:
    camera = (await admin.post("/api/v1/cameras", json=DOOR)).json()
    visitors = [new_id(), new_id()]
    for visitor in visitors:
        await add_visits(server, camera["id"], visitor)
        answer = await admin.delete(f"/api/v1/visitors/{visitor}", params={"reason": "by letter of 3 March"})
        assert answer.status_code == 204
    first = (await admin.get("/api/v1/visitors/erasures", params={"limit": 1})).json()
    rest = (await admin.get("/api/v1/visitors/erasures", params={"cursor": first["next_cursor"]})).json()
    assert [one["visitor_id"] for one in first["items"] + rest["items"]] == visitors[::-1]
    assert first["items"][0]["reason"] == "by letter of 3 March"
    assert first["items"][0]["erased_at"].endswith("Z")


async def test_the_largest_page_says_that_there_is_more(server: Server, admin: httpx.AsyncClient) -> None:
    camera = (await admin.post("/api/v1/cameras", json=DOOR)).json()
    for _ in range(67):
        await add_visits(server, camera["id"], new_id())
    page = (await admin.get("/api/v1/visits", params={"limit": 200})).json()
    assert len(page["items"]) == 200
    rest = (await admin.get("/api/v1/visits", params={"limit": 200, "cursor": page["next_cursor"]})).json()
    assert len(rest["items"]) == 1
