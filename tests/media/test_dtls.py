"""DTLS as far as it agrees keys: both roles, lost datagrams, wrong certificates and rubbish."""

from __future__ import annotations

import random

import pytest

from media.dtls import LONGEST_DATAGRAM, DtlsHandshake, DtlsIdentity
from media.errors import HandshakeError

CLIENT, SERVER = DtlsIdentity(), DtlsIdentity()


def named(identity: DtlsIdentity) -> list[tuple[str, bytes]]:
    return [("sha-256", identity.fingerprint)]


def pair() -> tuple[DtlsHandshake, DtlsHandshake]:
    return DtlsHandshake(CLIENT, named(SERVER), client=True), DtlsHandshake(SERVER, named(CLIENT), client=False)


def converse(client: DtlsHandshake, server: DtlsHandshake, to_server: list[bytes]) -> None:
    """Carry datagrams to and fro until both are silent."""
    to_client: list[bytes] = []
    while to_server or to_client:
        assert all(len(datagram) <= LONGEST_DATAGRAM for datagram in to_server + to_client)
        to_client = [answer for datagram in to_server for answer in server.receive(datagram)]
        to_server = [answer for datagram in to_client for answer in client.receive(datagram)]


def test_both_ends_get_the_keys_of_each_other() -> None:
    client, server = pair()
    assert server.start() == []
    converse(client, server, client.start())
    assert client.keys is not None
    assert server.keys is not None
    assert (client.keys.incoming, client.keys.outgoing) == (server.keys.outgoing, server.keys.incoming)
    assert client.keys.profile is server.keys.profile
    assert len(client.keys.incoming) == client.keys.profile.master_size
    assert client.timeout is None


def test_whoever_waits_for_a_flight_that_is_lost_has_a_time_to_try_again() -> None:
    client, server = pair()
    hello = client.start()
    assert client.timeout is not None
    assert 0 < client.timeout <= 1.1
    flight = [answer for datagram in hello for answer in server.receive(datagram)]
    assert flight
    assert server.timeout is not None
    converse(client, server, [answer for datagram in flight for answer in client.receive(datagram)])
    assert server.keys is not None


def test_another_certificate_than_the_named_one_gives_no_keys() -> None:
    other = DtlsIdentity()
    client = DtlsHandshake(CLIENT, named(SERVER), client=True)
    server = DtlsHandshake(SERVER, named(other), client=False)
    with pytest.raises(HandshakeError, match="not the one its description names"):
        converse(client, server, client.start())
    assert server.keys is None


def test_a_fingerprint_that_proves_nothing_is_refused_at_once() -> None:
    with pytest.raises(HandshakeError, match="no fingerprint"):
        DtlsHandshake(CLIENT, [("md5", bytes(16)), ("sha-1", bytes(20))], client=False)


def test_one_of_several_fingerprints_is_enough() -> None:
    client = DtlsHandshake(CLIENT, named(SERVER), client=True)
    server = DtlsHandshake(SERVER, [("sha-512", bytes(64)), *named(CLIENT)], client=False)
    converse(client, server, client.start())
    assert server.keys is not None


def test_rubbish_between_the_datagrams_does_no_harm() -> None:
    chance = random.Random(8)
    client, server = pair()
    for _ in range(50):
        server.receive(bytes([22, 254, 253]) + chance.randbytes(chance.randrange(200)))
    converse(client, server, client.start())
    assert server.keys is not None
    for _ in range(50):
        server.receive(bytes([23, 254, 253]) + chance.randbytes(chance.randrange(200)))
