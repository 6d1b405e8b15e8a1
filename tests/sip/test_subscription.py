"""Subscriptions to the last timer: what is told, what is refused, what survives a lost NOTIFY."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from sip.address import Address
from sip.binding import Binding
from sip.event_package import Standing
from sip.stored_subscription import StoredSubscription
from sip.subscription_tables import DELIVERY, SUBSCRIPTION, DeliveryState, SubscriptionState
from sip.uri import Uri
from tests.sip.watcher import Scene, Watcher


def scene(**config: object) -> Scene:
    made = Scene(**config)  # type: ignore[arg-type]
    assert made.watcher.subscribe().status == 200
    made.run(0.1)
    return made


def test_a_subscription_is_answered_and_told_the_state_at_once() -> None:
    stage = Scene()
    response = stage.watcher.subscribe("dialog;id=7")
    assert (response.status, response.get("Expires"), response.get("Allow-Events")) == (200, "600", "dialog")
    assert response.contacts[0].uri.host == "10.0.0.2"
    notify = stage.watcher.last
    assert notify.body == b"0"
    assert notify.get("Event") == "dialog;id=7"
    assert notify.get("Subscription-State") == "active;expires=600"
    assert notify.content_type == "application/dialog-info+xml"
    assert (notify.from_tag, notify.to_tag) == (response.to_tag, stage.watcher.tag)
    assert notify.uri.host == "10.0.0.1"


def test_every_change_is_told_in_order() -> None:
    stage = scene()
    for value in range(1, 6):
        stage.set(value)
        stage.run(0.1)
    assert stage.watcher.bodies == ["0", "1", "2", "3", "4", "5"]
    numbers = [notify.cseq[0] for notify in stage.watcher.notifies]
    assert numbers == sorted(set(numbers))


def test_changes_during_a_notify_are_told_as_one_the_newest() -> None:
    stage = scene()
    for value in range(1, 20):
        stage.set(value)
    stage.run(0.1)
    assert stage.watcher.bodies == ["0", "1", "19"]
    assert stage.counter.made == stage.counter.confirmed == 3


def test_nothing_is_made_when_nobody_watches() -> None:
    stage = Scene()
    stage.set(1)
    assert not stage.notifier.watched("dialog", "bob")
    assert stage.counter.made == 0


def test_an_unknown_event_is_refused_with_the_known_ones() -> None:
    stage = Scene()
    for event in ("as-feature-event", "reg", "", "dialogue", ";id=1"):
        response = stage.watcher.subscribe(event)
        assert (response.status, response.get("Allow-Events")) == (489, "dialog")
    assert stage.core.transactions.live == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"expires": "59"}, 423),
        ({"expires": "soon"}, 400),
        ({"Accept": "application/pidf+xml"}, 406),
        ({"Accept": "text/plain, application/dialog-info+xml;q=0.5"}, 200),
        ({"Accept": "*/*"}, 200),
        ({"target": "nobody"}, 404),
        ({"expires": "999999"}, 200),
    ],
)
def test_what_cannot_be_watched_is_refused(headers: dict[str, str], status: int) -> None:
    stage = Scene()
    response = stage.watcher.subscribe(**headers)
    assert response.status == status
    assert response.get("Min-Expires") == ("60" if status == 423 else None)
    assert len(stage.notifier) == (status == 200)
    if status == 200 and "expires" in headers:
        assert response.get("Expires") == "1800"


def test_a_subscription_without_expires_lasts_as_long_as_is_allowed() -> None:
    assert Scene().watcher.subscribe(expires="").get("Expires") == "1800"


def test_a_wrong_password_and_an_unknown_user_are_challenged_alike() -> None:
    stage = Scene()
    request = stage.watcher.build("SUBSCRIBE", "sip:bob@10.0.0.2", Event="dialog")
    assert stage.watcher.send(request, password="wrong").status == 401
    stranger = Watcher(stage.network, "10.0.0.9", "mallory")
    assert stranger.send(stranger.build("SUBSCRIBE", "sip:bob@10.0.0.2", Event="dialog")).status == 401
    assert len(stage.notifier) == 0


def test_a_forbidden_resource_is_refused_with_403() -> None:
    stage = Scene()
    stage.counter.standings["bob"] = Standing.FORBIDDEN
    assert stage.watcher.subscribe().status == 403


def test_expires_zero_fetches_the_state_once() -> None:
    stage = Scene()
    assert stage.watcher.subscribe(expires="0").get("Expires") == "0"
    assert stage.watcher.bodies == ["0"]
    assert stage.watcher.states == ["terminated;reason=timeout"]
    assert len(stage.notifier) == 0
    stage.run(40)
    assert stage.core.transactions.live == len(stage.core.timers) == 0


def test_a_refresh_prolongs_and_tells_the_whole_state_again() -> None:
    stage = scene()
    stage.run(590)
    assert stage.watcher.refresh().status == 200
    stage.run(590)
    assert stage.watcher.bodies == ["0", "0"]
    stage.run(20)
    assert stage.watcher.states[-1] == "terminated;reason=timeout"


def test_an_unsubscription_has_the_state_as_its_last_word() -> None:
    stage = scene()
    stage.set(4)
    stage.run(0.1)
    assert stage.watcher.refresh(expires="0").status == 200
    stage.run(0.1)
    assert stage.watcher.bodies == ["0", "4", "4"]
    assert stage.watcher.states == ["active", "active", "terminated;reason=timeout"]
    assert stage.watcher.refresh().status == 481


def test_a_subscription_that_is_not_refreshed_ends_with_a_word() -> None:
    stage = scene()
    stage.run(601)
    assert stage.watcher.states == ["active", "terminated;reason=timeout"]
    assert len(stage.notifier) == 0
    stage.run(40)
    assert len(stage.core.timers) == 0


def test_a_refresh_out_of_order_or_of_another_event_changes_nothing() -> None:
    stage = scene()
    stage.watcher.cseq = 0
    assert stage.watcher.refresh().status == 500
    stage.watcher.cseq = 10
    assert stage.watcher.refresh("dialog;id=9").status == 489
    assert stage.watcher.refresh(expires="10").status == 423
    assert stage.watcher.refresh(expires="x").status == 400
    assert len(stage.notifier) == 1
    assert stage.watcher.bodies == ["0"]


def test_a_refresh_of_what_the_server_has_forgotten_is_481() -> None:
    stage = Scene()
    stage.watcher.server_tag = "from-before"
    assert stage.watcher.refresh().status == 481
    assert stage.watcher.subscribe().status == 200


def test_the_right_tag_with_another_from_is_no_refresh() -> None:
    stage = scene()
    stage.watcher.tag = "other"
    assert stage.watcher.refresh().status == 481


def test_a_refresh_from_another_port_moves_the_notifies_there() -> None:
    stage = scene()
    moved = Watcher(stage.network, "10.0.0.7")
    moved.call_id, moved.tag, moved.server_tag, moved.cseq = (
        stage.watcher.call_id,
        stage.watcher.tag,
        stage.watcher.server_tag,
        stage.watcher.cseq,
    )
    assert moved.refresh().status == 200
    stage.set(3)
    stage.run(0.2)
    assert moved.bodies == ["0", "3"]
    assert stage.watcher.bodies == ["0"]


def test_a_watcher_that_begins_anew_under_the_same_call_id_has_one_subscription() -> None:
    stage = scene()
    assert stage.watcher.subscribe().status == 200
    assert len(stage.notifier) == 1
    stage.set(1)
    stage.run(0.1)
    assert stage.watcher.bodies == ["0", "0", "1"]
    assert stage.watcher.last.from_tag == stage.watcher.server_tag


def test_the_same_subscription_by_two_ways_is_made_once() -> None:
    stage = scene()
    first = next(packet for packet in reversed(stage.network.sent) if packet.what == "SUBSCRIBE").message
    first.headers = [("Via", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKother"), *first.headers[1:]]
    first.forget()
    assert stage.watcher.send_once(first).status == 482  # type: ignore[arg-type]
    assert len(stage.notifier) == 1


# Loss.


def test_a_lost_notify_is_tried_again_and_the_subscription_stands() -> None:
    stage = scene()
    stage.watcher.answer = None
    stage.set(1)
    stage.run(33)
    assert len(stage.notifier) == 1
    stage.set(2)
    stage.run(40)
    stage.watcher.answer = 200
    stage.run(60)
    assert stage.watcher.bodies == ["0", "2"]


def test_attempts_get_rarer_but_do_not_cease() -> None:
    stage = scene(max_subscription_seconds=7200)
    assert stage.watcher.refresh(expires="7200").status == 200
    stage.run(1)
    stage.watcher.answer = None
    stage.set(1)
    stage.run(3600)
    attempts = {request.cseq[0] for request in stage.watcher.requests}
    assert 20 < len(attempts) < 40
    stage.watcher.answer = 200
    stage.run(155)
    assert stage.watcher.bodies[-1] == "1"


@pytest.mark.parametrize("status", [408, 500, 503, 480, 486, 401, 403])
def test_a_failed_notify_does_not_end_the_subscription(status: int) -> None:
    stage = scene()
    stage.watcher.answer = status
    stage.set(1)
    stage.run(1)
    assert len(stage.notifier) == 1
    stage.watcher.answer = 200
    stage.run(5)
    assert stage.watcher.bodies == ["0", "1"]


@pytest.mark.parametrize("status", [481, 404, 410, 405, 489, 501])
def test_a_watcher_that_knows_of_no_subscription_ends_it(status: int) -> None:
    stage = scene()
    stage.watcher.answer = status
    stage.set(1)
    stage.run(1)
    assert len(stage.notifier) == 0
    stage.run(700)
    assert len([request for request in stage.watcher.requests if request.body == b"1"]) == 1
    assert len(stage.core.timers) == 0


def test_a_refresh_ends_the_waiting_for_a_watcher_that_was_away() -> None:
    stage = scene()
    stage.watcher.answer = None
    stage.set(1)
    stage.run(200)
    stage.watcher.answer = 200
    before = len(stage.watcher.notifies)
    stage.watcher.refresh()
    stage.run(0.5)
    # What is under way is repeated, and the refresh is answered with one more.
    assert stage.watcher.bodies[before:]
    stage.run(40)
    assert stage.watcher.bodies[-1] == "1"


def test_an_ending_during_a_lost_notify_is_told_after_it() -> None:
    stage = scene()
    stage.watcher.answer = None
    stage.set(1)
    stage.run(1)
    assert stage.watcher.refresh(expires="0").status == 200
    assert len(stage.notifier) == 0
    stage.watcher.answer = 200
    stage.run(10)
    assert stage.watcher.states[-1] == "terminated;reason=timeout"
    stage.run(40)
    assert len(stage.core.timers) == 0


def test_a_package_that_fails_is_asked_again() -> None:
    stage = scene()
    stage.counter.broken = True
    stage.set(1)
    stage.run(1)
    stage.counter.broken = False
    stage.run(5)
    assert stage.watcher.bodies == ["0", "1"]


@pytest.mark.parametrize("seed", range(12))
def test_a_lamp_is_right_after_a_hundred_changes_with_a_tenth_of_the_packets_lost(seed: int) -> None:
    stage = Scene(loss=0.1, seed=seed)
    assert stage.watcher.subscribe().status == 200
    dice = random.Random(seed)
    for value in range(1, 101):
        stage.set(value)
        stage.run(dice.choice((0.0, 0.01, 0.2, 3.0)))
    stage.run(70)
    assert stage.watcher.bodies[-1] == "100"
    values = [int(body) for body in stage.watcher.bodies]
    assert values == sorted(values), "an old state came after a newer one"
    assert len(stage.notifier) == 1
    assert all(subscription.told for subscription in stage.notifier.subscriptions("alice"))


# Who may see what, and for how long.


def test_a_withheld_resource_is_pending_until_it_may_be_seen() -> None:
    stage = Scene()
    stage.counter.standings["bob"] = Standing.WITHHELD
    assert stage.watcher.subscribe().status == 200
    stage.set(5)
    stage.run(0.1)
    assert (stage.watcher.states, stage.watcher.bodies) == (["pending"], [""])
    stage.counter.standings["bob"] = Standing.GRANTED
    stage.notifier.reconsider()
    stage.run(0.1)
    assert (stage.watcher.states[-1], stage.watcher.bodies[-1]) == ("active", "5")
    stage.counter.standings["bob"] = Standing.WITHHELD
    stage.notifier.reconsider()
    stage.run(0.1)
    assert (stage.watcher.states[-1], stage.watcher.bodies[-1]) == ("pending", "")


@pytest.mark.parametrize(("standing", "reason"), [(Standing.FORBIDDEN, "rejected"), (Standing.UNKNOWN, "noresource")])
def test_what_may_not_be_seen_any_more_ends(standing: Standing, reason: str) -> None:
    stage = scene()
    stage.notifier.reconsider()
    stage.counter.standings["bob"] = standing
    stage.notifier.reconsider()
    stage.run(0.1)
    assert (stage.watcher.states, stage.watcher.bodies) == (["active", f"terminated;reason={reason}"], ["0", ""])


def test_a_user_who_is_gone_watches_nothing_any_more() -> None:
    stage = scene()
    stage.notifier.remove("alice")
    stage.run(0.1)
    assert stage.watcher.states[-1] == "terminated;reason=rejected"
    assert stage.notifier.subscriptions("alice") == []


def test_a_server_that_stops_has_its_watchers_subscribe_again() -> None:
    stage = scene()
    stage.notifier.close()
    stage.run(0.1)
    assert stage.watcher.states[-1] == "terminated;reason=deactivated"
    refused = stage.watcher.subscribe("dialog;id=2")
    assert (refused.status, refused.get("Retry-After")) == (503, "5")
    assert len(stage.notifier) == 0


def test_the_subscriptions_of_a_user_and_of_the_server_are_bounded() -> None:
    stage = Scene(max_subscriptions_per_user=2, max_subscriptions=3)
    statuses = [stage.watcher.subscribe(f"dialog;id={number}").status for number in range(3)]
    assert statuses == [200, 200, 403]
    carol = Watcher(stage.network, "10.0.0.3", "carol")
    assert carol.subscribe().status == 200
    full = carol.subscribe("dialog;id=2")
    assert (full.status, full.get("Retry-After")) == (503, "5")
    assert len(stage.notifier) == 3


# Registrations.


def binding(stage: Scene, source: Address, contact: str = "sip:alice@10.0.0.1:5060") -> Binding:
    now = stage.network.clock.now()
    return Binding(Uri.parse(contact), source, now + timedelta(hours=1), now, "", "r", 1)


def test_each_registration_is_told_the_whole_state() -> None:
    stage = scene()
    stage.run(2)
    stage.notifier.registered("alice", [binding(stage, stage.watcher.address)])
    stage.run(0.1)
    assert stage.watcher.bodies == ["0", "0"]
    stage.notifier.registered("alice", [])
    stage.notifier.registered("carol", [binding(stage, stage.watcher.address)])
    stage.run(10)
    assert stage.watcher.bodies == ["0", "0"]


def test_a_flood_of_registrations_is_told_once_a_second() -> None:
    stage = scene()
    stage.run(1)
    for _ in range(100):
        stage.notifier.registered("alice", [binding(stage, stage.watcher.address)])
        stage.run(0.02)
    stage.run(1)
    assert len(stage.watcher.notifies) <= 5


def test_a_phone_that_registers_from_another_address_is_told_there() -> None:
    stage = scene()
    moved = Watcher(stage.network, "10.0.0.8")
    stage.watcher.answer = None
    stage.set(1)
    stage.run(40)
    stage.notifier.registered("alice", [binding(stage, moved.address)])
    stage.run(0.1)
    assert moved.bodies == ["1"], "at once, though a NOTIFY to the old address is still under way"
    stage.run(60)
    assert len(stage.notifier) == 1
    stage.set(2)
    stage.run(0.1)
    assert moved.bodies[-1] == "2"


def test_a_phone_whose_connection_broke_is_told_over_its_next_one() -> None:
    stage = scene(transport="tcp")
    stage.watcher.answer = None
    stage.set(1)
    stage.run(0.1)
    stage.core.transport_failed(stage.watcher.address)
    stage.run(0.5)
    assert len(stage.notifier) == 1
    again = Watcher(stage.network, port=50_123, transport="tcp")
    stage.notifier.registered("alice", [binding(stage, again.address)])
    stage.run(0.5)
    assert again.bodies == ["1"]
    stage.run(200)
    assert [body for body in again.bodies if body != "1"] == []
    assert all(subscription.told for subscription in stage.notifier.subscriptions())


def test_one_whom_everybody_watches_is_told_of_in_turns() -> None:
    stage = Scene(max_subscriptions_per_user=500)
    for number in range(120):
        assert stage.watcher.subscribe(f"dialog;id={number}").status == 200
    stage.run(1)
    stage.watcher.notifies.clear()
    made = stage.counter.made
    stage.set(9)
    assert stage.counter.made - made == 50
    stage.run(1)
    assert stage.watcher.bodies == ["9"] * 120


# The tables.


def test_every_state_of_the_tables_can_be_reached_and_left() -> None:
    targets = {state for state, _ in SUBSCRIPTION.values()}
    assert targets | {SubscriptionState.INIT} == set(SubscriptionState)
    assert {state for state, _ in SUBSCRIPTION} | {SubscriptionState.TERMINATED} == set(SubscriptionState)
    assert {state for state, _ in DELIVERY.values()} == set(DeliveryState)
    assert {state for state, _ in DELIVERY} | {DeliveryState.CLOSED} == set(DeliveryState)


def test_options_tells_what_can_be_watched_and_figures_tell_what_is() -> None:
    stage = scene()
    answer = stage.watcher.send_once(stage.watcher.build("OPTIONS", "sip:10.0.0.2"))
    assert answer.get("Allow-Events") == "dialog"
    assert "SUBSCRIBE, PUBLISH, MESSAGE" in (answer.get("Allow") or "")
    assert stage.notifier.count_by_event() == {"dialog": 1}


class Keeper:
    """Keeps subscriptions as a database would."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], StoredSubscription] = {}

    def kept(self, subscription: StoredSubscription) -> None:
        self.held[subscription.call_id, subscription.local_tag] = subscription

    def ended(self, call_id: str, local_tag: str) -> None:
        self.held.pop((call_id, local_tag), None)


