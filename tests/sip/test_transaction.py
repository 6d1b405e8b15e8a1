"""The four transaction machines, each to its last timer, on a clock that moves only when told to."""

from __future__ import annotations

import pytest

from sip.address import Address
from sip.message import response_to
from sip.parser import parse_message
from sip.transaction import cancel_request
from sip.transaction_tables import MACHINES, TIMERS, Event, State
from tests.sip.transaction_bench import TCP, UDP, Bench, incoming, request


class TestInviteClient:
    def test_timer_a_doubles_until_timer_b_gives_up(self) -> None:
        bench = Bench()
        bench.client("INVITE")
        bench.run(31.9)
        assert bench.times("INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
        assert bench.responses == []
        bench.run(0.2)
        assert bench.responses == [408]
        assert bench.empty

    def test_on_a_reliable_transport_nothing_is_repeated_but_timer_b_still_ends_it(self) -> None:
        bench = Bench()
        bench.client("INVITE", TCP)
        bench.run(32.1)
        assert bench.times("INVITE") == [0.0]
        assert bench.responses == [408]
        assert bench.empty

    def test_a_provisional_response_stops_all_timers(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE")
        assert bench.respond(transaction, 100)
        bench.run(600)
        assert bench.times("INVITE") == [0.0]
        assert bench.responses == [100]
        assert transaction.state is State.PROCEEDING
        assert bench.respond(transaction, 180)
        assert bench.responses == [100, 180]

    def test_a_refusal_is_acknowledged_each_time_it_comes_until_timer_d(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE")
        assert bench.respond(transaction, 486)
        assert bench.respond(transaction, 486)
        bench.run(31.9)
        assert bench.respond(transaction, 486)
        assert len(bench.times("ACK")) == 3
        assert bench.responses == [486]
        bench.run(0.5)
        assert bench.empty
        assert not bench.respond(transaction, 486)

    def test_on_a_reliable_transport_a_refusal_ends_it_at_once(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE", TCP)
        assert bench.respond(transaction, 486)
        assert bench.times("ACK") == [0.0]
        assert bench.empty

    def test_every_2xx_reaches_the_user_until_timer_m(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE")
        assert bench.respond(transaction, 200)
        bench.run(31.9)
        assert bench.respond(transaction, 200)
        assert bench.responses == [200, 200]
        assert "ACK" not in [what for _, what in bench.sent]
        bench.run(0.2)
        assert bench.empty
        assert not bench.respond(transaction, 200)

    def test_a_settled_transaction_repeats_the_ack_without_its_user(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE")
        assert bench.respond(transaction, 200)
        transaction.settle(request("ACK", via="SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKack").encode(), UDP)
        assert bench.layer.live == 0
        assert bench.respond(transaction, 200)
        assert bench.responses == [200]
        assert len(bench.times("ACK")) == 1
        bench.run(33)
        assert bench.empty

    def test_the_ack_of_a_refusal_has_the_invites_branch_and_route_and_the_responses_to(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE")
        bench.respond(transaction, 486)
        ack = parse_message(transaction.payload)
        assert ack.via == transaction.request.via
        assert ack.get("Route") == "<sip:proxy.example;lr>"
        assert ack.to_tag == "b"
        assert ack.cseq == (1, "ACK")

    def test_a_broken_transport_is_a_503(self) -> None:
        bench = Bench()
        bench.client("INVITE", TCP)
        bench.layer.transport_failed(TCP)
        assert bench.responses == [503]
        assert bench.empty

    def test_an_abandoned_one_ends_with_408(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE")
        bench.respond(transaction, 180)
        transaction.abandon()
        assert bench.responses == [180, 408]
        assert bench.empty

    def test_a_response_to_another_method_of_the_same_branch_is_not_its_own(self) -> None:
        bench = Bench()
        transaction = bench.client("INVITE")
        cancel = cancel_request(transaction.request)
        assert not bench.layer.receive_response(response_to(cancel, 200))
        assert bench.responses == []


class TestClient:
    def test_timer_e_doubles_up_to_t2_until_timer_f_gives_up(self) -> None:
        bench = Bench()
        bench.client("OPTIONS")
        bench.run(31.9)
        assert bench.times("OPTIONS") == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        bench.run(0.2)
        assert bench.responses == [408]
        assert bench.empty

    def test_after_a_provisional_response_it_is_repeated_every_t2_and_timer_f_goes_on(self) -> None:
        bench = Bench()
        transaction = bench.client("OPTIONS")
        bench.run(0.1)
        bench.respond(transaction, 100)
        bench.run(31.8)
        assert bench.times("OPTIONS") == [0.0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
        assert bench.responses == [100]
        bench.run(0.2)
        assert bench.responses == [100, 408]
        assert bench.empty

    def test_on_a_reliable_transport_only_timer_f_runs_also_after_a_provisional_response(self) -> None:
        bench = Bench()
        transaction = bench.client("OPTIONS", TCP)
        bench.run(20)
        bench.respond(transaction, 100)
        bench.run(11.9)
        assert bench.responses == [100]
        bench.run(0.2)
        assert bench.responses == [100, 408]
        assert bench.times("OPTIONS") == [0.0]
        assert bench.empty

    def test_repeated_final_responses_are_swallowed_until_timer_k(self) -> None:
        bench = Bench()
        transaction = bench.client("OPTIONS")
        assert bench.respond(transaction, 200)
        bench.run(4.9)
        assert bench.respond(transaction, 200)
        assert bench.responses == [200]
        bench.run(0.2)
        assert bench.empty
        assert not bench.respond(transaction, 200)

    def test_on_a_reliable_transport_timer_k_is_zero(self) -> None:
        bench = Bench()
        transaction = bench.client("OPTIONS", TCP)
        assert bench.respond(transaction, 404)
        assert bench.responses == [404]
        assert bench.empty


class TestInviteServer:
    def test_a_repeated_invite_gets_the_latest_provisional_response(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), UDP)
        assert bench.layer.absorb(incoming("INVITE"))
        assert bench.sent == []
        transaction.respond(response_to(transaction.request, 100))
        transaction.respond(response_to(transaction.request, 180, to_tag="b"))
        assert bench.layer.absorb(incoming("INVITE"))
        assert [what for _, what in bench.sent] == ["100", "180", "180"]

    def test_a_refusal_is_repeated_by_timer_g_until_timer_h(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), UDP)
        transaction.respond(response_to(transaction.request, 486, to_tag="b"))
        bench.run(31.9)
        assert bench.times("486") == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        bench.run(0.2)
        assert bench.empty

    def test_the_ack_stops_the_refusal_and_timer_i_swallows_further_ones(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), UDP)
        transaction.respond(response_to(transaction.request, 486, to_tag="b"))
        assert bench.layer.absorb(incoming("INVITE"))
        assert bench.layer.absorb(incoming("ACK"))
        bench.run(4.9)
        assert bench.layer.absorb(incoming("ACK"))
        assert bench.layer.absorb(incoming("INVITE"))
        assert bench.times("486") == [0.0, 0.0]
        bench.run(0.5)
        assert bench.empty
        assert not bench.layer.absorb(incoming("ACK"))

    def test_on_a_reliable_transport_the_refusal_goes_out_once_and_the_ack_ends_it(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), TCP)
        transaction.respond(response_to(transaction.request, 486, to_tag="b"))
        bench.run(10)
        assert bench.times("486") == [0.0]
        assert bench.layer.absorb(incoming("ACK"))
        assert bench.empty

    def test_after_a_2xx_repeated_invites_are_swallowed_until_timer_l(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), UDP)
        transaction.respond(response_to(transaction.request, 200, to_tag="b"))
        bench.run(31.9)
        assert bench.layer.absorb(incoming("INVITE"))
        assert bench.times("200") == [0.0]
        bench.run(0.2)
        assert bench.empty
        assert not bench.layer.absorb(incoming("INVITE"))

    def test_the_user_may_send_its_2xx_again(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), UDP)
        response = response_to(transaction.request, 200, to_tag="b")
        assert transaction.respond(response)
        assert transaction.respond(response)
        assert not transaction.respond(response_to(transaction.request, 486, to_tag="b"))
        assert bench.times("200") == [0.0, 0.0]

    def test_the_ack_of_a_2xx_is_the_sessions_even_when_it_reuses_the_branch(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), UDP)
        transaction.respond(response_to(transaction.request, 200, to_tag="b"))
        assert not bench.layer.absorb(incoming("ACK"))

    def test_no_provisional_response_follows_a_final_one(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("INVITE"), UDP)
        transaction.respond(response_to(transaction.request, 486, to_tag="b"))
        assert not transaction.respond(response_to(transaction.request, 180, to_tag="b"))
        assert not transaction.respond(response_to(transaction.request, 200, to_tag="b"))


class TestServer:
    def test_a_repeated_request_is_swallowed_until_it_is_answered_then_gets_the_same_answer_until_timer_j(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("OPTIONS"), UDP)
        assert bench.layer.absorb(incoming("OPTIONS"))
        assert bench.sent == []
        transaction.respond(response_to(transaction.request, 200, to_tag="b"))
        bench.run(31.9)
        assert bench.layer.absorb(incoming("OPTIONS"))
        assert bench.times("200") == [0.0, 31.9]
        bench.run(0.2)
        assert bench.empty
        assert not bench.layer.absorb(incoming("OPTIONS"))

    def test_on_a_reliable_transport_timer_j_is_zero(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("OPTIONS"), TCP)
        transaction.respond(response_to(transaction.request, 200, to_tag="b"))
        assert bench.empty

    def test_only_the_first_final_response_goes_out(self) -> None:
        bench = Bench()
        transaction = bench.layer.create_server(incoming("OPTIONS"), UDP)
        assert transaction.respond(response_to(transaction.request, 100))
        assert transaction.respond(response_to(transaction.request, 200, to_tag="b"))
        assert not transaction.respond(response_to(transaction.request, 500, to_tag="b"))
        assert [what for _, what in bench.sent] == ["100", "200"]


class TestTables:
    @pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
    def test_every_state_is_left_and_every_timer_has_its_rule(self, machine: object) -> None:
        for table in MACHINES:
            reached = {table.initial} | {state for state, _ in table.rules.values()}
            assert State.TERMINATED in reached
            for state in reached - {State.TERMINATED}:
                assert any(origin is state and target is not state for (origin, _), (target, _) in table.rules.items())
                for letter in table.timers.get(state, ""):
                    assert (state, TIMERS[letter].event) in table.rules, (table.name, state, letter)

    @pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
    def test_a_terminated_transaction_has_no_rule_left(self, machine: object) -> None:
        assert not any(state is State.TERMINATED for table in MACHINES for state, _ in table.rules)

    def test_an_event_without_a_rule_leaves_the_state_untouched(self) -> None:
        bench = Bench()
        transaction = bench.client("OPTIONS")
        assert not transaction._feed(Event.ACK)
        assert transaction.state is State.TRYING


@pytest.mark.parametrize("destination", [UDP, TCP])
def test_a_slow_answer_is_announced_with_100_when_the_clients_timer_e_reaches_t2(destination: Address) -> None:
    bench = Bench()
    transaction = bench.layer.create_server(request("INFO", via="SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKslow"), destination)
    transaction.await_answer()
    bench.run(3.4)
    assert not bench.sent
    bench.run(0.2)
    assert bench.times("100") == [3.5]
    transaction.respond(response_to(transaction.request, 200))
    assert bench.times("200") == [3.6]
    bench.run(40)
    assert bench.empty


def test_a_request_that_is_never_answered_gets_no_408_and_leaves_nothing_behind() -> None:
    bench = Bench()
    transaction = bench.layer.create_server(request("INFO", via="SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKslow"), UDP)
    transaction.await_answer()
    bench.run(31.9)
    assert bench.layer.live == 1
    bench.run(0.2)
    assert [what for _, what in bench.sent] == ["100"]
    assert not transaction.respond(response_to(transaction.request, 200))
    assert bench.empty
