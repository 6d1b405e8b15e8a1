"""SIP over TLS: made and renewed certificates, peers that have to prove who they are, and handshakes that never end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import StorageError
from sip.address import Address
from sip.errors import TransportError
from sip.transport.certificate import ensure_self_signed
from sip.transport.ports import StreamLimits
from sip.transport.tcp import TcpTransport
from sip.transport.tls import Tls, TlsFiles, TlsPeer, certified
from tests.sip.test_transport import OPTIONS, TOO_LARGE, Answering, Catcher, until
from tests.support.certificates import Authority, serial_of

LOCAL = Address("127.0.0.1", 0, "tls")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "authority")


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> Tls:
    own = authority.issue(tmp_path / "own.pem", "127.0.0.1", "localhost")
    return Tls(TlsFiles(own, None, authority.file))


@contextlib.asynccontextmanager
async def listening(
    catcher: Catcher, tls: Tls, limits: StreamLimits | None = None, expected: TlsPeer | None = None
) -> AsyncIterator[TcpTransport]:
    transport = await TcpTransport.open(
        catcher, catcher.on_failure, LOCAL, limits or StreamLimits(), tls=tls, tls_peer=lambda _host: expected
    )
    try:
        yield transport
    finally:
        transport.close()
        await asyncio.sleep(0.05)


async def connect(
    transport: TcpTransport, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", transport.local.port, ssl=context)


def shown(writer: asyncio.StreamWriter) -> int:
    """The serial number of the certificate that a connection was greeted with."""
    return serial_of(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))


async def close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_messages_come_through_and_pings_are_answered(tls: Tls, authority: Authority) -> None:
    catcher = Catcher()
    async with listening(catcher, tls) as transport:
        reader, writer = await connect(transport, authority.client_context())
        writer.write(OPTIONS + b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        assert len(catcher.messages) == 1
        host, port = writer.get_extra_info("sockname")
        assert catcher.sources == [Address(host, port, "tls")]
        transport.send(OPTIONS, *catcher.sources[0][:2])
        assert await reader.readexactly(len(OPTIONS)) == OPTIONS
        assert (transport.open_connections, transport.figures.accepted) == (1, 1)
        await close(writer)
        await until(lambda: not transport.open_connections)


async def test_many_messages_sent_with_the_end_of_the_handshake_all_arrive(tls: Tls, authority: Authority) -> None:
    catcher = Catcher()
    async with listening(catcher, tls) as transport:
        connections = await asyncio.gather(*(connect(transport, authority.client_context()) for _ in range(10)))
        for _, writer in connections:
            writer.write(OPTIONS * 20)
        await until(lambda: len(catcher.messages) == 200)
        assert not catcher.malformed
        await close(*(writer for _, writer in connections))


async def test_a_renewed_certificate_greets_new_connections_and_old_ones_go_on(
    tls: Tls, authority: Authority, tmp_path: Path
) -> None:
    catcher = Catcher()
    async with listening(catcher, tls) as transport:
        reader, old = await connect(transport, authority.client_context())
        before = shown(old)
        assert not tls.refresh()
        authority.issue(tls.files.certificate, "127.0.0.1")
        assert tls.refresh()
        _, new = await connect(transport, authority.client_context())
        assert shown(new) == serial_of(tls.files.certificate.read_bytes()) != before
        old.write(OPTIONS + b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        assert len(catcher.messages) == 1
        await close(old, new)


async def test_a_certificate_that_cannot_be_used_leaves_the_one_of_before(tls: Tls, authority: Authority) -> None:
    good = tls.files.certificate.read_bytes()
    async with listening(Catcher(), tls) as transport:
        tls.files.certificate.write_bytes(good[:200])
        assert not tls.refresh()
        _, writer = await connect(transport, authority.client_context())
        assert shown(writer) == serial_of(good)
        await close(writer)
        authority.issue(tls.files.certificate, "127.0.0.1")
        assert tls.refresh()
        assert tls.renewals == 1


def test_a_certificate_that_is_away_for_a_moment_is_no_change(tls: Tls) -> None:
    tls.files.certificate.unlink()
    assert not tls.refresh()


def test_a_wrong_certificate_is_said_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    for name in ("broken.pem", "missing.pem"):
        with pytest.raises(TransportError, match="RAMAL_TLS_CERTIFICATE"):
            Tls(TlsFiles(tmp_path / name))


async def test_a_checked_peer_gets_in_with_its_certificate_only(tls: Tls, authority: Authority, tmp_path: Path) -> None:
    catcher = Catcher()
    stranger = Authority.make(tmp_path / "other", "Other")
    right = authority.issue(tmp_path / "right.pem", "sip.carrier.example")
    wrong_name = authority.issue(tmp_path / "wrong.pem", "sip.other.example")
    wrong_authority = stranger.issue(tmp_path / "stranger.pem", "sip.carrier.example")
    async with listening(catcher, tls, expected=TlsPeer("sip.carrier.example", checked=True)) as transport:
        for certificate in (None, wrong_name, wrong_authority):
            context = authority.client_context(certificate)
            with contextlib.suppress(OSError):
                reader, writer = await connect(transport, context)
                writer.write(OPTIONS)
                assert await reader.read() == b""
                await close(writer)
        await until(lambda: transport.figures.handshakes_failed == 3)
        assert not catcher.messages
        _, writer = await connect(transport, authority.client_context(right))
        writer.write(OPTIONS)
        await until(lambda: catcher.messages)
        await close(writer)


async def test_a_server_that_is_who_it_should_be_is_spoken_to(tls: Tls) -> None:
    theirs, ours = Catcher(), Catcher()
    expected = TlsPeer("127.0.0.1", checked=True)
    async with listening(theirs, tls) as there, listening(ours, tls, expected=expected) as here:
        here.send(OPTIONS, *there.local[:2])
        await until(lambda: theirs.messages)


async def test_a_server_that_is_not_who_it_should_be_is_not_spoken_to(tls: Tls) -> None:
    theirs, ours = Catcher(), Catcher()
    expected = TlsPeer("sip.carrier.example", checked=True)
    async with listening(theirs, tls) as there, listening(ours, tls, expected=expected) as here:
        here.send(OPTIONS, *there.local[:2])
        await until(lambda: ours.failed)
        assert ours.failed == [there.local]
    assert not theirs.messages


async def test_a_name_that_tls_cannot_ask_for_is_told_as_a_failure(tls: Tls) -> None:
    ours = Catcher()
    async with (
        listening(Catcher(), tls) as there,
        listening(ours, tls, expected=TlsPeer(f"{'a' * 70}..example", checked=False)) as here,
    ):
        here.send(OPTIONS, *there.local[:2])
        await until(lambda: ours.failed)
        assert not here.connected(*there.local[:2])


async def test_both_sides_show_their_certificates_where_both_are_checked(tls: Tls) -> None:
    theirs, ours = Catcher(), Catcher()
    expected = TlsPeer("127.0.0.1", checked=True)
    async with listening(theirs, tls, expected=expected) as there, listening(ours, tls, expected=expected) as here:
        here.send(OPTIONS, *there.local[:2])
        await until(lambda: theirs.messages)
        there.send(OPTIONS, *theirs.sources[0][:2])
        await until(lambda: ours.messages)
        assert here.figures.opened == 1
        assert there.figures.opened == 0


async def test_a_proved_peer_is_asked_over_the_connection_it_opened_where_it_wants_that(tls: Tls) -> None:
    expected = TlsPeer("127.0.0.1", checked=True)
    aliased = OPTIONS.replace(b"127.0.0.1;branch", b"127.0.0.1:5999;branch=z9hG4bK2;alias;old")
    for message, reused in ((OPTIONS, False), (aliased, True)):
        theirs, ours = Catcher(), Catcher()
        async with listening(theirs, tls, expected=expected) as there, listening(ours, tls, expected=expected) as here:
            here.send(message, *there.local[:2])
            await until(lambda: theirs.messages)  # noqa: B023 - waited for here
            assert there.connected("127.0.0.1", 5999) is reused
            assert there.open_connections == 1
            there.send(OPTIONS, "127.0.0.1", 5999)
            if reused:
                await until(lambda: ours.messages)  # noqa: B023
                here.close()
            await until(lambda: Address("127.0.0.1", 5999, "tls") in theirs.failed)  # noqa: B023
            assert not there.connected("127.0.0.1", 5999)


async def test_a_stranger_cannot_have_the_requests_for_another_port_sent_to_it(tls: Tls, authority: Authority) -> None:
    catcher = Catcher()
    async with listening(catcher, tls) as transport:
        _, writer = await connect(transport, authority.client_context())
        writer.write(OPTIONS.replace(b"127.0.0.1;branch", b"127.0.0.1:5999;branch=z9hG4bK2;alias;old"))
        await until(lambda: catcher.messages)
        assert not transport.connected("127.0.0.1", 5999)
        await close(writer)


async def test_handshakes_that_do_not_end_are_bounded_in_number_and_time(tls: Tls, authority: Authority) -> None:
    limits = StreamLimits(max_handshakes=2, handshake_seconds=0.3)
    async with listening(Catcher(), tls, limits) as transport:
        silent = [await asyncio.open_connection("127.0.0.1", transport.local.port) for _ in range(3)]
        # The third is turned away, the others have their time.
        with contextlib.suppress(OSError):
            assert await asyncio.wait_for(silent[2][0].read(), 5) == b""
        await until(lambda: transport.figures.handshakes_failed == 2)
        assert transport.figures.refused == 1
        _, writer = await connect(transport, authority.client_context())
        await close(writer, *(writer for _, writer in silent))


async def test_one_source_that_does_not_end_its_handshakes_leaves_room_for_others(
    tls: Tls, authority: Authority
) -> None:
    limits = StreamLimits(max_handshakes=4, max_handshakes_per_source=2)
    async with listening(Catcher(), tls, limits) as transport:
        silent = [await asyncio.open_connection("127.0.0.1", transport.local.port) for _ in range(4)]
        await until(lambda: transport.figures.refused == 2)
        _, writer = await asyncio.open_connection(
            "127.0.0.1", transport.local.port, ssl=authority.client_context(), local_addr=("127.0.0.9", 0)
        )
        await close(writer, *(writer for _, writer in silent))


async def test_plain_text_on_the_tls_port_is_no_harm(tls: Tls, authority: Authority) -> None:
    catcher = Catcher()
    async with listening(catcher, tls) as transport:
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(OPTIONS)
        with contextlib.suppress(OSError):
            await asyncio.wait_for(reader.read(), 5)
        await close(writer)
        await until(lambda: transport.figures.handshakes_failed == 1)
        assert not catcher.messages
        _, writer = await connect(transport, authority.client_context())
        await close(writer)


async def test_a_source_has_a_bounded_number_of_connections_and_gets_new_ones_for_those_that_end(
    tls: Tls, authority: Authority
) -> None:
    catcher = Catcher()
    async with listening(catcher, tls, StreamLimits(max_per_source=2)) as transport:
        held = [await connect(transport, authority.client_context()) for _ in range(2)]
        with pytest.raises(OSError):  # noqa: PT011 - reset or ended, as the kernel has it
            await connect(transport, authority.client_context())
        await close(held[0][1])
        await until(lambda: transport.open_connections == 1)
        _, writer = await connect(transport, authority.client_context())
        await close(writer, held[1][1])


@pytest.mark.parametrize(
    ("names", "name", "fits"),
    [
        ([("DNS", "sip.carrier.example")], "SIP.Carrier.example", True),
        ([("DNS", "*.carrier.example")], "sip.carrier.example", False),
        ([("IP Address", "192.0.2.1")], "192.0.2.1", True),
        ([("URI", "sip:carrier.example")], "carrier.example", True),
        ([("URI", "sip:carrier.example"), ("DNS", "other.example")], "other.example", False),
        ([], "carrier.example", False),
    ],
)
def test_a_certificate_is_for_the_names_in_it(names: list[tuple[str, str]], name: str, fits: bool) -> None:
    assert certified({"subjectAltName": tuple(names)} if names else {}, name) is fits


def test_a_certificate_is_made_once_and_again_when_it_is_outlived_or_lacks_a_name(tmp_path: Path) -> None:
    file = tmp_path / "tls.pem"
    ensure_self_signed(file, ["192.0.2.1", "pbx.example"], NOW)
    first = serial_of(file.read_bytes())
    assert file.stat().st_mode & 0o777 == 0o600
    Tls(TlsFiles(file))
    ensure_self_signed(file, ["pbx.example"], NOW + timedelta(days=3000))
    assert serial_of(file.read_bytes()) == first
    ensure_self_signed(file, ["pbx.example", "2001:db8::1"], NOW)
    second = serial_of(file.read_bytes())
    assert second != first
    ensure_self_signed(file, ["pbx.example"], NOW + timedelta(days=3640))
    assert serial_of(file.read_bytes()) != second


def test_a_damaged_file_of_ours_is_made_anew_and_a_folder_that_is_away_is_told(tmp_path: Path) -> None:
    file = tmp_path / "tls.pem"
    file.write_text("damaged")
    Tls(TlsFiles(ensure_self_signed(file, [], NOW)))
    with pytest.raises(StorageError, match="cannot be used"):
        ensure_self_signed(tmp_path / "away" / "tls.pem", [], NOW)


async def test_a_peer_that_sends_too_much_over_tls_reads_why(tls: Tls, authority: Authority) -> None:
    catcher = Answering()
    async with listening(catcher, tls) as transport:
        catcher.transport = transport
        reader, writer = await connect(transport, authority.client_context())
        writer.write(TOO_LARGE + b"x" * 100_000)
        assert (
            await reader.readexactly(len(b"SIP/2.0 513 Message Too Large\r\n\r\n"))
            == b"SIP/2.0 513 Message Too Large\r\n\r\n"
        )
        assert await reader.read() == b""
        await close(writer)
