"""The tracer and its ring: what calls say is found again, bounded in size and age, and never at the cost of memory."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sip.address import Address
from sip.parser import parse_message
from sip.trace import tracer as tracing
from sip.trace.segments import Window, find, segments
from sip.trace.tracer import Tracer

from .messages import request, response

PEER = Address("192.0.2.7", 5062, "udp")
NOON = float(int(time.time()))
"""Near the real time, which the file system knows."""


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> float:
        return self.time


Open = Callable[..., Tracer]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_tracer(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Opens tracers on one folder, and closes them."""
    opened: list[Tracer] = []

    def open_one(*, most_bytes: int = 10 << 20, days: float = 7) -> Tracer:
        tracer = Tracer(tmp_path / "trace", most_bytes=most_bytes, most_seconds=days * 86_400, now=clock)
        tracer.local_address = lambda peer: Address("127.0.0.1", 5060, peer.transport)
        opened.append(tracer)
        return tracer

    yield open_one
    for tracer in opened:
        tracer.close()


def stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in segments(folder / "trace"))


def test_what_was_said_is_found_by_its_call_id_in_order(open_tracer: Open, clock: Clock) -> None:
    tracer = open_tracer()
    tracer.received(request(), PEER)
    clock.time += 0.5
    tracer.sent(response("180 Ringing"), PEER)
    tracer.received(request(call_id="two@phone"), PEER)
    tracer.flush()
    clock.time += 100
    tracer.received(request("BYE"), PEER)
    tracer.flush()
    found = find(tracer.folder, {"one@phone"}, None, most=10)
    assert [message.summary for message in found.messages] == ["INVITE", "180 Ringing", "BYE"]
    assert [message.sent for message in found.messages] == [False, True, False]
    assert [message.time - NOON for message in found.messages] == [0, 0.5, 100.5]
    assert str(found.messages[1].destination) == "192.0.2.7:5062"
    assert str(found.messages[1].source) == "127.0.0.1:5060"
    within = find(tracer.folder, {"one@phone"}, Window(NOON + 90, NOON + 110), most=10)
    assert [message.summary for message in within.messages] == ["BYE"]


def test_the_id_must_be_the_whole_one(open_tracer: Open) -> None:
    tracer = open_tracer()
    tracer.received(request(call_id="one@phone.example"), PEER)
    tracer.received(request(call_id="other", extra="Subject: one@phone\r\n"), PEER)
    tracer.flush()
    assert find(tracer.folder, {"one@phone"}, None, most=10).messages == []


def test_more_than_wanted_is_cut_and_said_so(open_tracer: Open) -> None:
    tracer = open_tracer()
    for number in range(5):
        tracer.received(request(cseq=number), PEER)
    tracer.flush()
    assert find(tracer.folder, {"one@phone"}, None, most=5).truncated is False
    found = find(tracer.folder, {"one@phone"}, None, most=3)
    assert (len(found.messages), found.truncated) == (3, True)


def test_a_message_of_a_stream_is_kept_as_it_was_before_anyone_changed_it(open_tracer: Open) -> None:
    tracer = open_tracer()
    message = parse_message(request(body="v=0\r\n"))
    tracer.received_message(message, PEER._replace(transport="tcp"))
    message.set("Call-ID", "changed")
    tracer.flush()
    (kept,) = find(tracer.folder, {"one@phone"}, None, most=10).messages
    assert kept.transport == "tcp"
    assert kept.payload == request(body="v=0\r\n")


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "SUBSCRIBE", "PUBLISH"])
def test_what_belongs_to_no_call_is_not_kept(open_tracer: Open, method: str) -> None:
    tracer = open_tracer()
    tracer.received(request(method), PEER)
    tracer.sent(response(method=method), PEER)
    tracer.received(request("NOTIFY", extra="Event: dialog\r\n"), PEER)
    tracer.received(request("NOTIFY", extra="Event: refer\r\n"), PEER)
    tracer.received(request("INVITE", extra=f"Allow: INVITE, {method}\r\n"), PEER)
    tracer.flush()
    found = find(tracer.folder, {"one@phone"}, None, most=10)
    assert [message.summary for message in found.messages] == ["NOTIFY", "INVITE"]


