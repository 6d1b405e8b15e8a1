"""The entries of the directory as values, and the fields that may be set on each."""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Transport(enum.StrEnum):
    """How a trunk is spoken to."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class DestinationKind(enum.StrEnum):
    """What an inbound number leads to."""

    EXTENSION = "extension"
    NUMBER = "number"
    """An outside number: the call is sent out again."""
    FLOW = "flow"
    """A call flow by its registered name."""


@dataclass(slots=True, frozen=True)
class Extension:
    """A number inside the company.

    Each `forward…_to` is an extension or a public number, or empty: `forward_to` takes all calls, the others those that its phones
    did not.
    """

    id: str
    number: str
    name: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)
    email: str
    language: str
    """A prompt language, or empty for the company's."""
    enabled: bool
    forward_to: str
    forward_busy_to: str = ""
    forward_no_answer_to: str = ""
    forward_no_answer_seconds: int = 0
    """How long its phones ring before `forward_no_answer_to`; 0: as long as the company says."""
    forward_unavailable_to: str = ""
    """Where calls go while no phone of it is registered."""
    do_not_disturb: bool = False
    """Its phones are not rung; `forward_busy_to` gets its calls."""
    call_waiting: bool = True
    """Whether its phones ring for a further call while one goes on; else it is busy."""


@dataclass(slots=True, frozen=True)
class Device:
    """A further phone of an extension with its own login."""

    id: str
    extension: str
    """The extension's number."""
    username: str
    label: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)
    enabled: bool


@dataclass(slots=True, frozen=True)
class Trunk:
    """A line to a carrier: by registration (`register`) or by address."""

    id: str
    name: str
    host: str
    port: int
    transport: Transport
    username: str
    password: str = field(repr=False)
    register: bool
    allow_from: tuple[str, ...]
    """Networks (CIDR) the carrier's calls may come from, beside its host."""
    caller_id: str
    """The number shown outside, E.164; empty: the company's first inbound number."""
    enabled: bool
    networks: tuple[Network, ...] = ()
    """`allow_from`, parsed."""


@dataclass(slots=True, frozen=True)
class InboundNumber:
    """A public number (E.164) of the company and where it leads; `greeting` is spoken first when not empty."""

    id: str
    number: str
    kind: DestinationKind
    target: str
    greeting: str


@dataclass(slots=True, frozen=True)
class OutboundRoute:
    """Calls to numbers beginning with `prefix` (of the E.164 form, `+` included) go to `trunks` in order.

    What is sent is the E.164 number without its first `strip` characters and with `prepend` before it. Of several routes the longest
    prefix wins, then the smallest priority.
    """

    id: str
    name: str
    prefix: str
    trunks: tuple[str, ...]
    strip: int
    prepend: str
    priority: int


@dataclass(slots=True, frozen=True)
class Login:
    """Who signs in to SIP under a username: an extension itself or one of its devices."""

    username: str
    extension: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)


@dataclass(slots=True, frozen=True)
class Contact:
    """A registered phone, as shown in `GET extensions`."""

    username: str
    uri: str
    source: str
    expires_at: datetime
    user_agent: str


class ExtensionFields(TypedDict, total=False):
    """What may be set on an extension; `password` is turned into digests at once."""

    number: str
    name: str
    password: str
    email: str
    language: str
    enabled: bool
    forward_to: str
    forward_busy_to: str
    forward_no_answer_to: str
    forward_no_answer_seconds: int
    forward_unavailable_to: str
    do_not_disturb: bool
    call_waiting: bool


class DeviceFields(TypedDict, total=False):
    """What may be set on a device."""

    extension: str
    username: str
    label: str
    password: str
    enabled: bool


class TrunkFields(TypedDict, total=False):
    """What may be set on a trunk."""

    name: str
    host: str
    port: int
    transport: str
    username: str
    password: str
    register: bool
    allow_from: list[str]
    caller_id: str
    enabled: bool


class NumberFields(TypedDict, total=False):
    """What may be set on an inbound number."""

    number: str
    kind: str
    target: str
    greeting: str


class RouteFields(TypedDict, total=False):
    """What may be set on an outbound route."""

    name: str
    prefix: str
    trunks: list[str]
    strip: int
    prepend: str
    priority: int
