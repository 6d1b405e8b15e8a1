"""The node's certificate: made on the first start, named in the settings, and renewed while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.settings import Settings
from core.settings_reader import load_settings
from ramal.certificates import CertificateWatch, prepare_tls
from ramal.data_folder import DataFolder
from sip.errors import TransportError
from tests.support.certificates import Authority, serial_of
from tests.support.ports import free_port
from tests.support.ramal_process import ramal_process, until


async def shown(port: int) -> int | None:
    """The serial number of the certificate that a port shows, or None while it does not listen."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except OSError:
        return None
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return serial_of(certificate)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


async def test_one_is_made_on_the_first_start_and_kept_on_the_second(folder: DataFolder) -> None:
    first = await prepare_tls(Settings(), folder, SystemClock())
    before = first.files.certificate.read_bytes()
    second = await prepare_tls(Settings(), folder, SystemClock())
    assert second.files.certificate.read_bytes() == before
    assert first.files.certificate.parent == folder.keys
    folder.close()


async def test_one_that_is_named_is_used_and_no_other_is_made(folder: DataFolder, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    own = authority.issue(tmp_path / "own.pem", "pbx.example")
    settings = load_settings(environment={"RAMAL_TLS_CERTIFICATE": str(own), "RAMAL_TLS_KEY": str(own)})
    tls = await prepare_tls(settings, folder, SystemClock())
    assert tls.files.certificate == own
    assert not list(folder.keys.iterdir())
    folder.close()


async def test_one_that_is_named_and_cannot_be_used_keeps_the_server_from_starting(folder: DataFolder) -> None:
    settings = load_settings(environment={"RAMAL_TLS_CERTIFICATE": "/nowhere/own.pem"})
    with pytest.raises(TransportError, match=r"/nowhere/own\.pem cannot be used"):
        await prepare_tls(settings, folder, SystemClock())
    folder.close()


async def test_a_renewed_one_is_noticed(folder: DataFolder, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    own = authority.issue(tmp_path / "own.pem", "pbx.example")
    tls = await prepare_tls(load_settings(environment={"RAMAL_TLS_CERTIFICATE": str(own)}), folder, SystemClock())
    watch = CertificateWatch(tls, seconds=0.02)
    watch.start()
    authority.issue(own, "pbx.example")
    async with asyncio.timeout(5):
        while not tls.renewals:
            await asyncio.sleep(0.01)
    await watch.close()
    folder.close()


async def test_a_running_server_serves_a_renewed_one_over_sip_and_https_when_it_is_told(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    own = authority.issue(tmp_path / "own.pem", "127.0.0.1")
    ports = (free_port(), free_port())
    settings = {"TLS_CERTIFICATE": str(own), "SIP_TLS_PORT": str(ports[0]), "WEB_TLS_PORT": str(ports[1])}
    async with ramal_process(tmp_path, **settings) as server:
        await server.start()
        before = serial_of(own.read_bytes())
        assert [await shown(port) for port in ports] == [before, before]
        after = serial_of(authority.issue(own, "127.0.0.1").read_bytes())
        assert server._process is not None
        server._process.send_signal(signal.SIGHUP)

        async def renewed() -> bool:
            return [await shown(port) for port in ports] == [after, after]

        await until(renewed, "the new certificate on both ports")