def test_a_server_that_was_killed_goes_on_with_what_was_kept() -> None:
    before, keeper = Scene(), Keeper()
    before.notifier.keeper = keeper
    assert before.watcher.subscribe().status == 200
    assert len(keeper.held) == 1
    after = Scene()
    after.set(5)
    after.notifier.restore(keeper.held.values())
    after.run(0.2)
    watcher = after.watcher
    watcher.call_id, watcher.tag, watcher.cseq = before.watcher.call_id, before.watcher.tag, before.watcher.cseq
    watcher.server_tag = before.watcher.server_tag
    assert watcher.bodies == ["5"]
    assert watcher.last.cseq[0] > before.watcher.last.cseq[0]
    assert (watcher.last.get("Event"), watcher.last.to_tag) == ("dialog", before.watcher.tag)
    assert after.counter.counted_from > 0
    after.set(6)
    after.run(0.2)
    assert watcher.refresh().status == 200
    assert watcher.bodies[1] == "6"


def test_what_is_watched_no_more_is_not_taken_up() -> None:
    scene, keeper = Scene(), Keeper()
    scene.notifier.keeper = keeper
    scene.watcher.subscribe()
    kept = list(keeper.held.values())
    scene.watcher.refresh(expires="0")
    assert keeper.held == {}
    after = Scene()
    after.notifier.keeper = keeper
    keeper.held = {(one.call_id, one.local_tag): one for one in kept}
    after.counter.standings["bob"] = Standing.FORBIDDEN
    broken = replace(kept[0], call_id="other", target="rubbish", resource="carol")
    after.counter.values["carol"] = 1
    after.notifier.restore([*kept, broken, replace(kept[0], package="presence")])
    after.run(1)
    assert (len(after.notifier), keeper.held, after.watcher.notifies) == (0, {}, [])