@pytest.mark.parametrize("busy", [True, False])
def test_secrets_are_masked_before_they_reach_the_disk(
    open_tracer: Open, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_BUSY", 0 if busy else 1000)
    tracer = open_tracer()
    tracer.received(request(extra='Authorization: Digest username="u", nonce="n0nce", response="s3cret"\r\n'), PEER)
    tracer.close()
    (path,) = segments(tracer.folder)
    assert path.stat().st_mode & 0o077 == 0
    data = path.read_bytes()
    content = data if busy else zlib.decompress(data[29:])
    assert b'username="u"' in content
    assert b"s3cret" not in content
    assert b"n0nce" not in content


def test_the_ring_never_grows_past_its_size_and_keeps_the_newest(
    open_tracer: Open, clock: Clock, tmp_path: Path
) -> None:
    tracer = open_tracer(most_bytes=2 << 20)
    for number in range(300):
        clock.time += 1
        for _ in range(30):
            tracer.received(request(call_id=f"call-{number}", body="v=" + "".join(map(chr, range(40, 120))) * 8), PEER)
        tracing_block_is_plain(tracer)
        assert stored(tmp_path) <= 2 << 20
    assert find(tracer.folder, {"call-299"}, None, most=100).messages
    assert not find(tracer.folder, {"call-0"}, None, most=100).messages
    assert stored(tmp_path) > 1 << 20


def tracing_block_is_plain(tracer: Tracer) -> None:
    """Write without compressing, as under load, so that the ring fills."""
    busy, tracing._BUSY = tracing._BUSY, 0  # type: ignore[misc]
    try:
        tracer.flush()
    finally:
        tracing._BUSY = busy  # type: ignore[misc]


def test_what_is_too_old_is_removed_even_when_nobody_calls(open_tracer: Open, clock: Clock, tmp_path: Path) -> None:
    tracer = open_tracer(days=2)
    tracer.received(request(), PEER)
    tracer.flush()
    clock.time += 86_400
    tracer.flush()
    assert stored(tmp_path)
    clock.time += 2 * 86_400
    tracer.flush()
    assert not segments(tracer.folder)
    tracer.received(request(), PEER)
    tracer.flush()
    assert stored(tmp_path)


def test_a_writer_that_falls_behind_costs_messages_and_not_memory(
    open_tracer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_MOST_WAITING_BYTES", 10_000)
    tracer = open_tracer()
    for number in range(1000):
        tracer.received(request(cseq=number), PEER)
    kept = 1000 - tracer.dropped
    assert 10 < kept < 30
    tracer.flush()
    assert len(find(tracer.folder, {"one@phone"}, None, most=1000).messages) == kept
    dropped = tracer.dropped
    tracer.received(request("BYE"), PEER)
    tracer.flush()
    assert tracer.dropped == dropped
    assert len(find(tracer.folder, {"one@phone"}, None, most=1000).messages) == kept + 1


def test_registrations_take_no_room_from_calls_while_the_writer_is_behind(
    open_tracer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_MOST_WAITING_BYTES", 10_000)
    tracer = open_tracer()
    for number in range(1000):
        tracer.received(request("REGISTER", cseq=number), PEER)
        tracer.received_message(parse_message(request("REGISTER", cseq=number)), PEER._replace(transport="tcp"))
        tracer.sent(response(method="REGISTER"), PEER)
    tracer.received(request("BYE"), PEER)
    tracer.flush()
    assert tracer.dropped == 0
    assert len(find(tracer.folder, {"one@phone"}, None, most=1000).messages) == 1


def test_what_only_speaks_of_registering_is_kept(open_tracer: Open) -> None:
    tracer = open_tracer()
    tracer.sent(request("INVITE", body="a\r\nCSeq: 1 REGISTER\r\n"), PEER)
    tracer.sent(response(extra="Reason: no REGISTER\r\n"), PEER)
    tracer.flush()
    assert len(find(tracer.folder, {"one@phone"}, None, most=10).messages) == 2


def test_a_disk_that_refuses_is_counted_and_tried_again(open_tracer: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = open_tracer()

    def full(*_arguments: object, **_named: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("sip.trace.segments.os.open", full)
        tracer.received(request(), PEER)
        tracer.flush()
    assert tracer.dropped == 1
    tracer.received(request("BYE"), PEER)
    tracer.flush()
    assert [message.summary for message in find(tracer.folder, {"one@phone"}, None, most=9).messages] == ["BYE"]


def test_a_message_that_cannot_be_written_does_not_end_the_trace(open_tracer: Open) -> None:
    tracer = open_tracer()

    def fails(_host: str) -> str:
        raise LookupError("no such name")

    working, tracer.ip_address = tracer.ip_address, fails
    tracer.received(request(), PEER)
    tracer.flush()
    tracer.ip_address = working
    tracer.received(request("BYE"), PEER)
    tracer.flush()
    assert [message.summary for message in find(tracer.folder, {"one@phone"}, None, most=9).messages] == ["BYE"]


@pytest.mark.parametrize("damage", ["torn", "header", "middle"])
def test_a_damaged_file_hides_its_rest_and_not_the_other_files(open_tracer: Open, clock: Clock, damage: str) -> None:
    for moment in ("first", "second"):
        tracer = open_tracer()
        for method in ("INVITE", "BYE"):
            tracer.received(request(method, extra=f"Subject: {moment}\r\n"), PEER)
            tracer.flush()
        tracer.close()
        clock.time += 10
    path = segments(tracer.folder)[0]
    data = bytearray(path.read_bytes())
    if damage == "torn":
        del data[-5:]
    else:
        position = data.rindex(b"RTR1") + (0 if damage == "header" else 40)
        data[position : position + 8] = b"\xff" * 8
    path.write_bytes(data)
    told = [message.summary for message in find(tracer.folder, {"one@phone"}, None, most=9).messages]
    assert told == ["INVITE", "INVITE", "BYE"]


def test_it_writes_in_a_thread_of_its_own_and_ends_in_good_order(open_tracer: Open) -> None:
    tracer = open_tracer()
    tracer.start()
    tracer.received(request(), PEER)
    tracer.close()
    assert find(tracer.folder, {"one@phone"}, None, most=9).messages


def test_no_folder_has_no_messages(tmp_path: Path) -> None:
    assert find(tmp_path / "nowhere", {"one@phone"}, None, most=9).messages == []
