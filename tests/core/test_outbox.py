"""The outbox: nothing is sent that did not happen, nothing that happened stays unsent."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from core.clock import ManualClock
from core.database import Database
from core.outbox import EMAIL, MQTT, MessageRefusedError, OutboxDrain, OutboxMessage, send_email, send_mqtt


class Peer:
    """A receiver that can be switched off."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.away_after: int | None = None

    async def send(self, message: OutboxMessage) -> None:
        if self.away_after is not None and len(self.received) >= self.away_after:
            raise ConnectionError("nobody there")
        self.received.append(message.address)


async def test_messages_leave_in_the_order_they_were_written(database: Database) -> None:
    async with database.transaction() as session:
        for index in range(250):
            await send_mqtt(session, f"t/{index}", {})
    peer = Peer()
    drain = OutboxDrain(database, MQTT, peer, ManualClock())
    while await drain.step():
        pass
    assert peer.received == [f"t/{index}" for index in range(250)]
    assert await drain.waiting() == 0


async def test_what_was_rolled_back_is_not_announced(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await send_mqtt(session, "t/never", {})
            raise RuntimeError("no")
    peer = Peer()
    assert await OutboxDrain(database, MQTT, peer, ManualClock()).step() == 0
    assert peer.received == []


async def test_a_receiver_that_goes_away_gets_the_rest_later_and_nothing_twice(database: Database) -> None:
    async with database.transaction() as session:
        for index in range(10):
            await send_mqtt(session, f"t/{index}", {})
    peer = Peer()
    peer.away_after = 4
    drain = OutboxDrain(database, MQTT, peer, ManualClock())
    with pytest.raises(ConnectionError):
        await drain.step()
    assert await drain.waiting() == 6
    peer.away_after = None
    await drain.step()
    assert peer.received == [f"t/{index}" for index in range(10)]


async def test_channels_do_not_wait_for_each_other(database: Database) -> None:
    async with database.transaction() as session:
        await send_email(session, "owner@example.com", "A new lead\r\nBcc: all@example.com", "text")
        await send_mqtt(session, "t", {})
    mail = Peer()
    assert await OutboxDrain(database, "email", mail, ManualClock()).step() == 1
    assert mail.received == ["owner@example.com"]
    assert await OutboxDrain(database, MQTT, Peer(), ManualClock()).waiting() == 1


class Postman:
    """A receiver that takes no letter for `nobody`, and for `full` only later."""

    def __init__(self) -> None:
        self.received: list[str] = []

    async def send(self, message: OutboxMessage) -> None:
        if message.address in ("nobody", "full"):
            raise MessageRefusedError("refused", for_good=message.address == "nobody")
        self.received.append(message.address)


async def test_a_message_that_is_refused_for_good_is_given_up_and_holds_nobody_up(database: Database) -> None:
    async with database.transaction() as session:
        for address in ("ana", "nobody", "bia"):
            await send_email(session, address, "s", "b")
    postman = Postman()
    drain = OutboxDrain(database, EMAIL, postman, ManualClock())
    assert await drain.step() == 3
    assert postman.received == ["ana", "bia"]
    assert await drain.waiting() == 0
    async with database.reading() as session:
        kept = {row.address: row for row in await session.scalars(select(OutboxMessage))}
    assert kept["nobody"].given_up_at is not None
    assert (kept["nobody"].sent_at, kept["nobody"].last_error) == (None, "refused")


async def test_a_message_that_is_refused_for_now_is_tried_for_three_days_while_others_pass(database: Database) -> None:
    async with database.transaction() as session:
        for address in ("full", "ana"):
            await send_email(session, address, "s", "b")
    postman = Postman()
    clock = ManualClock(datetime.now(UTC))
    drain = OutboxDrain(database, EMAIL, postman, clock)
    with pytest.raises(MessageRefusedError):
        await drain.step()
    assert postman.received == ["ana"]
    assert await drain.waiting() == 1
    clock.advance(4 * 86_400)
    assert await drain.step() == 1
    assert await drain.waiting() == 0
