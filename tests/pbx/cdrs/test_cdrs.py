"""Call detail records: every kind of call told as facts, read back as its record, on both databases."""

from datetime import date, timedelta, timezone

import pytest

from core.database import Database
from core.events import (
    CallerNamed,
    Direction,
    Disposition,
    LegMoved,
    LegQuality,
    LegStatistics,
    MediaAlive,
    PartyRole,
    QualitySample,
    RecordingStarted,
    TransferKind,
    TransferResult,
)
from pbx.cdrs.consumer import CdrConsumer
from pbx.cdrs.errors import CdrNotFoundError, UnknownCdrCursorError
from pbx.cdrs.queries import CdrFilter, CdrQueries
from pbx.cdrs.values import Cdr, CdrLeg, CdrState
from tests.support.facts import LANDLINE, MOBILE, OTHER_MOBILE, START, Story, at, in_batches, outgoing_call


@pytest.fixture
def queries(database: Database) -> CdrQueries:
    return CdrQueries(database)


async def digest(database: Database, story: Story, *, first: int = 1, batch: int = 500, node: str = "n1") -> None:
    for part in in_batches(story.entries(first), batch):
        async with database.transaction() as session:
            await CdrConsumer().consume(session, node, part)


async def everything(queries: CdrQueries) -> list[Cdr]:
    return list((await queries.page(CdrFilter(state=None), limit=500)).items)


def times(leg: CdrLeg) -> tuple[float | None, ...]:
    """Return when a leg was created, rang, was answered and ended, in seconds after the start."""
    moments = (leg.created_at, leg.ringing_at, leg.answered_at, leg.ended_at)
    return tuple(None if moment is None else (moment - START).total_seconds() for moment in moments)


async def test_an_outbound_call_has_its_legs_with_each_of_their_times(database: Database, queries: CdrQueries) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, start=0, answer=10.25, end=70.5)
    await digest(database, story)
    cdr = await queries.get("a")
    assert (cdr.id, cdr.call_id, cdr.state, cdr.direction) == ("a", "a", CdrState.ENDED, Direction.OUTBOUND)
    assert (cdr.from_number, cdr.to_number, cdr.from_extension) == ("1001", LANDLINE, "1001")
    assert cdr.trunk == "carrier"
    assert (cdr.started_at, cdr.answered_at, cdr.ended_at) == (at(0), at(10.25), at(70.5))
    assert (cdr.disposition, cdr.talk_seconds, cdr.recovered) == (Disposition.ANSWERED, 60.25, False)
    phone, outside = cdr.legs
    assert (phone.leg_id, phone.extension, phone.role, phone.incoming) == ("a-1001", "1001", PartyRole.AGENT, True)
    assert (outside.leg_id, outside.trunk, outside.number) == ("a-out", "carrier", LANDLINE)
    assert times(phone) == (0, None, 10.25, 70.5)
    assert times(outside) == (0, 1, 10.25, 70.5)
    assert cdr.transfers == []


async def test_a_call_out_names_the_last_trunk_it_was_tried_on(database: Database, queries: CdrQueries) -> None:
    story = Story()
    story.offered(0, "a", Direction.OUTBOUND, from_number="1001", to_number=LANDLINE)
    story.outside(0, "a", "first", LANDLINE, trunk="first-carrier")
    await digest(database, story)
    assert (await queries.get("a")).trunk == "first-carrier"
    story.outside(1, "a", "second", LANDLINE, trunk="second-carrier")
    await digest(database, story)
    assert (await queries.get("a")).trunk == "second-carrier"


async def test_a_caller_whom_the_crm_knows_is_on_record_by_that_name(database: Database, queries: CdrQueries) -> None:
    story = Story()
    story.offered(0, "a", Direction.INBOUND, from_number=MOBILE)
    story.facts.append(CallerNamed(at=at(0.1), call_id="a", name="Padaria Central"))
    await digest(database, story, batch=1)
    assert (await queries.get("a")).from_name == "Padaria Central"


