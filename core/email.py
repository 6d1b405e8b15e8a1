"""E-mail: the sender that empties the outbox through the company's mail server."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib

from core.errors import Fault, RamalError
from core.outbox import OutboxMessage
from core.settings import EmailSettings


class EmailError(RamalError):
    """The mail server cannot be reached or refuses the message."""

    id = "core.email"
    fault = Fault.PEER
    http_status = 503


class EmailSender:
    """Delivers outbox messages by SMTP, one connection a message."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings

    async def send(self, message: OutboxMessage) -> None:
        """Hand the message to the mail server.

        Raises:
            EmailError: it cannot be reached or refuses the message.
        """
        mail = EmailMessage()
        mail["From"] = self._settings.sender
        mail["To"] = message.address
        mail["Subject"] = message.subject
        mail["Date"] = formatdate(message.created_at.timestamp())
        mail["Message-ID"] = f"<{message.id}@ramal>"
        mail.set_content(message.body)
        try:
            await aiosmtplib.send(
                mail,
                hostname=self._settings.host,
                port=self._settings.port,
                username=self._settings.username or None,
                password=self._settings.password or None,
                use_tls=self._settings.encryption == "tls",
                start_tls=self._settings.encryption == "starttls",
                timeout=20,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise EmailError(f"The mail server {self._settings.host} did not take the message: {error}.") from error
