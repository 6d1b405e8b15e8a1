"""A scan of ten thousand requests and a run of guessed passwords, with a call in progress: nobody notices but the scanner.

The scanner is at 127.0.0.9. So is an honest phone: behind one address of a NAT there may be both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import socket
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from ramal.demo.company import Api
from ramal.softphone.controller import PhoneSetup, SoftPhone
from sip.authentication import authorise
from sip.message import Response
from sip.parser import parse_message
from tests.faults.test_process_faults import AGENT_TONE, talking
from tests.support.ports import free_port
from tests.support.ramal_process import PASSWORD, RamalProcess, ramal_process, until
from tests.support.tones import complete, seconds_of, write_tone

SCANNER: Final = "127.0.0.9"
REQUESTS: Final = 10_000
AT_ONCE: Final = 100
BREATH: Final = 0.02
"""Seconds between two bursts: five thousand requests a second, as the tools of scanners send them."""
AGENTS: Final = ("friendly-scanner", "sipcli/v1.8", "VaxSIPUserAgent/3.1", "Yealink SIP-T46S 66.85.0.5", "pplsip")
METHODS: Final = (
    "REGISTER",
    "REGISTER",
    "INVITE",
    "OPTIONS",
    "SUBSCRIBE",
    "MESSAGE",
    "BYE",
    "CANCEL",
    "ACK",
    "NONSENSE",
)
OFFER: Final = "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Scanner:
    """A socket from which nothing good comes."""

    def __init__(self, server: RamalProcess, chance: random.Random) -> None:
        self._target = ("127.0.0.1", server.sip_port)
        self._chance = chance
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((SCANNER, 0))
        self._socket.setblocking(False)
        self._port = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()

    def request(self, method: str, user: str, *headers: str, cseq: int = 1) -> bytes:
        branch = f"{self._chance.getrandbits(64):x}"
        body = OFFER if method == "INVITE" else ""
        target = "sip:127.0.0.1" if method == "REGISTER" else f"sip:{user}@127.0.0.1"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {SCANNER}:{self._port};branch=z9hG4bK{branch};rport",
            f"From: <sip:{user}@127.0.0.1>;tag={branch}",
            f"To: <sip:{user}@127.0.0.1>",
            f"Call-ID: {branch}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{user}@{SCANNER}:{self._port}>",
            "Max-Forwards: 70",
            f"User-Agent: {self._chance.choice(AGENTS)}",
            *headers,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        return "\r\n".join(lines).encode()

    def noise(self) -> bytes:
        """Return one request of a scan: mostly well formed, of a random user, sometimes torn or not SIP at all."""
        chance = self._chance
        user = chance.choice((str(chance.randrange(100, 10_000)), "admin", "test", "1001", secrets.token_hex(4)))
        whole = self.request(chance.choice(METHODS), user)
        kind = chance.random()
        if kind < 0.05:
            return whole[: chance.randrange(1, len(whole))]
        return chance.randbytes(chance.randrange(1, 900)) if kind < 0.1 else whole

    async def scan(self) -> None:
        """Send everything, as fast as such tools do; answers are thrown away."""
        for _ in range(REQUESTS // AT_ONCE):
            for _ in range(AT_ONCE):
                with contextlib.suppress(BlockingIOError):
                    self._socket.sendto(self.noise(), self._target)
            self._drain()
            await asyncio.sleep(BREATH)

    async def guess(self, user: str, password: str) -> bool:
        """Try a password as REGISTER does; False when the server does not even answer any more."""
        challenge = await self._ask(self.request("REGISTER", user))
        if challenge is None:
            return False
        proof = authorise(challenge.get_all("WWW-Authenticate"), user, password, "REGISTER", "sip:127.0.0.1")
        answer = await self._ask(self.request("REGISTER", user, f"Authorization: {proof}", cseq=2))
        assert answer is None or answer.status == 401
        return answer is not None

    async def _ask(self, request: bytes) -> Response | None:
        """Send a request until it is answered, three times at most: the scan has used up what its address may ask."""
        loop = asyncio.get_running_loop()
        for _ in range(3):
            self._drain()
            self._socket.sendto(request, self._target)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.4):
                    answer = parse_message(await loop.sock_recv(self._socket, 65_536))
                    assert isinstance(answer, Response)
                    return answer
        return None

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(65_536)


@pytest.mark.timeout(180)
async def test_a_scan_and_guessed_passwords_touch_no_call_and_ban_nobody_but_the_scanner(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(ramal_process(tmp_path))
        await server.start()
        call, answered, _customer = await stack.enter_async_context(talking(server, tmp_path))
        api = await stack.enter_async_context(server.api())
        await api.post("extensions", number="1003", name="Desk 1003", password=PASSWORD)
        neighbour = await _phone(server, "1003", SCANNER)
        stack.push_async_callback(neighbour.close)
        scanner = Scanner(server, random.Random(seed))
        stack.callback(scanner.close)

        loop = asyncio.get_running_loop()
        began = loop.time()
        await scanner.scan()
        assert (await api.get("bans"))["items"] == []
        tries = 0
        while await scanner.guess("1001", secrets.token_hex(4)):
            tries += 1
            assert tries < 40
        (ban,) = await until(lambda: _bans(api), "the ban of the scanner")
        assert (ban["network"], ban["offences"]) == (SCANNER, 1)
        assert tries >= 9

        # The call went on, and the customer heard the agent all the while.
        seconds = loop.time() - began
        assert not call.ended
        await answered.stop_recording()
        heard = await complete(tmp_path / "customer-heard.wav")
        assert seconds_of(heard[-int(seconds * 8000) :], AGENT_TONE) > seconds - 0.5
        await call.hang_up()
        await answered.over()

        # Honest phones work, the one behind the scanner's address, too.
        second = await server.phone("1002")
        stack.push_async_callback(second.close)
        for phone in (second, neighbour):
            other = neighbour if phone is second else second
            talk = await phone.call("1002" if other is second else "1003", write_tone(tmp_path / "tone.wav", 700.0))
            await (await other.incoming()).answer()
            await talk.confirmed()
            await talk.hang_up()
            await talk.over()

        await _seen_and_lifted(server, api, scanner)
        log = server.log.read_text(errors="replace")
        assert "Traceback" not in log
        assert "[error" not in log
        assert "sip_source_held_back" in log


async def _seen_and_lifted(server: RamalProcess, api: Api, scanner: Scanner) -> None:
    """The ban is on the command line and in the metrics, outlives a lift by nobody, and ends when it is lifted."""
    listed = json.loads(await server.run("bans", "list", "--json"))
    assert [ban["network"] for ban in listed["bans"]] == [SCANNER]
    async with httpx.AsyncClient(trust_env=False) as client:
        figures = (await client.get(f"http://127.0.0.1:{server.web_port}/metrics")).text
    assert "ramal_sip_bans 1.0" in figures
    assert not await scanner.guess("1001", "wrong again")
    await server.run("bans", "lift", SCANNER)

    async def lifted() -> bool:
        return not (await api.get("bans"))["items"]

    await until(lifted, "the end of the ban")
    assert await scanner.guess("1001", "wrong again")


async def _bans(api: Api) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await api.get("bans"))["items"]
    return items


async def _phone(server: RamalProcess, extension: str, address: str) -> SoftPhone:
    setup = PhoneSetup(
        server=f"127.0.0.1:{server.sip_port}",
        username=extension,
        port=free_port(host=address),
        rtp_port=free_port(count=8, host=address),
        password=PASSWORD,
        address=address,
    )
    return await SoftPhone.start(setup)
