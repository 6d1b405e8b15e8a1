"""E-mail: the sender that empties the outbox through the company's mail server."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate
from typing import Final

from core.errors import Fault, RamalError
from core.outbox import MessageRefusedError, OutboxMessage
from core.settings import EmailSettings

_FOR_GOOD: Final = 500
"""Replies from here on are final (RFC 5321 section 4.2.1)."""


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
            EmailError: it cannot be reached, or does not take messages from us.
            MessageRefusedError: it does not take this one: an address that is none, a mailbox that is full.
        """
        import aiosmtplib  # noqa: PLC0415 - takes a while; a server without a mail server needs it never

        mail = self._mail(message)
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
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refusal.code for refusal in error.recipients]
            reason = error.recipients[0].message if error.recipients else "no reason given"
            raise _refused(message, reason, for_good=all(code >= _FOR_GOOD for code in codes)) from error
        except aiosmtplib.SMTPDataError as error:
            raise _refused(message, error.message, for_good=error.code >= _FOR_GOOD) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise EmailError(f"The mail server {self._settings.host} did not take the message: {error}.") from error

    def _mail(self, message: OutboxMessage) -> EmailMessage:
        mail = EmailMessage()
        try:
            mail["From"] = self._settings.sender
            mail["To"] = message.address
            mail["Subject"] = message.subject
            mail["Date"] = formatdate(message.created_at.timestamp())
            mail["Message-ID"] = f"<{message.id}@ramal>"
            mail.set_content(message.body)
        except (ValueError, IndexError) as error:
            raise _refused(message, f"it cannot be written as a mail: {error}", for_good=True) from error
        return mail


def _refused(message: OutboxMessage, reason: str, *, for_good: bool) -> MessageRefusedError:
    return MessageRefusedError(f"The e-mail to {message.address} was refused: {reason}.", for_good=for_good)
