"""JsSIP on Node: SIP over WebSocket and over secure WebSocket, on the web ports of a whole server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.jssip import JsSipPhone
from tests.support.ports import free_port
from tests.support.ramal_process import PASSWORD, RamalProcess, ramal_process, until


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RamalProcess]:
    async with ramal_process(tmp_path, WEB_TLS_PORT=str(free_port())) as process:
        await process.start()
        async with process.api() as api:
            for number in ("1001", "1002"):
                await api.post("extensions", number=number, name=f"Desk {number}", password=PASSWORD)
        yield process


def phone(server: RamalProcess, user: str, scheme: str, *, password: str = PASSWORD) -> JsSipPhone:
    port = server.web_port if scheme == "ws" else int(server.environment["RAMAL_WEB_TLS_PORT"])
    return JsSipPhone(f"{scheme}://127.0.0.1:{port}/sip", user, password)


async def contacts(server: RamalProcess, number: str) -> list[dict[str, str]]:
    async with server.api() as api:
        items = (await api.get("extensions"))["items"]
    found: list[dict[str, str]] = next(item for item in items if item["number"] == number)["contacts"]
    return found


async def test_browsers_register_call_each_other_and_desk_phones_by_both_schemes(server: RamalProcess) -> None:
    async with phone(server, "1001", "ws") as ana, phone(server, "1002", "wss") as boris:
        for one in (ana, boris):
            assert ".invalid" in str((await one.wait_for("registered"))["contacts"])
        ana.do("options", to="sip:1002@127.0.0.1")
        assert (await ana.wait_for("answered"))["status"] == 200
        for caller, callee in ((ana, boris), (boris, ana)):
            caller.do("call", to="sip:1002@127.0.0.1" if caller is ana else "sip:1001@127.0.0.1")
            assert (await callee.wait_for("incoming"))["from"] == ("1001" if caller is ana else "1002")
            await caller.wait_for("progress")
            callee.do("answer")
            for one in (caller, callee):
                await one.wait_for("confirmed")
            callee.do("hang_up")
            for one in (caller, callee):
                await one.wait_for("ended")
        async with httpx.AsyncClient(trust_env=False) as client:
            figures = (await client.get(f"http://127.0.0.1:{server.web_port}/metrics")).text
        for transport in ("ws", "wss"):
            assert f'ramal_sip_connections{{transport="{transport}"}} 1.0' in figures
            assert f'ramal_sip_connections_accepted_total{{transport="{transport}"}} 1.0' in figures


async def test_a_browser_rings_at_a_desk_and_the_desk_at_a_browser(server: RamalProcess) -> None:
    desk = await server.phone("1002")
    try:
        async with phone(server, "1001", "wss") as ana:
            await ana.wait_for("registered")
            ana.do("call", to="sip:1002@127.0.0.1")
            incoming = await desk.incoming()
            await incoming.answer()
            await ana.wait_for("confirmed")
            await incoming.hang_up()
            await ana.wait_for("ended")
            call = await desk.call("1001")
            await ana.wait_for("incoming")
            ana.do("answer")
            await call.confirmed()
            ana.do("hang_up")
            await call.over()
    finally:
        await desk.close()


async def test_a_browser_that_is_gone_is_no_contact_any_more_and_comes_back(server: RamalProcess) -> None:
    async with phone(server, "1001", "ws") as ana:
        await ana.wait_for("registered")
        (before,) = await contacts(server, "1001")
        ana.do("drop")
        await ana.wait_for("disconnected")

        async def another() -> bool | None:
            found = await contacts(server, "1001")
            return len(found) == 1 and found[0]["source"] != before["source"]

        # JsSIP connects again after two seconds at the earliest.
        await ana.wait_for("registered", timeout=15)
        await until(another, "the contact of the new connection and no other")
    await asyncio.sleep(0)


async def test_a_wrong_password_is_refused(server: RamalProcess) -> None:
    async with phone(server, "1001", "ws", password="guess") as ana:
        await ana.wait_for("refused")