@pytest.mark.parametrize(
    ("disposition", "status"),
    [
        (Disposition.NO_ANSWER, 480),
        (Disposition.BUSY, 486),
        (Disposition.FAILED, 404),
        (Disposition.CANCELLED, 487),
    ],
)
async def test_an_unanswered_call_has_no_talk(
    database: Database, queries: CdrQueries, disposition: Disposition, status: int
) -> None:
    story = Story()
    story.offered(0, "a")
    story.outside(0, "a", "out", LANDLINE)
    story.rang(2, "a", "out")
    story.left(30, "a", "out", status=status)
    story.ended(30, "a", disposition, status=status)
    await digest(database, story)
    cdr = await queries.get("a")
    assert (cdr.disposition, cdr.sip_status, cdr.answered_at, cdr.talk_seconds) == (disposition, status, None, 0)
    assert (cdr.legs[0].sip_status, times(cdr.legs[0])) == (status, (0, 2, None, 30))


async def test_a_call_is_there_while_it_is_live(database: Database, queries: CdrQueries) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE)
    ending, story.facts = story.facts[-3:], story.facts[:-3]
    await digest(database, story)
    cdr = await queries.get("a")
    assert (cdr.state, cdr.disposition, cdr.ended_at, cdr.talk_seconds) == (CdrState.LIVE, None, None, 0)
    assert (await queries.page()).items == []
    assert [live.id for live in (await queries.page(CdrFilter(state=CdrState.LIVE))).items] == ["a"]
    seen = len(story.facts)
    story.facts = ending
    await digest(database, story, first=seen + 1)
    assert (await queries.get("a")).state is CdrState.ENDED


async def test_a_greeting_and_a_wait_are_no_talk(database: Database, queries: CdrQueries) -> None:
    story = Story()
    story.offered(0, "a", Direction.INBOUND, from_number=MOBILE, to_number="+74950000000", trunk="carrier")
    story.outside(0, "a", "customer", MOBILE, incoming=True)
    story.answered(1, "a", "customer")
    story.phone(5, "a", "1001", "1001")
    story.rang(6, "a", "1001")
    story.answered(20, "a", "1001")
    story.talking(20, "a", "1001", "1001")
    story.left(50, "a", "1001", "customer")
    story.ended(50, "a")
    await digest(database, story)
    cdr = await queries.get("a")
    assert (cdr.answered_at, cdr.answered_by, cdr.talk_seconds) == (at(20), "1001", 30)


async def test_a_greeting_alone_is_no_talk(database: Database, queries: CdrQueries) -> None:
    story = Story()
    story.offered(0, "a", Direction.INBOUND, from_number=MOBILE)
    story.outside(0, "a", "customer", MOBILE, incoming=True)
    story.answered(1, "a", "customer")
    story.left(50, "a", "customer")
    story.ended(50, "a", Disposition.NO_ANSWER)
    await digest(database, story)
    assert (await queries.get("a")).talk_seconds == 0


async def test_a_blind_transfer_is_in_the_chain_and_its_ringing_is_no_talk(
    database: Database, queries: CdrQueries
) -> None:
    story = Story()
    story.offered(0, "a", Direction.INBOUND, from_number=MOBILE, to_number="+74950000000", trunk="carrier")
    story.outside(0, "a", "customer", MOBILE, incoming=True)
    story.phone(0, "a", "1001", "1001")
    story.answered(10, "a", "1001", "customer")
    story.talking(10, "a", "1001", "1001")
    story.phone(40, "a", "1003", "1003")
    story.left(55, "a", "1003", status=486)
    story.transferred(55, "a", "1003", result=TransferResult.FAILED, transfer_id="first")
    story.phone(60, "a", "1002", "1002")
    story.left(60, "a", "1001")
    story.answered(75, "a", "1002")
    story.transferred(75, "a", "1002", new_leg="1002", transfer_id="second")
    story.left(100, "a", "1002", "customer")
    story.ended(100, "a")
    await digest(database, story)
    cdr = await queries.get("a")
    assert cdr.talk_seconds == (60 - 10) + (100 - 75)
    assert [leg.leg_id for leg in cdr.legs] == ["customer", "1001", "1003", "1002"]
    chain = [(step.transfer_id, step.kind, step.result, step.to_number, step.new_leg_id) for step in cdr.transfers]
    assert chain == [
        ("first", TransferKind.BLIND, TransferResult.FAILED, "1003", None),
        ("second", TransferKind.BLIND, TransferResult.COMPLETED, "1002", "1002"),
    ]


