"""Texts between extensions: each goes to all phones of the extension it is for (RFC 3428).

The sender is told 200 when a phone has taken the text, 202 while none has answered yet, and why when none will. What is
said is in no log and no event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from core.bus import EventBus
from core.clock import Clock
from pbx.directory import Directory
from pbx.entries import Extension
from pbx.errors import InvalidEntryError, UnreachableError
from pbx.watched import extension_named
from sip.binding import Binding
from sip.message import Response
from sip.stack import SipStack
from sip.text_message import TEXT, TextMessage
from sip.timers import Timer
from sip.transaction import ClientTransaction
from sip.uri import NameAddress, Uri

_PATIENCE: Final = 4.0
"""Seconds a sender waits for a phone's answer; a sender's own transaction ends after 32."""
_MOST: Final = 2000
"""Texts under way."""
_PASSED_ON: Final = frozenset((413, 415, 486, 488, 600, 603, 606))
"""What a sender is told as the phone said it; all else is 480 (RFC 4320 forbids 408 to a request like this one)."""


class Messages:
    """Delivers texts."""

    def __init__(self, sip: SipStack, directory: Directory, bus: EventBus, clock: Clock, *, domain: str) -> None:
        """Begin to take texts.

        Args:
            sip: where they come in and go out.
            directory: who is who.
            bus: hears of every text, without what it says.
            clock: the time of a text.
            domain: the host part of our addresses.
        """
        self._sip = sip
        self._directory = directory
        self._bus = bus
        self._clock = clock
        self._domain = domain
        self._under_way = 0
        sip.core.inbound.messages.receiver = self.deliver

    def deliver(self, message: TextMessage) -> None:
        """Send a text to all phones of whom it is for, but not back to the phone it is from."""
        snapshot = self._directory.snapshot
        sender = snapshot.extensions.get(extension_named(snapshot, message.sender))
        target = snapshot.extensions.get(extension_named(snapshot, message.target.user))
        if sender is None or target is None or not target.enabled:
            message.answer(403 if sender is None else 404)
            return
        self._send(message.text, sender, target, self._phones(target, but=message.sender), message.answer)

    async def send(self, from_extension: str, to_extension: str, text: str) -> bool:
        """Send a text on behalf of an extension; tell whether a phone has taken it, or it is still on its way.

        Raises:
            InvalidEntryError: there is no such extension.
            UnreachableError: no phone is registered, or none takes the text.
        """
        extensions = self._directory.snapshot.extensions
        sender, target = extensions.get(from_extension), extensions.get(to_extension)
        if sender is None or target is None or not target.enabled:
            missing = "from" if sender is None else "to"
            raise InvalidEntryError(f"{missing}: there is no such extension.")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def answered(status: int) -> None:
            """Take the first phone's status."""
            if not answer.done():
                answer.set_result(status)

        self._send(text, sender, target, self._phones(target), answered)
        status = await answer
        if status >= 300:
            raise UnreachableError(f"No phone of extension {target.number} has taken the text (SIP {status}).")
        return status == 200

    def _phones(self, target: Extension, *, but: str = "") -> list[Binding]:
        return [
            binding
            for username in self._directory.snapshot.usernames.get(target.number, ())
            if username != but
            for binding in self._sip.bindings(username)
        ]

    def _send(
        self, text: str, sender: Extension, target: Extension, phones: list[Binding], answer: Callable[[int], None]
    ) -> None:
        if not phones or self._under_way >= _MOST:
            answer(503 if phones else 480)
            return

        def told(status: int) -> None:
            """Answer the sender, and tell those who watch, but not what was said."""
            answer(status)
            payload = {
                "from_extension": sender.number,
                "to_extension": target.number,
                "extensions": [sender.number, target.number],
                "at": self._clock.now().isoformat(),
                "status": status,
                "characters": len(text),
            }
            self._bus.publish("message.sent", payload)

        def over() -> None:
            """Give the place under way back."""
            self._under_way -= 1

        self._under_way += 1
        delivery = _Delivery(len(phones), told, over)
        delivery.patience = self._sip.core.timers.schedule(_PATIENCE, delivery.waited)
        from_ = NameAddress(sender.name, Uri("sip", sender.number, self._domain))
        for binding in phones:
            self._sip.core.request(
                "MESSAGE",
                binding.uri,
                on_response=delivery.answered,
                from_=from_,
                to=NameAddress(target.name, Uri("sip", target.number, self._domain)),
                destination=self._sip.way_to(binding),
                headers=[("Route", edge) for edge in binding.path],
                content_type=TEXT,
                body=text.encode(),
            )


class _Delivery:
    """One text on its way to several phones."""

    __slots__ = ("_left", "_over", "_status", "_tell", "patience")

    def __init__(self, phones: int, tell: Callable[[int], None], over: Callable[[], None]) -> None:
        self._left = phones
        self._tell: Callable[[int], None] | None = tell
        self._over = over
        self._status = 480
        self.patience: Timer | None = None

    def waited(self) -> None:
        """Tell the sender that the text is on its way."""
        self._say(202)

    def answered(self, response: Response, _transaction: ClientTransaction) -> None:
        """Take a phone's answer."""
        status = response.status
        if status < 200:
            return
        self._left -= 1
        if status < 300:
            self._say(200)
        elif status in _PASSED_ON:
            self._status = status
        if not self._left:
            self._say(self._status)
            self._over()

    def _say(self, status: int) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(status)
        if self.patience is not None:
            self.patience.cancel()
