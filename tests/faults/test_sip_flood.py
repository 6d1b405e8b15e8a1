"""Hundreds of torn, twisted and random datagrams at the SIP port: the server goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.ramal_process import RamalProcess, ramal_process

DATAGRAMS = 500
REQUEST = (
    "{method} sip:1001@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.9:{port};branch=z9hG4bK{branch};rport\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Flood" <sip:flood@127.0.0.9>;tag={branch}\r\n'
    "To: <sip:1001@127.0.0.1>\r\n"
    "Call-ID: {branch}@flood\r\n"
    "CSeq: 1 {method}\r\n"
    "Contact: <sip:flood@127.0.0.9:{port}>\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)
BODY = "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
METHODS = ("INVITE", "REGISTER", "OPTIONS", "BYE", "CANCEL", "ACK", "SUBSCRIBE", "REFER", "NONSENSE")


def request(chance: random.Random, port: int) -> bytes:
    return REQUEST.format(
        method=chance.choice(METHODS), port=port, branch=f"{chance.getrandbits(48):x}", length=len(BODY), body=BODY
    ).encode()


def torn(chance: random.Random, port: int) -> bytes:
    whole = request(chance, port)
    return whole[: chance.randrange(1, len(whole))]


def twisted(chance: random.Random, port: int) -> bytes:
    whole = bytearray(request(chance, port))
    for _ in range(chance.randrange(1, 12)):
        whole[chance.randrange(len(whole))] = chance.randrange(256)
    return bytes(whole)


def shuffled(chance: random.Random, port: int) -> bytes:
    lines = request(chance, port).split(b"\r\n")
    chance.shuffle(lines)
    return b"\r\n".join(lines)


def swollen(chance: random.Random, port: int) -> bytes:
    return request(chance, port).replace(b"Max-Forwards: 70", b"Max-Forwards: " + b"9" * chance.randrange(1, 30_000))


def noise(chance: random.Random, _port: int) -> bytes:
    return chance.randbytes(chance.randrange(1, 3000))


@pytest.mark.timeout(120)
async def test_a_flood_of_malformed_datagrams_leaves_the_server_answering(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with ramal_process(tmp_path) as server:
        await server.start()
        await server.create_company(free_port())
        phones = [await server.phone("1001"), await server.phone("1002")]
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
                attacker.bind(("127.0.0.9", 0))
                for _ in range(DATAGRAMS):
                    make = chance.choice((torn, twisted, shuffled, swollen, noise, request))
                    attacker.sendto(make(chance, attacker.getsockname()[1]), ("127.0.0.1", server.sip_port))
                    await asyncio.sleep(0.002)
            call = await phones[0].call("1002")
            await (await phones[1].incoming()).answer()
            await call.confirmed()
            await call.hang_up()
            await call.over()
        finally:
            for phone in phones:
                await phone.close()
        assert_nothing_broke(server)


def assert_nothing_broke(server: RamalProcess) -> None:
    """Malformed messages are told in one line each; none of them ran into our own code."""
    log = server.log.read_text(errors="replace")
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
    assert "[error" not in log
