"""Presence, mailbox lamps, call lamps and texts with phones that nobody here wrote: pjsua2, baresip and SIPp."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest

from tests.support.baresip import Baresip
from tests.support.buddy_phone import buddy_phone
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import description, scripted_phone
from tests.support.sipp import run_sipp
from tests.support.tones import write_tone
from tests.support.watching_phone import watching_phone

SCENARIOS = Path(__file__).parent / "scenarios"
LOGIN = ("-au", "1003", "-ap", PASSWORD)


async def test_pjsua2_sees_its_buddy_come_talk_and_go(server: RamalServer) -> None:
    async with buddy_phone(server.address, "1003", PASSWORD, watches="1001") as phone:
        await phone.until(lambda: phone.last("buddy").get("subscription") == "ACTIVE", "the subscription")
        assert not phone.last("buddy")["online"]
        async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
            await phone.until(lambda: bool(phone.last("buddy")["online"]), "online")
            call = ana.call("1002")
            (await boris.incoming()).session.answer(description())
            await call.answered()
            await phone.until(lambda: "phone" in phone.last("buddy")["status"].lower(), "on the phone")
            call.session.hang_up()
            await phone.until(lambda: "phone" not in phone.last("buddy")["status"].lower(), "free again")
            server.exchange.sip.registrations.remove("1001")
            await phone.until(lambda: not phone.last("buddy")["online"], "offline")


async def test_pjsua2_publishes_that_it_is_away(server: RamalServer) -> None:
    async with (
        watching_phone(server, "1003") as watcher,
        buddy_phone(server.address, "1001", PASSWORD) as phone,
    ):
        await phone.until(lambda: phone.last("registered").get("status") == 200, "registered")
        await watcher.subscribe("presence", "1001")
        phone.do("away", note="Back at two")
        await watcher.until(lambda: "rpid:away" in watcher.lamp("presence"), "away")
        assert "Back at two" in watcher.lamp("presence")


async def test_pjsua2_lights_its_mailbox_lamp(server: RamalServer) -> None:
    async with buddy_phone(server.address, "1003", PASSWORD) as phone:
        await phone.until(lambda: "Messages-Waiting: no" in phone.last("mailbox").get("text", ""), "an empty mailbox")
        await server.exchange.watching.mailboxes.set_counts("1003", new=3)
        await phone.until(lambda: "Voice-Message: 3/0 (0/0)" in phone.last("mailbox")["text"], "three messages")


async def test_pjsua2_writes_to_a_colleague_and_is_told_that_it_arrived(server: RamalServer) -> None:
    async with (
        buddy_phone(server.address, "1001", PASSWORD) as ana,
        buddy_phone(server.address, "1002", PASSWORD) as boris,
    ):
        for phone in (ana, boris):
            await phone.until(lambda phone=phone: phone.last("registered").get("status") == 200, "registered")  # type: ignore[misc]
        ana.do("say", to="1002", text="Olá, обед в час?")
        await boris.until(lambda: phone_text(boris.events) == ["Olá, обед в час?"], "the text")
        await ana.until(lambda: ana.last("text_status").get("status") == 200, "the receipt")
        assert "1001" in boris.last("text")["sender"]
        ana.do("say", to="1999", text="hello?")
        await ana.until(lambda: ana.last("text_status")["status"] == 404, "the refusal")


def phone_text(events: list[dict[str, str]]) -> list[str]:
    return [event["text"] for event in events if event["event"] == "text"]


@pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_watches_a_colleague_and_its_mailbox(server: RamalServer, tmp_path: Path, transport: str) -> None:
    speech = write_tone(tmp_path / "tone.wav", 440)
    phone = Baresip(
        tmp_path / "baresip",
        "1003",
        speech,
        server=server.address,
        password=PASSWORD,
        transport=transport,
        modules=("presence", "mwi"),
        contacts=f'"Ana" <sip:1001@{server.address}>;presence=p2p\n',
    )
    async with phone:
        await phone.registered()

        async def logged(text: str) -> None:
            async with asyncio.timeout(15):
                while text.encode() not in (phone.folder / "log").read_bytes():
                    await asyncio.sleep(0.05)

        await logged("Messages-Waiting: no")
        await server.exchange.watching.mailboxes.set_counts("1003", new=1)
        await logged("Voice-Message: 1/0")
        notifier = server.exchange.sip.core.inbound.notifier

        def watched() -> set[str]:
            return {one.package.name for one in notifier.subscriptions("1003") if one.told}

        async with asyncio.timeout(15):
            while watched() != {"presence", "message-summary"}:
                await asyncio.sleep(0.05)
        async with scripted_phone(server, "1001"), asyncio.timeout(15):
            while "Online" not in await phone.command("contacts"):
                await asyncio.sleep(0.1)


async def vanish(server: RamalServer) -> None:
    """Have the server end as when the power fails: its phones are told nothing, and nothing more is written."""
    await server.exchange._subscriptions.flush()
    server.exchange.watching.close = lambda: None  # type: ignore[method-assign]
    server.exchange.sip.core.inbound.notifier.keeper = None


async def test_pjsua2_goes_on_being_told_by_a_server_that_was_killed(tmp_path: Path, prompts: Path) -> None:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        async with ramal_server(tmp_path, prompts=prompts, port=port) as server:
            for number in ("1001", "1003"):
                await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
            phone = await stack.enter_async_context(buddy_phone(server.address, "1003", PASSWORD, watches="1001"))
            await phone.until(lambda: phone.last("buddy").get("subscription") == "ACTIVE", "the subscription")
            await phone.until(lambda: "Messages-Waiting" in phone.last("mailbox").get("text", ""), "the mailbox")
            await server.exchange.watching.mailboxes.set_counts("1003", new=4)
            await phone.until(lambda: "Voice-Message: 4/0" in phone.last("mailbox")["text"], "four messages")
            told = len(phone.events)
            await vanish(server)
        async with ramal_server(tmp_path, prompts=prompts, port=port) as server:
            await phone.until(lambda: any(one["event"] == "mailbox" for one in phone.events[told:]), "what waits")
            assert "Voice-Message: 4/0" in phone.last("mailbox")["text"], "as before"
            await server.exchange.watching.mailboxes.set_counts("1003", new=2)
            await phone.until(lambda: "Voice-Message: 2/0" in phone.last("mailbox")["text"], "two messages")
            async with scripted_phone(server, "1001"):
                await phone.until(lambda: bool(phone.last("buddy")["online"]), "online")


@pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_goes_on_being_told_by_a_server_that_was_killed(
    tmp_path: Path, prompts: Path, transport: str
) -> None:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        async with ramal_server(tmp_path / "server", prompts=prompts, port=port) as server:
            await server.exchange.directory.create_extension(number="1003", name="1003", password=PASSWORD)
            phone = Baresip(
                tmp_path / "baresip",
                "1003",
                write_tone(tmp_path / "tone.wav", 440),
                server=server.address,
                password=PASSWORD,
                transport=transport,
                modules=("mwi",),
            )
            await stack.enter_async_context(phone)
            await phone.registered()
            async with asyncio.timeout(15):
                while b"Messages-Waiting: no" not in (phone.folder / "log").read_bytes():
                    await asyncio.sleep(0.05)
            await vanish(server)
        async with ramal_server(tmp_path / "server", prompts=prompts, port=port) as server, asyncio.timeout(20):
            await server.exchange.watching.mailboxes.set_counts("1003", new=2)
            while b"Voice-Message: 2/0" not in (phone.folder / "log").read_bytes():
                await asyncio.sleep(0.05)


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
@pytest.mark.parametrize("name", ["watch_dialog", "watch_mailbox", "fetch_and_refuse", "leave_all", "ask_abilities"])
async def test_a_sipp_scenario_passes(server: RamalServer, tmp_path: Path, name: str) -> None:
    result = await run_sipp(
        SCENARIOS / f"{name}.xml",
        server.address,
        folder=tmp_path,
        extra=LOGIN,
    )
    assert (result.code, result.successful, result.log) == (0, 1, "")


async def registered(server: RamalServer, folder: Path, username: str) -> int:
    """Register a contact of a user by SIPp, and return its port, at which nobody listens yet."""
    port, rows = free_port(), folder / f"{username}.csv"
    rows.write_text(f"SEQUENTIAL\n{username};[authentication username={username} password={PASSWORD}];\n")
    scenario, extra = SCENARIOS / "register.xml", ["-inf", str(rows)]
    result = await run_sipp(scenario, server.address, folder=folder, port=port, extra=extra)
    assert result.successful == 1, result.log
    return port


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
async def test_sipp_writes_to_sipp(server: RamalServer, tmp_path: Path) -> None:
    port = await registered(server, tmp_path, "1002")
    taking = asyncio.create_task(run_sipp(SCENARIOS / "take_text.xml", folder=tmp_path, port=port))
    await asyncio.sleep(0.5)
    sent = await run_sipp(SCENARIOS / "send_text.xml", server.address, folder=tmp_path, extra=LOGIN)
    for result in (sent, await taking):
        assert (result.code, result.successful, result.log) == (0, 1, "")
