"""The inbox of a call: what is asked comes in order, and nothing is lost to a reader who gave up."""

from __future__ import annotations

import asyncio

import pytest

from pbx.requests import CancelTransfer, CompleteTransfer, Inbox, Request


async def test_requests_come_in_the_order_in_which_they_were_asked() -> None:
    inbox = Inbox()
    first, second = CompleteTransfer(), CancelTransfer()
    inbox.put(first)
    inbox.put(second)
    assert await inbox.get() is first
    assert await inbox.get() is second


async def test_a_reader_waits_for_the_next_request() -> None:
    inbox = Inbox()
    reading = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    assert not reading.done()
    request = CompleteTransfer()
    inbox.put(request)
    assert await reading is request


async def test_a_reader_who_gave_up_takes_nothing_and_leaves_the_place_to_the_next() -> None:
    inbox = Inbox()
    gone = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    gone.cancel()
    following = asyncio.ensure_future(inbox.get())
    with pytest.raises(asyncio.CancelledError):
        await gone
    first, second = CompleteTransfer(), CancelTransfer()
    inbox.put(first)
    inbox.put(second)
    assert await following is first
    assert await inbox.get() is second


async def test_what_nobody_will_carry_out_can_be_taken_out_at_once() -> None:
    inbox = Inbox()
    left: tuple[Request, ...] = (CompleteTransfer(), CancelTransfer())
    for request in left:
        inbox.put(request)
    assert inbox.drain() == left
    assert inbox.drain() == ()


async def test_what_has_come_already_needs_no_waiting() -> None:
    inbox = Inbox()
    assert inbox.take() is None
    first, second = CompleteTransfer(), CancelTransfer()
    inbox.put(first)
    inbox.put(second)
    assert inbox.take() is first
    assert inbox.take() is second
    assert inbox.take() is None
