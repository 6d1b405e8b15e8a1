"""MQTT: the embedded broker for a shop, and the connection to any other. Topics stand in `docs/mqtt.md`."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiomqtt
import structlog
from amqtt.broker import Broker
from amqtt.errors import BrokerError
from amqtt.mqtt.constants import QOS_1
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from core.errors import Fault, RamalError
from core.outbox import MessageRefusedError, OutboxMessage
from core.settings import MqttSettings
from core.tasks import stopped

log = structlog.get_logger(__name__)

AVAILABILITY_TOPIC: Final = "ramal/status"
_TIMEOUT: Final = 5.0
_AGAIN_SECONDS: Final = 5.0
"""Between two attempts to be connected while there is nothing to send."""
_AT_ONCE: Final = 10
"""Messages under way at a time; the client warns of more."""
_NO_TOPIC: Final = frozenset("+#\0")


class MqttError(RamalError):
    """The broker cannot be started or reached."""

    id = "core.mqtt"
    fault = Fault.PEER
    http_status = 503


@dataclass(slots=True, frozen=True)
class MqttMessage:
    """What is to be published."""

    topic: str
    body: str | bytes
    retain: bool = False


class MqttPublisher(Protocol):
    """One that has messages published: the embedded broker, or the connection to another one."""

    @property
    def heard(self) -> bool:
        """Whether anybody may hear what is not retained; if not, it need not be made at all."""
        ...

    async def publish(self, messages: Sequence[MqttMessage]) -> None:
        """Publish messages in order with QoS 1; when it returns, the broker has them all.

        Raises:
            MqttError: the broker cannot be reached; some of the messages may be out.
            MessageRefusedError: no broker would take one of them.
        """
        ...


class PasswordPlugin(BaseAuthPlugin):  # type: ignore[misc]  # amqtt has no types
    """Lets in whoever knows user and password of the settings; amqtt finds it by its name."""

    @dataclass
    class Config:
        """The one login that there is."""

        username: str = ""
        password: str = field(default="", repr=False)

    async def authenticate(self, *, session: Session) -> bool:
        """Tell whether a client may come in."""
        given = f"{session.username or ''}\0{session.password or ''}"
        wanted = f"{self.config.username}\0{self.config.password}"
        return hmac.compare_digest(given.encode(), wanted.encode())


class EmbeddedBroker:
    """A small broker inside the process: for everybody at its address, or, with a password, for those who know that."""

    def __init__(self, host: str, port: int, *, username: str = "", password: str = "") -> None:
        plugins = (
            {f"{__name__}.{PasswordPlugin.__name__}": {"username": username, "password": password}}
            if password
            else {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        )
        self._broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 200}},
                "plugins": plugins,
            }
        )
        self._host = host
        self._port = port

    @property
    def heard(self) -> bool:
        """Whether anybody has subscribed to anything, be it before a connection that was lost."""
        return bool(self._broker.subscriptions)

    async def publish(self, messages: Sequence[MqttMessage]) -> None:
        """Hand messages to whoever has subscribed; inside the process that needs no connection.

        Raises:
            MessageRefusedError: a topic is none that can be published to.
        """
        for message in messages:
            if not message.topic or not _NO_TOPIC.isdisjoint(message.topic):
                raise _refusal(message, "it is no topic")
            body = message.body.encode() if isinstance(message.body, str) else message.body
            if message.retain:
                await self._broker.retain_message(None, message.topic, body, QOS_1)
            if self._broker.subscriptions:
                await self._broker.internal_message_broadcast(message.topic, body)

    async def send(self, message: OutboxMessage) -> None:
        """Publish a message of the outbox.

        Raises:
            MessageRefusedError: as `publish`.
        """
        await self.publish([_from_outbox(message)])

    async def start(self) -> None:
        """Listen.

        Raises:
            MqttError: the port is taken.
        """
        try:
            self._see_that_port_is_free()
            await self._broker.start()
        except (BrokerError, OSError) as error:
            raise MqttError(
                f"The MQTT broker cannot listen on {self._host}:{self._port}: the port is taken.",
                hint="Stop the other program, set RAMAL_MQTT_PORT, or set RAMAL_MQTT_EMBEDDED=false to use that broker.",
            ) from error
        await self.publish([MqttMessage(AVAILABILITY_TOPIC, "online", retain=True)])

    def _see_that_port_is_free(self) -> None:
        """Try the port: the broker itself writes a traceback into the log when it cannot have it."""
        with socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((self._host, self._port))
            probe.listen()

    async def close(self) -> None:
        """Say that the server is gone, stop listening and drop all clients."""
        await self.publish([MqttMessage(AVAILABILITY_TOPIC, "offline", retain=True)])
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

    @property
    def heard(self) -> bool:
        """Always: only the broker knows who listens."""
        return True

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._presence = asyncio.create_task(self._stay(), name="mqtt-presence")

    async def publish(self, messages: Sequence[MqttMessage]) -> None:
        """Publish with QoS 1, some at a time, and wait for the broker's acknowledgements.

        Raises:
            MqttError: the broker cannot be reached; the connection is given up.
            MessageRefusedError: no broker would take one of the messages.
        """
        try:
            client = await self._connected()
            for first in range(0, len(messages), _AT_ONCE):
                await asyncio.gather(*(_publish(client, message) for message in messages[first : first + _AT_ONCE]))
        except (aiomqtt.MqttError, OSError, TimeoutError) as error:
            await self._drop()
            raise MqttError(f"The MQTT broker {self._host}:{self._settings.port} does not answer: {error}.") from error

    async def send(self, message: OutboxMessage) -> None:
        """Publish a message of the outbox.

        Raises:
            MqttError, MessageRefusedError: as `publish`.
        """
        await self.publish([_from_outbox(message)])

    async def close(self) -> None:
        """Say that the server is gone and close the connection."""
        await stopped(self._presence)
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


async def _publish(client: aiomqtt.Client, message: MqttMessage) -> None:
    try:
        await client.publish(message.topic, message.body, qos=1, retain=message.retain, timeout=_TIMEOUT)
    except ValueError as error:
        raise _refusal(message, str(error)) from error


def _refusal(message: MqttMessage, reason: str) -> MessageRefusedError:
    return MessageRefusedError(f"“{message.topic[:80]}” cannot be published: {reason}.", for_good=True)


def _from_outbox(message: OutboxMessage) -> MqttMessage:
    return MqttMessage(message.address, message.body, message.retain)
