"""Registering with a carrier, and asking whether it is there."""

from __future__ import annotations

from sip.config import SipConfig
from sip.core import SipCore
from sip.registration import TrunkAccount, TrunkPing, TrunkRegistration, TrunkState
from sip.uri import Uri
from tests.sip.network import Network, PhoneApplication

CARRIER = Uri("sip", "", "10.0.0.2", 5060)


def carrier_and_us(*, min_expires: int = 60) -> tuple[Network, SipCore, PhoneApplication]:
    network = Network()
    carrier = PhoneApplication()
    carrier.users = {"74951234567": "secret"}
    us = network.add("10.0.0.1", PhoneApplication())
    network.add("10.0.0.2", carrier, config=SipConfig(min_expires=min_expires, max_expires=7200))
    return network, us, carrier


class States:
    def __init__(self) -> None:
        self.seen: list[TrunkState] = []

    def __call__(self, state: TrunkState, reason: str) -> None:
        assert reason
        self.seen.append(state)


def test_a_trunk_registers_with_its_password_and_refreshes_at_80_percent() -> None:
    network, us, carrier = carrier_and_us()
    states = States()
    registration = TrunkRegistration(us, TrunkAccount(CARRIER, "74951234567", "secret", expires=100), states)
    registration.start()
    network.run(1)
    assert states.seen == [TrunkState.REGISTERED]
    user, bindings = carrier.registrations[-1]
    assert user == "74951234567"
    assert str(bindings[0].uri) == "sip:74951234567@10.0.0.1:5060"
    assert network.what == ["REGISTER", "401 REGISTER", "REGISTER", "200 REGISTER"]
    network.run(78)
    assert network.count("REGISTER") == 2
    network.run(2)
    assert network.count("200 REGISTER") == 2
    network.run(400)
    assert states.seen == [TrunkState.REGISTERED]
    assert carrier.registrations[-1][1]
    registration.stop()
    network.run(1)
    assert carrier.registrations[-1] == ("74951234567", [])
    sent = len(network.sent)
    network.run(4000)
    assert len(network.sent) == sent


def test_too_short_an_interval_is_lengthened_to_what_the_carrier_wants() -> None:
    network, us, _ = carrier_and_us(min_expires=300)
    states = States()
    TrunkRegistration(us, TrunkAccount(CARRIER, "74951234567", "secret", expires=100), states).start()
    network.run(1)
    assert states.seen == [TrunkState.REGISTERED]
    assert network.find("423 REGISTER").message.get("Min-Expires") == "300"


def test_a_wrong_password_is_tried_again_ever_more_slowly() -> None:
    network, us, _ = carrier_and_us()
    states = States()
    TrunkRegistration(us, TrunkAccount(CARRIER, "74951234567", "wrong"), states).start()
    network.run(3600)
    assert states.seen == [TrunkState.REFUSED]
    assert network.count("REGISTER") <= 2 * 11


def test_a_carrier_that_comes_back_is_registered_with_again() -> None:
    network, us, carrier = carrier_and_us()
    states = States()
    network.drop = lambda _packet: True
    TrunkRegistration(us, TrunkAccount(CARRIER, "74951234567", "secret"), states).start()
    network.run(40)
    assert states.seen == [TrunkState.UNREACHABLE]
    network.drop = None
    network.run(60)
    assert states.seen == [TrunkState.UNREACHABLE, TrunkState.REGISTERED]
    assert carrier.registrations


def test_a_trunk_is_unreachable_after_two_unanswered_pings_and_reachable_after_one_answer() -> None:
    network, us, _ = carrier_and_us()
    states = States()
    ping = TrunkPing(us, CARRIER, states, every=30)
    ping.start()
    network.run(1)
    assert states.seen == [TrunkState.REACHABLE]
    network.drop = lambda _packet: True
    network.run(64)
    assert states.seen == [TrunkState.REACHABLE]
    network.run(62)
    assert states.seen == [TrunkState.REACHABLE, TrunkState.UNREACHABLE]
    network.drop = None
    network.run(62)
    assert states.seen[-1] is TrunkState.REACHABLE
    ping.stop()
    sent = len(network.sent)
    network.run(300)
    assert len(network.sent) == sent
