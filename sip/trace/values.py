"""A message as the trace holds it, and what can be told of it at a glance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

_CALL_ID: Final = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CSEQ: Final = re.compile(rb"^cseq[ \t]*:[ \t]*\d+[ \t]+([^\s]+)", re.IGNORECASE | re.MULTILINE)
_SDP: Final = re.compile(
    rb"^(?:content-type|c)[ \t]*:[ \t]*(?:application/sdp|multipart/)", re.IGNORECASE | re.MULTILINE
)
_LONGEST_SUMMARY: Final = 40


class End(NamedTuple):
    """One end of a transport: an IP address (or a name that was never resolved) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True, frozen=True)
class TracedMessage:
    """A message that was sent or received."""

    time: float
    """Seconds since the epoch."""
    sent: bool
    """Whether we sent it; else it was received."""
    transport: str
    """`udp`, `tcp`, `tls`, `ws` or `wss`."""
    local: End
    peer: End
    payload: bytes
    """The bytes of the message, its secrets masked."""

    @property
    def source(self) -> End:
        """Where it came from."""
        return self.local if self.sent else self.peer

    @property
    def destination(self) -> End:
        """Where it went."""
        return self.peer if self.sent else self.local

    @property
    def call_id(self) -> str:
        """Its Call-ID, or an empty string."""
        return call_id_of(self.payload)

    @property
    def summary(self) -> str:
        """Method or status with reason, for a response also the method it answers, and `SDP` where it carries one."""
        line = self.payload.lstrip()[:200].partition(b"\n")[0].decode("utf-8", "replace").strip()
        first, _space, rest = line.partition(" ")
        if first.upper().startswith("SIP/"):
            cseq = _CSEQ.search(self.payload)
            answered = cseq.group(1).decode("utf-8", "replace") if cseq else ""
            told = f"{rest} ({answered})" if answered not in {"", "INVITE"} else rest
        else:
            told = first
        told = "".join(sign for sign in told if sign.isprintable())[:_LONGEST_SUMMARY]
        return f"{told} SDP" if _SDP.search(self.payload) is not None else told

    @property
    def text(self) -> str:
        """The message as text."""
        return self.payload.decode("utf-8", "replace")


def call_id_of(payload: bytes) -> str:
    """Return the Call-ID of a message, or an empty string."""
    found = _CALL_ID.search(payload)
    return found.group(1).decode("utf-8", "replace") if found else ""
