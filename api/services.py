"""What the rooms give to the API; `ramal.app` fills it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends
from starlette.requests import HTTPConnection

from billing.service import Billing
from core.bus import EventBus
from core.clock import Clock
from core.company import Company
from core.database import Database
from crm_bridge.embedded import EmbeddedCrm
from face_tracker.service import FaceService
from pbx.bans import BanKeeper
from pbx.call_trace import CallTraces
from pbx.cdrs.queries import CdrQueries
from pbx.directory import Directory
from pbx.mailboxes import Mailboxes
from pbx.messages import Messages
from pbx.switch import Switch
from pbx.trunks import Trunks
from recordings.service import Recordings
from recordings.transcripts import Transcripts
from sip.transport.websocket import WebSocketTransport

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Returns why a part is not ready, or None."""


class FindingView(Protocol):
    """One thing that the doctor looked at."""

    @property
    def subject(self) -> str:
        """What it belongs to."""
        ...

    @property
    def severity(self) -> str:
        """`ok`, `note`, `warning` or `problem`."""
        ...


Doctor = Callable[[], Awaitable[Sequence[FindingView]]]
"""Looks the running server over."""


async def _no_doctor() -> Sequence[FindingView]:
    return ()


@dataclass(slots=True, kw_only=True)
class Services:
    """The parts of the running server that requests act on."""

    database: Database
    clock: Clock
    bus: EventBus
    company: Company
    directory: Directory
    switch: Switch
    messages: Messages
    mailboxes: Mailboxes
    trunks: Trunks
    bans: BanKeeper
    cdrs: CdrQueries
    traces: CallTraces
    recordings: Recordings
    transcripts: Transcripts
    billing: Billing
    crm: EmbeddedCrm
    faces: FaceService
    sip_sockets: Mapping[str, WebSocketTransport] = field(default_factory=dict)
    """Who takes SIP over WebSocket, by the URL's scheme: `ws`, `wss`."""
    readiness: dict[str, ReadinessCheck] = field(default_factory=dict)
    """Checks of `/readyz` by the name of the part: without one of these no call can be taken."""
    conditions: dict[str, ReadinessCheck] = field(default_factory=dict)
    """Checks of what catches up by itself (records, notices): shown at `/readyz`, but calls go on without it."""
    doctor: Doctor = _no_doctor
    """Finds what is wrong; `ramal.app` sets it."""


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the server that answers this request."""
    services: Services = connection.app.state.services
    return services


Rooms = Annotated[Services, Depends(services_of)]
"""The services, as a handler's parameter."""
