"""Encrypted calls of real phones through a whole server, with keys in their descriptions (RFC 4568): pjsua2 and baresip."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import MediaAlive
from media.srtp import SrtpProfile
from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone
from sip.address import Address
from sip.transport.tls import Tls, TlsFiles
from tests.interop.conftest import TONES
from tests.support.baresip import Baresip
from tests.support.certificates import Authority
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.tones import complete, seconds_of

LISTEN = [Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tls")]


@pytest.fixture
async def server(tmp_path: Path, prompts: Path) -> AsyncIterator[RamalServer]:
    authority = Authority.make(tmp_path / "authority")
    tls = Tls(TlsFiles(authority.issue(tmp_path / "server.pem", "127.0.0.1"), None, authority.file))
    async with ramal_server(tmp_path / "server", prompts=prompts, listen=LISTEN, tls=tls) as running:
        for number, name in (("1001", "Ana"), ("1002", "Boris")):
            await running.exchange.directory.create_extension(number=number, name=name, password=PASSWORD)
        yield running


@contextlib.asynccontextmanager
async def phone(server: RamalServer, username: str, srtp: str, transport: str = "tls") -> AsyncIterator[SoftPhone]:
    where = next(address for address in server.exchange.sip.addresses if address.transport == transport).host_port
    started = await SoftPhone.start(PhoneSetup(where, username, password=PASSWORD, transport=transport, srtp=srtp))
    try:
        yield started
    finally:
        await started.close()


async def encrypt(server: RamalServer, number: str, how: str) -> None:
    directory = server.exchange.directory
    await directory.update_extension(directory.snapshot.extensions[number].id, encryption=how)


def protected(server: RamalServer) -> list[SrtpProfile | None]:
    """What the legs of the calls that go on agreed."""
    return [leg.media.security.profile for leg in server.exchange.switch._equipment.legs_by_endpoint.values()]


async def talk(
    server: RamalServer, ana: SoftPhone, boris: SoftPhone, voices: dict[str, Path], folder: Path
) -> tuple[PhoneCall, PhoneCall]:
    call = await ana.call("1002", voices["1001"])
    incoming = await boris.incoming()
    await incoming.answer()
    await call.confirmed()
    await incoming.confirmed()
    await incoming.play(voices["1002"])
    await call.record(folder / "ana-hears.wav")
    await incoming.record(folder / "boris-hears.wav")
    await server.fact(MediaAlive)
    await asyncio.sleep(1.0)
    return call, incoming


async def heard(folder: Path) -> bool:
    """Whether each heard the other's tone."""
    return all(
        [
            seconds_of(await complete(folder / f"{name}-hears.wav"), TONES[other]) > 0.5
            for name, other in (("ana", "1002"), ("boris", "1001"))
        ]
    )


@pytest.mark.parametrize(
    ("one", "other", "encrypted"),
    [
        ("required", "optional", 2),
        ("optional", "off", 1),
        ("off", "optional", 1),
        ("off", "off", 0),
    ],
)
async def test_each_leg_is_encrypted_as_its_phone_can(
    server: RamalServer, voices: dict[str, Path], tmp_path: Path, one: str, other: str, encrypted: int
) -> None:
    async with phone(server, "1001", one) as ana, phone(server, "1002", other) as boris:
        call, incoming = await talk(server, ana, boris, voices, tmp_path)
        assert sum(profile is not None for profile in protected(server)) == encrypted
        await call.hold()
        await call.resume()
        await incoming.hang_up()
        await call.over()
        assert await heard(tmp_path)
        await server.quiet()


async def test_a_phone_that_must_be_encrypted_is_called_so_and_recorded_in_the_clear(
    server: RamalServer, voices: dict[str, Path], tmp_path: Path
) -> None:
    await encrypt(server, "1002", "required")
    async with phone(server, "1001", "required") as ana, phone(server, "1002", "required") as boris:
        call, incoming = await talk(server, ana, boris, voices, tmp_path)
        assert None not in protected(server)
        await incoming.hang_up()
        await call.over()
        assert await heard(tmp_path)
        await server.quiet()


async def test_who_must_encrypt_and_does_not_is_refused(server: RamalServer) -> None:
    await encrypt(server, "1001", "required")
    async with phone(server, "1001", "off") as ana, phone(server, "1002", "off") as boris:
        assert await (await ana.call("1002")).over() == 488
        # It cannot be called, either: what it would answer is no safe voice.
        assert await (await boris.call("1001")).over() >= 400
        await server.quiet()


async def test_who_must_not_encrypt_is_refused_with_keys_only(server: RamalServer) -> None:
    await encrypt(server, "1001", "off")
    async with phone(server, "1001", "required") as ana:
        assert await (await ana.call("1002")).over() == 488
        await server.quiet()


async def test_baresip_talks_encrypted(server: RamalServer, voices: dict[str, Path], tmp_path: Path) -> None:
    host = next(address for address in server.exchange.sip.addresses if address.transport == "udp").host_port
    baresip = Baresip(
        tmp_path / "baresip",
        "1002",
        voices["1002"],
        server=host,
        password=PASSWORD,
        auto_answer=True,
        parameters=";mediaenc=srtp-mand",
        settings="module srtp.so\n",
    )
    await encrypt(server, "1002", "required")
    async with baresip, phone(server, "1001", "required") as ana:
        call = await ana.call("1002", voices["1001"])
        await call.confirmed()
        await call.record(tmp_path / "ana-hears.wav")
        await server.fact(MediaAlive)
        assert protected(server) == [SrtpProfile.AES_CM_128_HMAC_SHA1_80] * 2
        await asyncio.sleep(1.0)
        await call.hang_up()
        assert seconds_of(await complete(tmp_path / "ana-hears.wav"), TONES["1002"]) > 0.5
        assert seconds_of(await complete(baresip.heard()[0]), TONES["1001"]) > 0.5
        await server.quiet()


async def test_baresip_agrees_keys_by_dtls_without_ice(
    server: RamalServer, voices: dict[str, Path], tmp_path: Path
) -> None:
    host = next(address for address in server.exchange.sip.addresses if address.transport == "udp").host_port
    baresip = Baresip(
        tmp_path / "baresip",
        "1002",
        voices["1002"],
        server=host,
        password=PASSWORD,
        parameters=";mediaenc=dtls_srtp",
        settings="module dtls_srtp.so\n",
    )
    async with baresip, phone(server, "1001", "off") as ana:
        await baresip.registered()
        await baresip.command("dial", "1001")
        incoming = await ana.incoming()
        await incoming.answer()
        await incoming.confirmed()
        await incoming.play(voices["1001"])
        await incoming.record(tmp_path / "ana-hears.wav")
        await server.fact(MediaAlive)
        await asyncio.sleep(1.0)
        await incoming.hang_up()
        assert seconds_of(await complete(tmp_path / "ana-hears.wav"), TONES["1002"]) > 0.5
        assert seconds_of(await complete(baresip.heard()[0]), TONES["1001"]) > 0.5
        await server.quiet()