def attended_transfer() -> Story:
    """1001 talks to a customer (a), consults 1002 (b) and connects them."""
    story = Story()
    story.offered(0, "a", Direction.INBOUND, from_number=MOBILE, to_number="+74950000000", trunk="carrier")
    story.outside(0, "a", "customer", MOBILE, incoming=True)
    story.phone(0, "a", "1001", "1001")
    story.answered(10, "a", "1001", "customer")
    story.talking(10, "a", "1001", "1001")
    story.offered(30, "b", Direction.INTERNAL, to_number="1002")
    story.phone(30, "b", "1001-b", "1001", incoming=True)
    story.phone(30, "b", "1002", "1002")
    story.rang(31, "b", "1002")
    story.answered(40, "b", "1002", "1001-b")
    story.talking(40, "b", "1002", "1002")
    story.moved(60, "1002", from_call="b", to_call="a")
    story.transferred(60, "a", "1002", TransferKind.ATTENDED, new_leg="1002", other_call="b")
    story.left(60, "b", "1001-b")
    story.ended(60, "b")
    story.left(60, "a", "1001")
    story.left(100, "a", "customer", "1002")
    story.ended(100, "a")
    return story


async def test_an_attended_transfer_shows_the_leg_in_both_calls(database: Database, queries: CdrQueries) -> None:
    await digest(database, attended_transfer())
    call, consultation = await queries.get("a"), await queries.get("b")
    assert (call.talk_seconds, consultation.talk_seconds) == (90, 20)
    assert [leg.leg_id for leg in call.legs] == ["customer", "1001", "1002"]
    assert [leg.leg_id for leg in consultation.legs] == ["1001-b", "1002"]
    left, joined = consultation.legs[1], call.legs[2]
    assert (times(left), left.moved_to, left.joined_at) == ((30, 31, 40, 60), "a", at(30))
    assert (times(joined), joined.moved_to, joined.joined_at) == ((30, 31, 40, 100), None, at(60))
    (step,) = call.transfers
    assert (step.kind, step.other_call_id, step.from_extension) == (TransferKind.ATTENDED, "b", "1001")
    assert (consultation.merged_into, call.merged_into) == ("a", None)
    assert consultation.transfers == []


async def test_a_recovered_call_ends_with_all_its_legs_when_its_voice_did(
    database: Database, queries: CdrQueries
) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=10)
    story.facts = story.facts[:-3]
    story.ended(47.5, "a", Disposition.INTERRUPTED, recovered=True)
    await digest(database, story)
    cdr = await queries.get("a")
    assert (cdr.disposition, cdr.recovered, cdr.ended_at) == (Disposition.INTERRUPTED, True, at(47.5))
    assert cdr.talk_seconds == 37.5
    assert [leg.ended_at for leg in cdr.legs] == [at(47.5), at(47.5)]


async def test_what_comes_after_the_end_is_still_noted(database: Database, queries: CdrQueries) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=10, end=70)
    late = [story.facts.pop(-3), story.facts.pop(-2)]
    recording = RecordingStarted(
        at=at(11), call_id="a", recording_id="recording-1", location="x.wav", channels=2, sample_rate=8000
    )
    figures = LegStatistics(
        at=at(70),
        call_id="a",
        leg_id="a-out",
        packets_received=2990,
        packets_sent=3000,
        packets_lost=10,
        packets_rejected=7,
        jitter_ms=1.5,
        mos=4.25,
    )
    story.facts += [*late, recording, figures]
    await digest(database, story, batch=1)
    cdr = await queries.get("a")
    assert (cdr.talk_seconds, cdr.recording_id) == (60, "recording-1")
    outside = cdr.legs[1]
    assert (outside.packets_received, outside.packets_lost, outside.mos, outside.ended_at) == (2990, 10, 4.25, at(70))
    assert outside.packets_rejected == 7


