"""How long a restart takes where 100,000 phones are registered: from the start of the process to a call that rings one of them.

The data folder is filled by hand, with one extension for each contact. The caller is a trunk, known by its address, that tries
again until the server takes its call; the phone is a socket at the address that the contact names.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Table, create_engine, insert

from bench.server import CARRIER, COMPANY_NUMBER, PORT_BASE, RAMAL, end, pinned, resident_kb
from core.identifiers import new_id
from pbx.tables import ExtensionRow, InboundNumberRow, RegistrationRow, TrunkRow

_CONTACTS: Final = 100_000
_FIRST: Final = 200_000
"""The number of the first extension; the last one is called."""
_PHONE: Final = ("127.0.0.1", 45_700)
_BATCH: Final = 10_000
_REPEATED: Final = 3
_START_SECONDS: Final = 120.0
_AGAIN_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 30.0


def measure(contacts: int = _CONTACTS) -> dict[str, float]:
    """Return the seconds of the quickest of three restarts, and the kilobytes that a contact and its extension take in memory."""
    with tempfile.TemporaryDirectory(prefix="ramal-restart-") as name:
        folder = Path(name)
        _make(folder)
        _fill(folder, 0, 1)
        _, alone = _restart(folder)
        _fill(folder, 1, contacts)
        restarts = [_restart(folder) for _ in range(_REPEATED)]
    return {
        "restart_100k_contacts_seconds": min(seconds for seconds, _ in restarts),
        "memory_per_stored_contact_kb": (min(memory for _, memory in restarts) - alone) / (contacts - 1),
    }


def _make(folder: Path) -> None:
    """Make a data folder with a company in it."""
    (folder / "data").mkdir()
    made = [*RAMAL, "token", "create", "--role", "administrator", "--data", str(folder / "data")]
    subprocess.run(made, check=True, capture_output=True, env=_environment())
    number = str(_FIRST)
    trunk = {"name": "carrier", "host": CARRIER, "port": 9, "allow_from": [f"{CARRIER}/32"], "ping_seconds": 0}
    leads = {"number": COMPANY_NUMBER, "destination_kind": "extension", "destination_target": number}
    for row, values in ((TrunkRow, trunk), (InboundNumberRow, leads)):
        _insert(folder, row.metadata.tables[row.__tablename__], [values])


def _fill(folder: Path, first: int, last: int) -> None:
    """Add extensions, each with a phone that is registered for an hour."""
    now = datetime.now(UTC)
    extensions, registrations = (row.metadata.tables[row.__tablename__] for row in (ExtensionRow, RegistrationRow))
    for start in range(first, last, _BATCH):
        numbers = [str(_FIRST + index) for index in range(start, min(start + _BATCH, last))]
        digests = {"ha1_md5": secrets.token_hex(16), "ha1_sha256": secrets.token_hex(32)}
        _insert(folder, extensions, [{"number": number, "name": f"Desk {number}", **digests} for number in numbers])
        rows = [_registration(number, now) for number in numbers]
        _insert(folder, registrations, rows)


def _registration(number: str, now: datetime) -> dict[str, Any]:
    host, port = _PHONE if number == str(_FIRST) else ("127.0.0.1", 10_000 + int(number) % 50_000)
    return {
        "node": "node1",
        "username": number,
        "uri": f"sip:{number}@{host}:{port}",
        "source": f"{host} {port}",
        "transport": "udp",
        "user_agent": "Desk phone 1.0",
        "call_id": secrets.token_hex(12),
        "cseq": 1,
        "refreshed_at": now,
        "expires_at": now + timedelta(hours=1),
    }


def _insert(folder: Path, table: Table, rows: list[dict[str, Any]]) -> None:
    now = datetime.now(UTC)
    stamped = [{"id": new_id(), **({"created_at": now} if "created_at" in table.c else {}), **row} for row in rows]
    engine = create_engine(f"sqlite:///{folder / 'data' / 'ramal.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(insert(table), stamped)
    engine.dispose()


def _restart(folder: Path) -> tuple[float, float]:
    """Start the server; return the seconds until a call rings the phone, and the kilobytes it has in memory then."""
    environment = _environment()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "server.log").open("wb"))
        phone, carrier = (stack.enter_context(_listening(address)) for address in (_PHONE, (CARRIER, 0)))
        began = time.monotonic()
        process = subprocess.Popen(
            [*pinned(0), *RAMAL, "serve", "--data", str(folder / "data")], env=environment, stdout=log, stderr=log
        )
        try:
            seconds = _rung(phone, carrier, int(environment["RAMAL_PORT_BASE"]), began)
            return seconds, resident_kb(process.pid)
        finally:
            end(process, _STOP_SECONDS)


def _rung(phone: socket.socket, carrier: socket.socket, port: int, began: float) -> float:
    """Call again and again until the phone rings; return the seconds since the beginning."""
    while time.monotonic() - began < _START_SECONDS:
        carrier.sendto(_invite(carrier.getsockname()), ("127.0.0.1", port))
        with contextlib.suppress(TimeoutError, ConnectionRefusedError):
            if phone.recv(4096).startswith(b"INVITE "):
                return time.monotonic() - began
    raise TimeoutError(f"no call came through within {_START_SECONDS:.0f} seconds")


def _invite(own: tuple[str, int]) -> bytes:
    host, port = own
    sdp = f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
    lines = [
        f"INVITE sip:{COMPANY_NUMBER}@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{secrets.token_hex(8)}",
        "Max-Forwards: 70",
        f"From: <sip:+79161112233@{host}>;tag={secrets.token_hex(4)}",
        f"To: <sip:{COMPANY_NUMBER}@127.0.0.1>",
        f"Call-ID: {secrets.token_hex(8)}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:{host}:{port}>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(sdp)}",
    ]
    return ("\r\n".join([*lines, "", ""]) + sdp).encode()


@contextlib.contextmanager
def _listening(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(address)
        made.settimeout(_AGAIN_SECONDS)
        yield made


def _environment() -> dict[str, str]:
    """Return what the server is started with: with its modules compiled, as those of any installed server are."""
    without = ("PYTHONDONTWRITEBYTECODE",)
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAMAL_") and name not in without}
    return own | {"RAMAL_PORT_BASE": os.environ.get("RAMAL_PORT_BASE", PORT_BASE)}
