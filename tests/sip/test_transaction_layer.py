"""How a message finds its transaction, and how long those that are over are remembered."""

from __future__ import annotations

import pytest

from sip.address import Address
from sip.message import response_to
from sip.transaction_key import server_key
from tests.sip.transaction_bench import TCP, UDP, Bench, incoming, request


def test_another_branch_or_sender_or_method_is_another_transaction() -> None:
    bench = Bench()
    bench.layer.create_server(incoming("INVITE"), UDP)
    assert not bench.layer.absorb(incoming("INVITE", "z9hG4bK2"))
    assert not bench.layer.absorb(incoming("INVITE", Via="SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1"))
    assert not bench.layer.absorb(incoming("CANCEL"))
    assert bench.layer.find_server(server_key(incoming("CANCEL"), "INVITE")) is not None


def test_an_old_peer_without_magic_branch_is_matched_by_the_rest() -> None:
    bench = Bench()
    bench.layer.create_server(incoming("INVITE", "1"), UDP)
    assert bench.layer.absorb(incoming("INVITE", "1"))
    other = incoming("INVITE", "1", CSeq="2 INVITE")
    assert not bench.layer.absorb(other)


def test_ten_thousand_finished_transactions_are_forgotten_by_few_timers() -> None:
    bench = Bench()
    for number in range(10_000):
        transaction = bench.layer.create_server(incoming("OPTIONS", f"z9hG4bK{number}"), UDP)
        transaction.respond(response_to(transaction.request, 200, to_tag="b"))
    assert bench.layer.live == 0
    assert bench.layer.finished == 10_000
    assert len(bench.timers) == 1
    bench.run(32.1)
    assert bench.empty


def test_one_that_is_forgotten_together_with_earlier_ones_is_remembered_for_its_whole_time() -> None:
    bench = Bench()
    for number, pause in enumerate((0.2, 0.2, 31.5)):
        transaction = bench.layer.create_server(incoming("OPTIONS", f"z9hG4bK{number}"), UDP)
        transaction.respond(response_to(transaction.request, 200, to_tag="b"))
        bench.run(pause)
    bench.run(0.25)
    assert bench.layer.absorb(incoming("OPTIONS", "z9hG4bK1"))
    assert bench.layer.absorb(incoming("OPTIONS", "z9hG4bK2"))
    bench.run(0.6)
    assert bench.empty


@pytest.mark.parametrize(("destination", "repeated"), [(UDP, 1), (TCP, 0)])
def test_an_answer_that_is_there_at_once_is_sent_again_to_whoever_asks_again_until_timer_j(
    destination: Address, repeated: int
) -> None:
    bench, asked = Bench(), request("REGISTER", via="SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK7")
    bench.layer.answer(asked, destination, response_to(asked, 200, to_tag="b").encode())
    assert bench.layer.live == 0
    assert bench.layer.absorb(asked) is bool(repeated)
    assert bench.times("200") == [0.0] * (1 + repeated)
    assert bench.layer.retransmitted == repeated
    bench.run(32.1)
    assert not bench.layer.absorb(asked)
    assert bench.empty
