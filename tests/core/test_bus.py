"""Live events: everyone hears them, and nobody can hold the server up."""

import pytest

from core.bus import EventBus, SubscriberTooSlowError


async def test_every_subscriber_hears_every_event_in_order() -> None:
    bus = EventBus()
    with bus.subscribe() as first, bus.subscribe() as second:
        bus.publish("call.answered", {"a": 1}, call_id="c1")
        bus.publish("call.ended", call_id="c1")
        for subscription in (first, second):
            events = aiter(subscription)
            assert [(await anext(events)).kind, (await anext(events)).kind] == ["call.answered", "call.ended"]


async def test_a_subscriber_that_does_not_keep_up_is_cut_off() -> None:
    bus = EventBus()
    with bus.subscribe(size=2) as slow:
        for _ in range(3):
            bus.publish("call.ended")
        with pytest.raises(SubscriberTooSlowError):
            await anext(aiter(slow))


async def test_one_who_left_costs_nothing_more() -> None:
    bus = EventBus()
    with bus.subscribe() as gone:
        pass
    bus.publish("call.ended")
    assert gone._queue.empty()