def sample(seconds: float, mos: float = 4.2) -> QualitySample:
    """What a leg sounded like in the ten seconds up to a time."""
    return QualitySample(at=at(seconds), seconds=10, loss=0.01, jitter_ms=1.5, round_trip_ms=None, mos=mos)


@pytest.mark.parametrize("batch", [1, 500])
async def test_a_leg_tells_how_it_sounded_in_each_call_it_was_in(
    database: Database, queries: CdrQueries, batch: int
) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=10, end=70)
    outgoing_call(story, "b", MOBILE, answer=10, end=40)
    end = story.facts.pop(next(index for index, fact in enumerate(story.facts) if fact.at == at(40)))
    first = LegQuality(at=at(30), call_id="b", leg_id="b-out", samples=(sample(20), sample(30, mos=3.1)))
    moved = LegMoved(at=at(35), call_id="a", leg_id="b-out", from_call_id="b")
    second = LegQuality(at=at(50), call_id="a", leg_id="b-out", samples=(sample(50),))
    story.facts += [first, moved, second]
    assert end.call_id == "b"
    await digest(database, story, batch=batch)
    await digest(database, story, batch=batch)
    before, after = (await queries.get("b")).legs[1], (await queries.get("a")).legs[2]
    assert (before.leg_id, after.leg_id) == ("b-out", "b-out")
    assert before.quality == [sample(20), sample(30, mos=3.1)]
    assert after.quality == [sample(50)]
    assert (await queries.get("a")).legs[0].quality == []
    assert all(leg.quality is None for cdr in await everything(queries) for leg in cdr.legs)


@pytest.mark.parametrize("batch", [1, 2, 5])
async def test_batches_of_any_size_and_a_journal_read_again_give_the_same_records(
    database: Database, queries: CdrQueries, batch: int
) -> None:
    story = attended_transfer()
    outgoing_call(story, "c", LANDLINE, start=5)
    story.facts.sort(key=lambda fact: fact.at)
    await digest(database, story)
    whole = await everything(queries)
    assert [cdr.id for cdr in whole] == ["b", "c", "a"]
    await digest(database, story, batch=batch)
    assert await everything(queries) == whole
    await digest(database, Story(), batch=batch)
    other = Story()
    other.facts = [fact for fact in story.facts if fact.call_id == "c"]
    await digest(database, other, node="n2")
    assert await everything(queries) == whole


@pytest.mark.parametrize("batch", [1, 2, 5])
async def test_a_record_does_not_depend_on_how_the_journal_is_cut(
    database: Database, queries: CdrQueries, batch: int
) -> None:
    await digest(database, attended_transfer(), batch=batch)
    call, consultation = await queries.get("a"), await queries.get("b")
    assert (call.talk_seconds, consultation.talk_seconds, consultation.merged_into) == (90, 20, "a")
    assert [times(leg) for leg in call.legs] == [(0, None, 10, 100), (0, None, 10, 60), (30, 31, 40, 100)]


async def test_facts_of_unknown_calls_and_legs_are_passed_over(database: Database, queries: CdrQueries) -> None:
    story = Story()
    story.answered(1, "ghost", "leg")
    story.moved(2, "leg", from_call="ghost", to_call="a")
    story.offered(3, "a")
    story.left(4, "a", "unknown")
    story.moved(5, "unknown", from_call="a", to_call="ghost")
    story.transferred(6, "a", "1002", TransferKind.ATTENDED, other_call="ghost")
    story.facts.append(MediaAlive(at=at(7), call_id="a"))
    story.ended(8, "a", Disposition.FAILED)
    await digest(database, story)
    (cdr,) = await everything(queries)
    assert (cdr.id, cdr.legs) == ("a", [])


