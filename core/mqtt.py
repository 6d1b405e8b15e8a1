"""MQTT: the embedded broker for a shop, the sender that empties the outbox, and the facts of calls as events.

Topics stand in `docs/mqtt.md`. A call's event is `ramal/calls/<call-id>/<event>`, its payload the fact's own fields.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import Any, Final

import aiomqtt
import msgspec
import structlog
from amqtt.broker import Broker
from amqtt.errors import BrokerError
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Fault, RamalError
from core.events import CallFact, MediaAlive
from core.journal import Entry
from core.outbox import MessageRefusedError, OutboxMessage, send_mqtt
from core.settings import MqttSettings

log = structlog.get_logger(__name__)

AVAILABILITY_TOPIC: Final = "ramal/status"
_TIMEOUT: Final = 5.0
_AGAIN_SECONDS: Final = 5.0
"""Between two attempts to be connected while there is nothing to send."""
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")


class MqttError(RamalError):
    """The broker cannot be started or reached."""

    id = "core.mqtt"
    fault = Fault.PEER
    http_status = 503


class EmbeddedBroker:
    """A small broker inside the process, on loopback unless set otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 200}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        self._address = f"{host}:{port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            MqttError: the port is taken.
        """
        try:
            await self._broker.start()
        except (BrokerError, OSError) as error:
            raise MqttError(
                f"The MQTT broker cannot listen on {self._address}: the port is taken.",
                hint="Stop the other program, set RAMAL_MQTT_PORT, or set RAMAL_MQTT_EMBEDDED=false to use that broker.",
            ) from error

    async def close(self) -> None:
        """Stop listening and drop all clients."""
        with contextlib.suppress(BrokerError):
            await self._broker.shutdown()


class MqttSender:
    """Delivers outbox messages to a broker over one connection that is made anew when it breaks.

    While it is started it stays connected also when there is nothing to send, so that `ramal/status` at the broker is true.
    """

    def __init__(self, settings: MqttSettings, host: str | None = None) -> None:
        self._settings = settings
        self._host = host or settings.host
        self._client: aiomqtt.Client | None = None
        self._stack = contextlib.AsyncExitStack()
        self._turn = asyncio.Lock()
        self._presence: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._presence = asyncio.create_task(self._stay(), name="mqtt-presence")

    async def send(self, message: OutboxMessage) -> None:
        """Publish with QoS 1 and wait for the broker's acknowledgement.

        Raises:
            MqttError: the broker cannot be reached; the connection is given up.
            MessageRefusedError: no broker would take this message.
        """
        try:
            client = await self._connected()
            await client.publish(message.address, message.body, qos=1, retain=message.retain, timeout=_TIMEOUT)
        except ValueError as error:
            raise MessageRefusedError(
                f"“{message.address[:80]}” cannot be published: {error}.", for_good=True
            ) from error
        except (aiomqtt.MqttError, OSError, TimeoutError) as error:
            await self._drop()
            raise MqttError(f"The MQTT broker {self._host}:{self._settings.port} does not answer: {error}.") from error

    async def close(self) -> None:
        """Say that the server is gone and close the connection."""
        if self._presence is not None:
            self._presence.cancel()
            await asyncio.gather(self._presence, return_exceptions=True)
            self._presence = None
        if self._client is not None:
            # The broker says it for a server that was killed, but not for one that takes its leave.
            with contextlib.suppress(aiomqtt.MqttError, OSError, TimeoutError):
                await self._client.publish(AVAILABILITY_TOPIC, "offline", qos=1, retain=True, timeout=_TIMEOUT)
        await self._drop()

    async def _stay(self) -> None:
        while True:
            try:
                client = await self._connected()
                async for _message in client.messages:
                    pass
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                log.info("mqtt_not_connected", broker=f"{self._host}:{self._settings.port}", error=str(error))
            await self._drop()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _drop(self) -> None:
        stack, self._stack, self._client = self._stack, contextlib.AsyncExitStack(), None
        with contextlib.suppress(aiomqtt.MqttError, OSError, TimeoutError):
            await asyncio.wait_for(stack.aclose(), _TIMEOUT)

    async def _connected(self) -> aiomqtt.Client:
        async with self._turn:
            if self._client is None:
                client = await self._stack.enter_async_context(
                    aiomqtt.Client(
                        self._host,
                        self._settings.port,
                        username=self._settings.username or None,
                        password=self._settings.password or None,
                        will=aiomqtt.Will(AVAILABILITY_TOPIC, "offline", qos=1, retain=True),
                        timeout=_TIMEOUT,
                    )
                )
                await client.publish(AVAILABILITY_TOPIC, "online", qos=1, retain=True, timeout=_TIMEOUT)
                self._client = client
            return self._client


class CallEventsConsumer:
    """Turns the journal's facts into MQTT messages, through the outbox."""

    name = "mqtt"

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Queue a message for each fact; the media heartbeat is for recovery only and is left out."""
        for entry in entries:
            if not isinstance(entry.fact, MediaAlive):
                topic = f"ramal/calls/{entry.fact.call_id}/{event_name(entry.fact)}"
                await send_mqtt(session, topic, {**fact_payload(entry.fact), "node": node, "sequence": entry.sequence})


def event_name(fact: CallFact) -> str:
    """Return the fact's event name: `LegAnswered` is `leg_answered`."""
    return _CAPITAL.sub("_", type(fact).__name__).lower()


def fact_payload(fact: CallFact) -> dict[str, Any]:
    """Return the fact's fields as plain JSON values, with its name under `event`."""
    payload: dict[str, Any] = msgspec.to_builtins(fact)
    del payload["type"]
    return {"event": event_name(fact), **payload}
