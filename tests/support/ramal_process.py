"""The whole server as users start it, `ramal serve` in a process of its own, to be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ramal.demo.company import Api
from ramal.softphone.controller import PhoneSetup, SoftPhone
from tests.support.ports import free_port

T = TypeVar("T")

PASSWORD = "correct horse 9"
CARRIER = "127.0.0.2"
"""Where the trunk is; it is known by this address."""
MOBILE = "+79167654321"
_RAMAL = (sys.executable, "-c", "from ramal.cli import main; main()")
_RTP_PORTS = 40


class RamalProcess:
    """A data folder, its ports, and the process that serves it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Prepare.

        Args:
            folder: for the data and the log.
            settings: further `RAMAL_` variables, by their names without it.
        """
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.data.mkdir(exist_ok=True)
        first = free_port(count=_RTP_PORTS)
        names = {"SIP_PORT": free_port(), "WEB_PORT": free_port(), "MQTT_PORT": free_port()}
        names |= {"MEDIA_FIRST_PORT": first, "MEDIA_LAST_PORT": first + _RTP_PORTS - 1}
        self.sip_port = names["SIP_PORT"]
        self.web_port = names["WEB_PORT"]
        own = {key: value for key, value in os.environ.items() if not key.startswith("RAMAL_")}
        chosen = {**{name: str(port) for name, port in names.items()}, **settings}
        self.environment = own | {f"RAMAL_{name}": value for name, value in chosen.items()}
        self.token = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, seconds: float = 60.0) -> None:
        """Start it and wait until it is ready."""
        if not self.token:
            self.token = await self.run("token", "create", "--role", "administrator")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_RAMAL, "serve", "--data", str(self.data), env=self.environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False) as client:
            while True:
                assert self._process.returncode is None, self.log.read_text()[-3000:]
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{self.web_port}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    async def run(self, *arguments: str) -> str:
        """Run another command of `ramal` on the folder and return the last line it prints."""
        process = await asyncio.create_subprocess_exec(
            *_RAMAL,
            *arguments,
            "--data",
            str(self.data),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return output.decode().strip().splitlines()[-1]

    async def kill(self) -> None:
        """Have it vanish, as when the power fails."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop it as an administrator does."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(number)
        try:
            await asyncio.wait_for(self._process.wait(), 30)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise

    @contextlib.asynccontextmanager
    async def api(self) -> AsyncIterator[Api]:
        """Give a client of its API with an administrator's rights."""
        async with Api.open(f"http://127.0.0.1:{self.web_port}", self.token) as api:
            yield api

    async def create_company(self, carrier_port: int) -> None:
        """Make extensions 1001 and 1002, a trunk with a route out, and what a mobile number costs."""
        async with self.api() as api:
            await api.patch("company", name="Test", country="RU", currency="RUB", record_calls=True)
            for number in ("1001", "1002"):
                await api.post("extensions", number=number, name=f"Desk {number}", password=PASSWORD)
            await api.post(
                "trunks",
                name="carrier",
                host=CARRIER,
                port=carrier_port,
                transport="udp",
                register=False,
                allow_from=[f"{CARRIER}/32"],
            )
            await api.post("routes", name="out", prefix="", trunks=["carrier"], strip=0, prepend="", priority=10)
            await api.post(
                "rates",
                prefix="7",
                kind="mobile",
                price_per_minute="6.00",
                currency="RUB",
                first_increment=1,
                increment=1,
                connection_fee="0",
            )

    async def phone(self, extension: str) -> SoftPhone:
        """Start a phone that is registered."""
        return await SoftPhone.start(self._setup(extension, free_port(), "127.0.0.1", register=True))

    async def carrier(self, port: int) -> SoftPhone:
        """Start the far end of the trunk."""
        return await SoftPhone.start(self._setup("carrier", port, CARRIER, register=False))

    def _setup(self, name: str, port: int, address: str, *, register: bool) -> PhoneSetup:
        return PhoneSetup(
            server=f"127.0.0.1:{self.sip_port}",
            username=name,
            port=port,
            rtp_port=free_port(count=8),
            password=PASSWORD if register else "",
            register=register,
            address=address,
        )


@contextlib.asynccontextmanager
async def ramal_process(folder: Path, **settings: str) -> AsyncIterator[RamalProcess]:
    """Give a server that is not started yet; it is gone at the end in any case."""
    server = RamalProcess(folder, **settings)
    try:
        yield server
    finally:
        await server.kill()


async def until(look: Callable[[], Awaitable[T | None]], what: str, seconds: float = 20.0) -> T:
    """Look again and again until something is there, and return it."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = await look()
                if found:
                    return found
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:.0f} seconds: {what}") from None


async def only_record(api: Api) -> dict[str, Any] | None:
    """Return the call's record once it is over, and see that it is the only one."""
    items: list[dict[str, Any]] = (await api.get("cdrs"))["items"]
    assert len(items) <= 1
    return items[0] if items and items[0]["ended_at"] else None
