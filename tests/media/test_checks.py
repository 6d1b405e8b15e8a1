"""ICE as a lite agent: authentic checks are answered and followed, all else is left without a word."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import struct

import pytest

from media.engine import Endpoint, HandshakeReceived
from media.srtp import SrtpProfile
from tests.media.phone import PATIENCE, Phone, Studio, studio
from tests.media.secure_phone import SecurePhone, check, signed
from tests.media.test_encrypted_legs import rejected

pytestmark = pytest.mark.usefixtures("on_each_backend")
FRAGMENT, PASSWORD = "ours", "a-password-of-22-chars"
HELLO = b"\x16\xfe\xfd" + bytes(60)


def browser(room: Studio) -> tuple[SecurePhone, Endpoint]:
    phone = SecurePhone(SrtpProfile.AEAD_AES_128_GCM, ssrc=0x1000 + len(room.phones))
    room.phones.append(phone)
    endpoint = room.engine.create_endpoint()
    endpoint.expect_checks(FRAGMENT, PASSWORD)
    endpoint.take_handshakes()
    phone.call(endpoint)
    return phone, endpoint


def elsewhere(room: Studio, endpoint: Endpoint) -> Phone:
    phone = Phone()
    room.phones.append(phone)
    phone.call(endpoint)
    return phone


async def response(phone: Phone) -> bytes:
    while True:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(phone.rtp, 2048), PATIENCE)
        if data[0] < 4:
            return data


async def checked(phone: Phone, *, nominate: bool = False, fragment: str = FRAGMENT, password: str = PASSWORD) -> bytes:
    phone.rtp.sendto(check(fragment, password, nominate=nominate), phone.remote)
    return await response(phone)


async def test_a_check_is_answered_with_the_address_it_came_from() -> None:
    async with studio() as room:
        phone, _ = browser(room)
        request = check(FRAGMENT, PASSWORD)
        phone.rtp.sendto(request, phone.remote)
        answer = await response(phone)
        kind, size, cookie = struct.unpack_from("!HHI", answer)
        assert (kind, size, cookie) == (0x0101, len(answer) - 20, 0x2112A442)
        assert answer[8:20] == request[8:20]
        attribute, length, family, port = struct.unpack_from("!HHHH", answer, 20)
        assert (attribute, length, family) == (0x0020, 8, 1)
        assert port ^ 0x2112 == phone.address[1]
        assert ipaddress.ip_address(int.from_bytes(answer[28:32]) ^ cookie) == ipaddress.ip_address("127.0.0.1")
        assert answer == signed(0x0101, request[8:20], answer[20:32], PASSWORD)


async def test_checks_that_are_not_authentic_get_no_answer() -> None:
    async with studio() as room:
        phone, endpoint = browser(room)
        good = check(FRAGMENT, PASSWORD)
        wrong = [
            check("others", PASSWORD),
            check(FRAGMENT, "another password"),
            check("our", PASSWORD),
            good[:-8],
            good[:-1],
            good + bytes(4),
            good[:2] + b"\xff\xff" + good[4:],
            good[:4] + bytes(4) + good[8:],
            bytes([good[0] | 1]) + good[1:],
            bytes(20),
            bytes(64),
        ]
        broken = bytearray(good)
        broken[30] ^= 1
        wrong.append(bytes(broken))
        for datagram in wrong:
            phone.rtp.sendto(datagram, phone.remote)
        await rejected(endpoint, len(wrong))
        chance = random.Random(7)
        for number in range(500):
            mangled = bytearray(good)
            for _ in range(chance.randrange(1, 5)):
                mangled[chance.randrange(len(mangled))] = chance.randrange(256)
            mangled[0] &= 3
            if mangled != good:
                phone.rtp.sendto(mangled[: chance.randrange(len(mangled)) + 1], phone.remote)
                # A socket holds a few hundred of them: the engine must have its turn, or the last one is lost.
                await asyncio.sleep(0 if number % 50 else 0.01)
        phone.rtp.sendto(good, phone.remote)
        assert (await response(phone))[8:20] == good[8:20]


async def test_voice_goes_where_the_checks_nominate_and_keys_alone_do_not_move_it() -> None:
    async with studio() as room:
        phone, endpoint = browser(room)
        boris, b = room.party()
        room.engine.bridge(endpoint, b)
        endpoint.encrypt(phone.keys)
        endpoint.configure(remote=None)
        boris.send(b"\x01" * 160)
        assert await phone.listen(0.1) == []
        await checked(phone, nominate=True)
        phone.send(b"\x02" * 160)
        assert (await boris.hear()).payload == b"\x02" * 160
        boris.send(b"\x03" * 160)
        assert (await phone.hear()).payload == b"\x03" * 160
        # An authentic packet over a way that was never checked is heard, but voice does not follow it.
        other = elsewhere(room, endpoint)
        other.rtp.sendto(phone.protected(b"\x04" * 160), phone.remote)
        assert (await boris.hear()).payload == b"\x04" * 160
        boris.send(b"\x05" * 160)
        assert (await phone.hear()).payload == b"\x05" * 160
        # Once it is checked it may be used, and when it is nominated at once.
        await checked(other)
        boris.send(b"\x06" * 160)
        assert (await phone.hear()).payload == b"\x06" * 160
        await checked(other, nominate=True)
        boris.send(b"\x07" * 160)
        assert len(await other.listen(0.2)) == 1


async def test_datagrams_of_a_handshake_are_told_and_answered_where_they_came_from() -> None:
    async with studio() as room:
        phone, endpoint = browser(room)
        phone.rtp.sendto(HELLO, phone.remote)
        await rejected(endpoint, 1)
        await checked(phone)
        phone.rtp.sendto(HELLO, phone.remote)
        assert await room.event(HandshakeReceived) == [HandshakeReceived(endpoint.id, HELLO)]
        endpoint.send_handshake(b"\x16answer")
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(phone.rtp, 2048), PATIENCE)
        assert data == b"\x16answer"


async def test_a_flood_of_handshakes_is_cut() -> None:
    async with studio() as room:
        phone, endpoint = browser(room)
        await checked(phone)
        for _ in range(50):
            for _ in range(10):
                phone.rtp.sendto(HELLO, phone.remote)
            await asyncio.sleep(0.002)
        await rejected(endpoint, 200)
        await asyncio.sleep(0.05)
        assert len([event for event in room.events if isinstance(event, HandshakeReceived)]) <= 192


async def test_after_a_restart_the_old_words_are_good_until_the_new_ones_are_used() -> None:
    async with studio() as room:
        phone, endpoint = browser(room)
        await checked(phone, nominate=True)
        endpoint.expect_checks("newer", "a-newer-password-of-it")
        await asyncio.sleep(0.06)
        await checked(phone)
        await checked(phone, fragment="newer", password="a-newer-password-of-it")
        phone.rtp.sendto(check(FRAGMENT, PASSWORD), phone.remote)
        await rejected(endpoint, 1)


async def test_an_endpoint_that_expects_no_checks_answers_none() -> None:
    async with studio() as room:
        phone, endpoint = room.party()
        phone.rtp.sendto(check(FRAGMENT, PASSWORD), phone.remote)
        await rejected(endpoint, 1)
        assert await phone.listen(0.05) == []
