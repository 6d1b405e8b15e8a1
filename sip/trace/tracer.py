"""Catches messages as they pass: two appends to a queue on the event loop, everything else in a thread.

The thread masks secrets and writes once a second. It compresses while there is little traffic and the time to do so; at hundreds of
calls a second it writes plainly. When it falls behind, messages are left out and counted, so memory never grows.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from sip.address import Address
from sip.message import Request, Response
from sip.trace.masking import masked
from sip.trace.segments import SegmentRing, encode_block, encode_ends, encode_record
from sip.trace.values import End

log = structlog.get_logger(__name__)

_WRITE_SECONDS: Final = 1.0
_MOST_WAITING_BYTES: Final = 16 << 20
_OVERHEAD: Final = 256
"""Bytes that a waiting message takes beside its own."""
_CHUNK: Final = 100
"""Messages worked off before the event loop is let in."""
_BUSY: Final = 1000
"""Messages of one write from which on there is no time to compress."""
_BLOCK_BYTES: Final = 1 << 20
_MOST_ENDS: Final = 4096
_REGISTER: Final = b"REGISTER "
_CSEQ: Final = b"\nCSeq: "
_OF_REGISTER: Final = b" REGISTER"
"""How registrations begin, and how the CSeq of their answers, as it is written here, ends: they are the most, and need not even wait."""
_NOT_OF_CALLS: Final = frozenset((b"register", b"options", b"subscribe", b"publish"))
"""Methods that belong to no call; registrations alone would soon fill the ring."""

Snapshot = tuple[str, tuple[tuple[str, str], ...], bytes]
"""A message that came in a stream: start line, headers and body."""
_Waiting = tuple[float, bool, Address, bytes | Snapshot, int]


class Tracer:
    """Writes the messages of calls to a ring of files."""

    def __init__(
        self,
        folder: Path,
        *,
        most_bytes: int,
        most_seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is written before `start`.

        Args:
            folder: where the files are; made when missing.
            most_bytes: the files never take more.
            most_seconds: what is older is removed.
            now: tells the time, in seconds since the epoch.

        Raises:
            OSError: the folder cannot be used.
        """
        self.folder = folder
        self.dropped = 0
        """Messages left out because the disk was too slow or full."""
        self.local_address: Callable[[Address], Address] = lambda peer: Address("0.0.0.0", 0, peer.transport)  # noqa: S104
        """Returns where a peer reaches us; set by the stack."""
        self.ip_address: Callable[[str], str] = lambda host: host
        """Returns the IP address a name was found to have, or the name; set by the stack."""
        self._ring = SegmentRing(folder, most_bytes=most_bytes, most_seconds=most_seconds)
        self._now = now
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._bytes_in = 0
        self._bytes_out = 0
        self._ends: tuple[dict[Address, bytes], dict[Address, bytes]] = ({}, {})
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused = False

    # On the event loop.

    def received(self, data: bytes, source: Address) -> None:
        """Take a datagram that came."""
        if not data.startswith(_REGISTER):
            self._put(False, source, data, len(data))

    def received_message(self, message: Request | Response, source: Address) -> None:
        """Take a message that came in a stream."""
        if isinstance(message, Request) and message.method == "REGISTER":
            return
        snapshot = (message.start_line, tuple(message.headers), message.body)
        self._put(False, source, snapshot, 1000 + len(message.body))

    def sent(self, payload: bytes, destination: Address) -> None:
        """Take a message that leaves."""
        start = payload.find(_CSEQ)
        if start < 0 or not payload.endswith(_OF_REGISTER, start, payload.find(b"\r", start)):
            self._put(True, destination, payload, len(payload))

    def _put(self, sent: bool, peer: Address, data: bytes | Snapshot, size: int) -> None:
        if self._bytes_in - self._bytes_out > _MOST_WAITING_BYTES:
            self.dropped += 1
            return
        room = size + _OVERHEAD
        self._bytes_in += room
        self._waiting.append((self._now(), sent, peer, data, room))

    # In the thread.

    def start(self) -> None:
        """Begin to write, once a second, in a thread."""
        self._thread = threading.Thread(target=self._run, name="sip-trace", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits and stop; blocks for as long as that takes."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()
        self._ring.close()

    def flush(self) -> None:
        """Write what waits; blocks, and never raises."""
        with self._writing:
            try:
                self._write_waiting()
                self._ring.drop_old(self._now())
            except OSError as error:
                if not self._refused:
                    log.warning("sip_trace_not_written", problem=str(error))
                self._refused = True
            except Exception:
                # The thread goes on: what it could not take is lost, what comes next is not.
                log.exception("sip_trace_failed")
            else:
                self._refused = False

    def _run(self) -> None:
        while not self._stop.wait(_WRITE_SECONDS):
            self.flush()

    def _write_waiting(self) -> None:
        waiting = self._waiting
        compress = len(waiting) < _BUSY
        ends = self._ends
        records: list[bytes] = []
        size, first, last = 0, 0.0, 0.0
        for count in range(1, len(waiting) + 1):
            at, sent, peer, data, room = waiting.popleft()
            self._bytes_out += room
            payload = _worth_keeping(data if isinstance(data, bytes) else _encoded(data))
            if payload is not None:
                records.append(encode_record(at, ends[sent].get(peer) or self._ends_of(sent, peer), payload))
                first = first or at
                last = at
                size += room
            if size > _BLOCK_BYTES:
                self._write(records, first, last, compress=compress)
                records, size, first = [], 0, 0.0
            if count % _CHUNK == 0:
                # Gives the interpreter to the event loop, which would else wait up to five milliseconds for it.
                time.sleep(0.0002)
        if records:
            self._write(records, first, last, compress=compress)

    def _write(self, records: list[bytes], first: float, last: float, *, compress: bool) -> None:
        try:
            self._ring.append(encode_block(records, first, last, compress=compress), first, last)
        except OSError:
            self.dropped += len(records)
            raise

    def _ends_of(self, sent: bool, peer: Address) -> bytes:
        known = self._ends[sent]
        if len(known) >= _MOST_ENDS:
            known.clear()
        local = self.local_address(peer)
        there = End(self.ip_address(peer.host), peer.port)
        ends = known[peer] = encode_ends(peer.transport, sent=sent, local=End(local.host, local.port), peer=there)
        return ends


def _worth_keeping(raw: bytes) -> bytes | None:
    """Return a message without its secrets, or None when it belongs to no call."""
    lowered = raw.lower()
    if lowered.startswith(b"sip/2"):
        start = lowered.find(b"\ncseq")
        method = lowered[start : lowered.find(b"\n", start + 6)].rstrip().rpartition(b" ")[2]
    else:
        method = lowered[: lowered.find(b" ")]
        if method == b"notify" and b"refer" not in lowered:
            return None
    return None if method in _NOT_OF_CALLS else masked(raw, lowered)


def _encoded(snapshot: Snapshot) -> bytes:
    start_line, headers, body = snapshot
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{start_line}\r\n{lines}\r\n".encode("utf-8", "replace") + body
