"""Registering with a carrier, and asking whether it is there."""

from __future__ import annotations

from sip.address import Address
from sip.config import SipConfig
from sip.core import SipCore
from sip.message import Request, response_to
from sip.registration import TrunkAccount, TrunkPing, TrunkRegistration, TrunkState
from sip.uri import Uri
from tests.sip.network import Network, Packet, PhoneApplication

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
    network.run(29 + 5.5)
    assert states.seen == [TrunkState.REACHABLE]
    network.run(2 + 5.5)
    assert states.seen == [TrunkState.REACHABLE, TrunkState.UNREACHABLE]
    network.drop = None
    network.run(11)
    assert states.seen[-1] is TrunkState.REACHABLE
    ping.stop()
    sent = len(network.sent)
    network.run(300)
    assert len(network.sent) == sent


SERVERS = (Address("10.0.0.3", 5060), Address("10.0.0.2", 5060))


def test_a_trunk_registers_with_its_second_host_when_the_first_is_dead_and_goes_back_when_it_lives() -> None:
    network, us, carrier = carrier_and_us()
    states = States()
    told: list[tuple[str, bool]] = []
    registration = TrunkRegistration(
        us,
        TrunkAccount(CARRIER, "74951234567", "secret", expires=100),
        states,
        locate=lambda then: then(SERVERS),
        on_server=lambda server, alive: told.append((server.host, alive)),
    )
    registration.start()
    network.run(6)
    assert states.seen == [TrunkState.REGISTERED]
    assert registration.server == SERVERS[1]
    assert told == [("10.0.0.3", False), ("10.0.0.2", True)]
    network.add("10.0.0.3", carrier, config=SipConfig(max_expires=7200))
    network.run(81)
    assert registration.server == SERVERS[0]
    registration.stop()
    network.run(1)
    last = next(packet for packet in reversed(network.sent) if packet.what == "REGISTER")
    assert (last.destination.host, last.message.get("Expires")) == ("10.0.0.3", "0")


def test_a_name_that_no_dns_knows_is_tried_again() -> None:
    network, us, carrier = carrier_and_us()
    states = States()
    known: list[Address] = []
    TrunkRegistration(
        us, TrunkAccount(CARRIER, "74951234567", "secret"), states, locate=lambda then: then(tuple(known))
    ).start()
    network.run(1)
    assert states.seen == [TrunkState.UNREACHABLE]
    known.append(SERVERS[1])
    network.run(15)
    assert states.seen == [TrunkState.UNREACHABLE, TrunkState.REGISTERED]
    assert carrier.registrations


class Registrar:
    """A carrier that answers each REGISTER with the next of the given answers."""

    def __init__(self, *answers: tuple[int, list[tuple[str, str]]]) -> None:
        self.answers = list(answers)
        self.asked_at: list[float] = []

    def on_packet(self, network: Network, packet: Packet) -> bool:
        message = packet.message
        if packet.destination != SERVERS[1] or not isinstance(message, Request):
            return False
        self.asked_at.append(network.clock.monotonic())
        status, headers = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        answer = response_to(message, status, to_tag="carrier", headers=headers)
        network.carry(Packet(answer.encode(), packet.destination, packet.source))
        return True


def registering_with(registrar: Registrar, seconds: float) -> States:
    network = Network()
    us = network.add("10.0.0.1", PhoneApplication())
    network.drop = lambda packet: registrar.on_packet(network, packet)
    states = States()
    TrunkRegistration(us, TrunkAccount(CARRIER, "74951234567", "secret", expires=600), states).start()
    network.run(seconds)
    return states


def test_a_carrier_that_says_when_to_come_back_is_not_asked_before() -> None:
    registrar = Registrar((503, [("Retry-After", "120")]), (200, [("Expires", "600")]))
    assert registering_with(registrar, 200).seen == [TrunkState.UNREACHABLE, TrunkState.REGISTERED]
    assert 120 <= registrar.asked_at[1] <= 145


def test_a_carrier_that_wants_ever_longer_registrations_is_not_followed_for_ever() -> None:
    registrar = Registrar(*[(423, [("Min-Expires", str(seconds))]) for seconds in range(1000, 100_000, 1000)])
    assert registering_with(registrar, 5).seen == [TrunkState.REFUSED]
    assert len(registrar.asked_at) == 2


def test_a_stale_nonce_is_met_at_once_and_a_wrong_password_is_not_repeated() -> None:
    challenge = 'Digest realm="carrier", nonce="{}", algorithm=MD5, qop="auth"'
    first, second = challenge.format("one"), challenge.format("two") + ", stale=true"
    registrar = Registrar(
        (401, [("WWW-Authenticate", first)]), (401, [("WWW-Authenticate", second)]), (200, [("Expires", "600")])
    )
    assert registering_with(registrar, 1).seen == [TrunkState.REGISTERED]
    assert len(registrar.asked_at) == 3
    wrong = Registrar((401, [("WWW-Authenticate", first)]))
    assert registering_with(wrong, 9).seen == [TrunkState.REFUSED]
    assert len(wrong.asked_at) == 2


def test_failures_are_spread_and_ever_further_apart() -> None:
    registrar = Registrar((500, []))
    assert registering_with(registrar, 4000).seen == [TrunkState.REFUSED]
    gaps = [b - a for a, b in zip(registrar.asked_at, registrar.asked_at[1:], strict=False)]
    for gap, pause in zip(gaps, (10, 20, 40, 80, 160, 320, 640, 900), strict=False):
        assert pause <= gap <= pause * 1.21
    assert len({round(gap % 1, 3) for gap in gaps}) > 3


def test_a_registration_is_made_anew_when_its_connection_breaks_but_not_all_the_time() -> None:
    network = Network()
    carrier = PhoneApplication()
    carrier.users = {"74951234567": "secret"}
    us = network.add("10.0.0.1", PhoneApplication(), transport="tcp")
    network.add("10.0.0.2", carrier, transport="tcp", config=SipConfig(max_expires=7200))
    uri = CARRIER.with_(parameters=(("transport", "tcp"),))
    registration = TrunkRegistration(us, TrunkAccount(uri, "74951234567", "secret"), States())
    registration.start()
    network.run(100)
    assert network.count("200 REGISTER") == 1
    us.transport_failed(Address("10.0.0.9", 5060, "tcp"))
    network.run(10)
    assert network.count("200 REGISTER") == 1
    us.transport_failed(Address("10.0.0.2", 5060, "tcp"))
    network.run(3)
    assert network.count("200 REGISTER") == 2
    us.transport_failed(Address("10.0.0.2", 5060, "tcp"))
    network.run(20)
    assert network.count("200 REGISTER") == 2
    network.run(12)
    assert network.count("200 REGISTER") == 3
    registration.stop()
    assert us.connection_watchers == []
