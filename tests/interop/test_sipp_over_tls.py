"""SIPp's own scenarios over TLS, as `sipp -t l1` writes them.

Debian's SIPp is built without TLS, so a tunnel of the tests secures its connections; what it says of its transport is what it would say.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest

from core.events import CallEnded, Disposition
from sip.address import Address
from sip.transport.tls import Tls, TlsFiles
from tests.interop.conftest import NUMBER
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, ramal_server
from tests.support.sipp import run_sipp
from tests.support.tls_tunnel import tunnel

pytestmark = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)"
)

LISTEN = [Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tls")]
CALLS = 3


async def secured(folder: Path, name: str, **changes: str) -> Path:
    """Write one of SIPp's own scenarios as it reads over TLS, with further changes of its words."""
    process = await asyncio.create_subprocess_exec("sipp", "-sd", name, stdout=asyncio.subprocess.PIPE)
    text = (await process.communicate())[0].decode("latin-1")
    for word, other in {"transport": "TLS", **changes}.items():
        text = text.replace(f"[{word}]", other)
    file = folder / f"{name}-over-tls.xml"
    file.write_text(text, encoding="latin-1")
    return file


async def test_stock_scenarios_call_and_are_called_over_tls(tmp_path: Path, prompts: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    tls = Tls(TlsFiles(authority.issue(tmp_path / "server.pem", "127.0.0.1"), None, authority.file))
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(authority.issue(tmp_path / "callee.pem", "127.0.0.1"))
    plain, front = free_port(), free_port()
    async with (
        ramal_server(tmp_path / "server", prompts=prompts, listen=LISTEN, tls=tls) as server,
        tunnel(f"127.0.0.1:{plain}", outside=own, port=front),
        tunnel(server.exchange.sip.addresses[1].host_port, inside=authority.client_context()) as way_in,
    ):
        # The port that it tells is the one that TLS is spoken at.
        called = await secured(tmp_path, "uas", local_port=str(front))
        callee = asyncio.create_task(
            run_sipp(called, folder=tmp_path, port=plain, transport="t1", calls=CALLS, timeout=20)
        )
        await asyncio.sleep(0.5)
        directory = server.exchange.directory
        await directory.create_extension(number="1001", name="Ana", password=PASSWORD, forward_to="+79160000001")
        await directory.create_number(number=NUMBER, kind="extension", target="1001")
        await directory.create_trunk(name="carrier", host="127.0.0.1", port=front, transport="tls", ping_seconds=0)
        await directory.create_route(name="all", prefix="+", trunks=["carrier"])
        caller = await run_sipp(
            await secured(tmp_path, "uac"),
            f"127.0.0.1:{way_in}",
            folder=tmp_path,
            transport="t1",
            calls=CALLS,
            service=NUMBER,
            extra=["-d", "200"],
            timeout=20,
        )
        for result in (caller, await callee):
            assert (result.successful, result.failed) == (CALLS, 0), result.log
        await server.quiet()
        assert [fact.disposition for fact in server.told(CallEnded)] == [Disposition.ANSWERED] * CALLS
        figures = server.exchange.sip.connections["tls"][1]
        assert (figures.accepted, figures.opened, figures.handshakes_failed) == (1, 1, 0)
