"""Phones that nobody here wrote register by digest, call as themselves, and leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ramal.softphone.controller import PhoneSetup, SoftPhone, SoftPhoneError
from sip.address import Address
from sip.config import SipConfig
from sip.session import InviteSession
from sip.stack import SipStack
from tests.sip.network import PhoneApplication
from tests.support.audio import make_speech
from tests.support.baresip import Baresip


@contextlib.asynccontextmanager
async def registrar(
    on_invite: Callable[[InviteSession], None] | None = None,
) -> AsyncIterator[tuple[PhoneApplication, dict[str, str]]]:
    """Run the stack with the extensions 1001 and 2001 (password s3cret); yields where it listens by transport."""
    application = PhoneApplication(on_invite)
    application.users = {"1001": "s3cret", "2001": "s3cret"}
    application.trunk = None
    listen = (Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"))
    stack = SipStack(SipConfig(listen=listen), application)
    await stack.start()
    try:
        yield application, {address.transport: address.host_port for address in stack.addresses}
    finally:
        await stack.close()
        await asyncio.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_pjsua2_registers_and_leaves(transport: str) -> None:
    async with registrar() as (application, servers):
        phone = await SoftPhone.start(PhoneSetup(servers[transport], "1001", password="s3cret", transport=transport))
        try:
            aor, (binding,) = application.registrations[-1]
            assert aor == "1001"
            assert binding.source[0] == "127.0.0.1"
            assert binding.source[2] == transport
            assert binding.user_agent == "Ramal softphone"
            assert await phone.register() == 200
            assert len(application.registrations[-1][1]) == 1
        finally:
            await phone.close()
        await until(lambda: application.registrations[-1] == ("1001", []))


@pytest.mark.parametrize(("username", "password"), [("1001", "wrong"), ("9999", "s3cret")])
async def test_a_wrong_password_and_an_unknown_user_are_refused_alike(username: str, password: str) -> None:
    async with registrar() as (application, servers):
        with pytest.raises(SoftPhoneError, match=r"refused with 40[13]"):
            await SoftPhone.start(PhoneSetup(servers["udp"], username, password=password))
        assert application.registrations == []


async def test_a_registered_phone_calls_as_itself() -> None:
    async with registrar(lambda session: session.reject(404)) as (application, servers):
        phone = await SoftPhone.start(PhoneSetup(servers["udp"], "1001", password="s3cret"))
        try:
            call = await phone.call("1002")
            assert await call.over() == 404
        finally:
            await phone.close()
        assert [session.identity for session in application.sessions] == ["1001"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_registers_and_calls_as_itself(tmp_path: Path, transport: str) -> None:
    speech = make_speech(tmp_path / "speech.wav", "Hello.")
    async with registrar(lambda session: session.reject(486)) as (application, servers):
        server = servers[transport]
        async with Baresip(
            tmp_path / "baresip", "2001", speech, server=server, password="s3cret", transport=transport
        ) as peer:
            await peer.registered()
            aor, (binding,) = application.registrations[-1]
            assert (aor, binding.source[2]) == ("2001", transport)
            await peer.command("dial", f"sip:1001@{server};transport={transport}")
            await peer.wait_for("CALL_CLOSED")
            assert [session.identity for session in application.sessions] == ["2001"]
        await until(lambda: application.registrations[-1] == ("2001", []))
