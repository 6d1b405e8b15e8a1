"""Wires the rooms together, and nothing else: what is started in which order, and closed in the reverse one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog
import uvloop

from api.app import create_app
from api.services import Services
from api.settings import ApiSettings
from api.user_store import UserStore
from billing.service import Billing
from core.bus import EventBus
from core.clock import SystemClock
from core.company import Company
from core.consumer import Consumer, ConsumerRunner
from core.database import Database
from core.email import EmailSender
from core.journal import Journal
from core.migrate import migrate
from core.mqtt import CallEventsConsumer, EmbeddedBroker, MqttSender
from core.outbox import EMAIL, MQTT, OutboxDrain
from core.settings import Settings
from crm_bridge.consumer import CrmConsumer
from crm_bridge.embedded import EmbeddedCrm
from face_tracker.service import FaceService
from ramal.data_folder import DataFolder
from ramal.pauses import LoopPauses, tune_garbage_collection
from ramal.web_server import WebServer, listening_socket

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ramal:
    """A running server, as the demo and the tests see it."""

    settings: Settings
    services: Services
    journal: Journal
    consumers: list[ConsumerRunner]
    administrator_password: str | None
    """The password of the user `admin`, when it was made just now."""

    async def caught_up(self) -> None:
        """Wait until every fact in the journal has had its effects."""
        await self.journal.flushed()
        await asyncio.gather(*(consumer.caught_up() for consumer in self.consumers))
