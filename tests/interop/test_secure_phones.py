"""Phones over TLS and IPv6: pjsua2 and baresip ring and talk, and a renewed certificate greets new phones in mid-call."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import CallEnded, Disposition, MediaAlive
from ramal.softphone.controller import PhoneSetup, SoftPhone
from sip.address import Address
from sip.transport.tls import Tls, TlsFiles
from tests.interop.conftest import TONES
from tests.support.audio import make_speech
from tests.support.baresip import Baresip
from tests.support.certificates import Authority, serial_of
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.tones import complete, loudness, seconds_of

LISTEN = [Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"), Address("127.0.0.1", 0, "tls")]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "authority")


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> Tls:
    return Tls(TlsFiles(authority.issue(tmp_path / "server.pem", "127.0.0.1"), None, authority.file))


@pytest.fixture
async def server(tmp_path: Path, prompts: Path, tls: Tls) -> AsyncIterator[RamalServer]:
    async with ramal_server(tmp_path / "server", prompts=prompts, listen=LISTEN, tls=tls) as running:
        for number, name in (("1001", "Ana"), ("1002", "Boris")):
            await running.exchange.directory.create_extension(number=number, name=name, password=PASSWORD)
        yield running


def where(server: RamalServer, transport: str) -> str:
    return next(address for address in server.exchange.sip.addresses if address.transport == transport).host_port


@contextlib.asynccontextmanager
async def phone(server: RamalServer, username: str, transport: str) -> AsyncIterator[SoftPhone]:
    setup = PhoneSetup(where(server, transport), username, password=PASSWORD, transport=transport)
    started = await SoftPhone.start(setup)
    try:
        yield started
    finally:
        await started.close()


@pytest.mark.parametrize(("one", "other"), [("tls", "tls"), ("tls", "udp"), ("tcp", "tls")])
async def test_phones_over_tls_ring_and_talk(
    server: RamalServer, voices: dict[str, Path], tmp_path: Path, one: str, other: str
) -> None:
    async with phone(server, "1001", one) as ana, phone(server, "1002", other) as boris:
        assert [binding.source[2] for binding in server.exchange.sip.bindings("1001")] == [one]
        call = await ana.call("1002", voices["1001"])
        incoming = await boris.incoming()
        await incoming.answer()
        await call.confirmed()
        await incoming.confirmed()
        await incoming.play(voices["1002"])
        await call.record(tmp_path / "ana-hears.wav")
        await server.fact(MediaAlive)
        await asyncio.sleep(1.0)
        await incoming.hang_up()
        assert await call.over() == 200
        assert (await server.fact(CallEnded)).disposition is Disposition.ANSWERED
        assert seconds_of(await complete(tmp_path / "ana-hears.wav"), TONES["1002"]) > 0.5
        await server.quiet()


async def test_a_call_by_sips_is_secure_at_both_ends(server: RamalServer) -> None:
    async with phone(server, "1001", "tls") as ana, phone(server, "1002", "tls") as boris:
        # pjsua2 drops such a call where our Contact is not secure, too.
        call = await ana.call(f"<sips:1002@{where(server, 'tls')}>")
        incoming = await boris.incoming()
        await incoming.answer()
        await call.confirmed()
        await call.hold()
        await call.resume()
        await incoming.hang_up()
        assert await call.over() == 200
        await server.quiet()


async def test_a_renewed_certificate_greets_new_phones_while_the_call_of_old_ones_goes_on(
    server: RamalServer, tls: Tls, authority: Authority
) -> None:
    async with phone(server, "1001", "tls") as ana, phone(server, "1002", "tls") as boris:
        call = await ana.call("1002")
        incoming = await boris.incoming()
        await incoming.answer()
        await call.confirmed()
        before = serial_of(tls.files.certificate.read_bytes())
        authority.issue(tls.files.certificate, "127.0.0.1")
        assert tls.refresh()
        host, port = where(server, "tls").split(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=authority.client_context())
        secured = writer.get_extra_info("ssl_object")
        assert isinstance(secured, ssl.SSLObject)
        assert serial_of(secured.getpeercert(binary_form=True) or b"") != before
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await call.hold()
        await call.resume()
        await call.hang_up()
        assert await incoming.over() == 200
        assert await ana.register() == 200
        await server.quiet()


async def test_baresip_calls_and_is_called_over_tls(server: RamalServer, tmp_path: Path) -> None:
    speech = make_speech(tmp_path / "speech.wav", "One two three four five six seven eight nine ten")
    async with (
        Baresip(
            tmp_path / "baresip",
            "1001",
            speech,
            server=where(server, "tls"),
            password=PASSWORD,
            auto_answer=True,
            transport="tls",
        ) as bare,
        phone(server, "1002", "tls") as boris,
    ):
        await bare.registered()
        assert server.exchange.sip.bindings("1001")[0].source[2] == "tls"
        call = await boris.call("1001")
        await call.confirmed()
        await bare.wait_for("CALL_ESTABLISHED")
        await call.hang_up()
        await bare.wait_for("CALL_CLOSED")
        await bare.command("dial", "1002")
        incoming = await boris.incoming()
        await incoming.answer()
        await bare.wait_for("CALL_ESTABLISHED")
        await bare.command("hangup")
        assert await incoming.over() == 200
        await server.quiet()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_rings_and_talks_over_ipv6(tmp_path: Path, prompts: Path, transport: str) -> None:
    listen = [Address("::1", 0, "udp"), Address("::1", 0, "tcp"), Address("127.0.0.1", 0, "udp")]
    speech = make_speech(tmp_path / "speech.wav", "One two three four five six seven eight nine ten")
    async with ramal_server(tmp_path / "server", prompts=prompts, listen=listen, media_addresses=("::1",)) as server:
        for number in ("1001", "1002"):
            await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)

        def bare(username: str) -> Baresip:
            return Baresip(
                tmp_path / username,
                username,
                speech,
                server=where(server, transport),
                password=PASSWORD,
                transport=transport,
                address="::1",
                auto_answer=username == "1002",
            )

        async with bare("1001") as ana, bare("1002") as boris:
            for one in (ana, boris):
                await one.registered()
            (binding,) = server.exchange.sip.bindings("1001")
            assert (binding.source[0], binding.uri.host) == ("::1", "::1")
            await ana.command("dial", "1002")
            await ana.wait_for("CALL_ESTABLISHED")
            await server.fact(MediaAlive)
            await asyncio.sleep(1.0)
            await ana.command("hangup")
            await boris.wait_for("CALL_CLOSED")
            await server.quiet()
            for one in (ana, boris):
                assert loudness(await complete(one.heard()[0])) > 0.01
