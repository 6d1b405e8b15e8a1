"""Linphone: over TLS, with reliable provisional responses, calling and called."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import CallEnded, Disposition
from sip.address import Address
from sip.session_events import Confirmed
from sip.transport.tls import Tls, TlsFiles
from tests.support.certificates import Authority
from tests.support.linphone import Linphone, linphone
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedPhone, description, scripted_phone

pytestmark = pytest.mark.skipif(
    shutil.which("linphone-daemon") is None, reason="Linphone is not installed (Debian package linphone-cli)"
)

LISTEN = [Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"), Address("127.0.0.1", 0, "tls")]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "authority")


@pytest.fixture
async def server(tmp_path: Path, prompts: Path, authority: Authority) -> AsyncIterator[RamalServer]:
    """A server with the extensions 1001 and 1002 and a certificate."""
    tls = Tls(TlsFiles(authority.issue(tmp_path / "server.pem", "127.0.0.1"), None, authority.file))
    pbx = {"spoken_hints": False}
    async with ramal_server(tmp_path / "server", prompts=prompts, listen=LISTEN, tls=tls, pbx=pbx) as running:
        for number in ("1001", "1002"):
            await running.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        yield running


async def register(server: RamalServer, phone: Linphone, transport: str) -> None:
    where = next(one for one in server.exchange.sip.addresses if one.transport == transport).host_port
    await phone.do(f"register sip:1002@127.0.0.1 sip:{where};transport={transport} {PASSWORD}")
    await phone.until("register-status ALL", "LinphoneRegistrationOk")
    assert [binding.source[2] for binding in server.exchange.sip.bindings("1002")] == [transport]


async def is_called(server: RamalServer, phone: Linphone, ana: ScriptedPhone) -> None:
    call = ana.call("1002")
    await phone.until("call-status 1", "LinphoneCallIncoming")
    await phone.do("answer 1")
    await call.answered()
    call.session.hang_up()
    await server.quiet()


async def calls(server: RamalServer, phone: Linphone, ana: ScriptedPhone) -> None:
    await phone.do("call sip:1001@127.0.0.1")
    incoming = await ana.incoming()
    incoming.session.progress(183, sdp=description(port=40_010))
    await phone.until("call-status 2", "LinphoneCallOutgoingEarlyMedia")
    incoming.session.answer(description(port=40_010))
    await incoming.event(Confirmed)
    await phone.until("call-status 2", "LinphoneCallStreamsRunning")
    await phone.do("terminate 2")
    assert await incoming.over() == 200
    await server.quiet()


@pytest.mark.parametrize(
    ("transport", "reliable", "acknowledged"),
    [("udp", 0, 0), ("tcp", 1, 1), ("tls", 2, 2)],
    ids=["plain", "supports", "demands"],
)
async def test_linphone_calls_and_is_called(
    server: RamalServer, authority: Authority, tmp_path: Path, transport: str, reliable: int, acknowledged: int
) -> None:
    settings = {"transport": transport, "authority": authority.file, "reliable": reliable}
    async with (
        linphone(tmp_path / "linphone", early=True, **settings) as phone,  # type: ignore[arg-type]
        scripted_phone(server, "1001") as ana,
    ):
        await register(server, phone, transport)
        await is_called(server, phone, ana)
        await calls(server, phone, ana)
        # It acknowledges our 183; where it demands that, we acknowledge its own as well.
        assert phone.log.count("\nRAck: ") == acknowledged
    assert [end.disposition for end in server.told(CallEnded)] == [Disposition.ANSWERED] * 2
