"""The fields that may be set on the entries of the directory."""

from __future__ import annotations

from typing import TypedDict


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
    supervises: bool
    dtmf: str
    encryption: str


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
    backup_hosts: list[str]
    domain: str
    realm: str
    codecs: list[str]
    caller_id_policy: str
    encryption: str
    caller_id_format: str
    asserted_identity: bool
    trust_identity: bool
    max_calls: int
    max_calls_in: int
    max_calls_out: int
    calls_per_second: int
    responses: dict[str, str]
    strip: int
    prepend: str
    ping_seconds: int
    tls_verify: bool
    dtmf: str
    follow_redirects: bool


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
    pattern: str
    hours: list[str]
    extensions: list[str]


class ConferenceFields(TypedDict, total=False):
    """What may be set on a conference's room."""

    number: str
    name: str
    pin: str
    max_members: int