async def test_texts_of_a_peer_that_are_too_long_or_hold_zero_bytes_do_not_stop_the_journal(
    database: Database, queries: CdrQueries
) -> None:
    story = Story()
    story.offered(0, "a", from_number="9" * 500, to_number="1\0" * 300, trunk="t" * 500)
    story.outside(0, "a", "out", "8" * 500, trunk="t" * 500)
    story.ended(1, "a", Disposition.FAILED)
    await digest(database, story)
    cdr = await queries.get("a")
    assert (len(cdr.from_number), cdr.to_number, len(cdr.legs[0].number)) == (64, "1" * 32, 64)


async def test_records_are_paged_newest_first(database: Database, queries: CdrQueries) -> None:
    story = Story()
    for index in range(7):
        outgoing_call(story, f"call-{index}", LANDLINE, start=index // 2)
    await digest(database, story)
    seen: list[str] = []
    after = None
    while True:
        page = await queries.page(limit=3, after=after)
        assert len(page.items) <= 3
        seen += [cdr.id for cdr in page.items]
        after = page.after
        if after is None:
            break
    assert seen == [f"call-{index}" for index in (6, 5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    "after", ["", "x", "2026-01-01 a", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00Z " + "x" * 99]
)
async def test_a_cursor_that_is_none_of_ours_is_refused(queries: CdrQueries, after: str) -> None:
    with pytest.raises(UnknownCdrCursorError):
        await queries.page(after=after)


async def test_an_unknown_call_is_not_found(queries: CdrQueries) -> None:
    with pytest.raises(CdrNotFoundError):
        await queries.get("nothing")


async def test_records_are_found_by_what_is_known_of_a_call(database: Database, queries: CdrQueries) -> None:
    story = attended_transfer()
    outgoing_call(story, "c", LANDLINE, start=200)
    outgoing_call(story, "d", OTHER_MOBILE, start=86_400, answer=86_405, end=86_410)
    story.offered(300, "e", to_number=LANDLINE)
    story.ended(310, "e", Disposition.BUSY)
    await digest(database, story)

    async def found(wanted: CdrFilter) -> list[str]:
        return [cdr.id for cdr in (await queries.page(wanted)).items]

    assert await found(CdrFilter()) == ["d", "e", "c", "b", "a"]
    assert await found(CdrFilter(number=MOBILE)) == ["a"]
    assert await found(CdrFilter(number=LANDLINE)) == ["e", "c"]
    assert await found(CdrFilter(extension="1002")) == ["b", "a"]
    assert await found(CdrFilter(extension="1001")) == ["d", "c", "b", "a"]
    assert await found(CdrFilter(direction=Direction.INTERNAL)) == ["b"]
    assert await found(CdrFilter(disposition=Disposition.BUSY)) == ["e"]
    assert await found(CdrFilter(begin=at(30), end=at(300))) == ["c", "b"]
    assert await found(CdrFilter(extension="1002", direction=Direction.INBOUND)) == ["a"]
    assert await found(CdrFilter(sip_call_id="none")) == []


async def test_a_day_begins_where_the_company_is(database: Database, queries: CdrQueries) -> None:
    story = Story()
    outgoing_call(story, "morning", LANDLINE)
    outgoing_call(story, "night", LANDLINE, start=14 * 3600, answer=14 * 3600 + 1, end=14 * 3600 + 2)
    await digest(database, story)
    day = date(2026, 3, 2)

    async def on(day: date, hours: int) -> list[str]:
        zone = timezone(timedelta(hours=hours))
        return [cdr.id for cdr in (await queries.page(CdrFilter.of_day(day, zone, extension="1001"))).items]

    assert await on(day, 0) == ["night", "morning"]
    assert await on(day, 3) == ["morning"]
    assert await on(day + timedelta(days=1), 3) == ["night"]
