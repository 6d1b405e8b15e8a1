"""Requests outside of a dialog that mean one: Target-Dialog (RFC 4538)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip.address import Address
from sip.client_request import ClientRequest, SessionHost
from sip.dialog import Dialog
from sip.errors import MalformedMessageError
from sip.message import Headers, Request, Response
from sip.session_events import SessionEvent
from sip.transaction import ClientTransaction, ResponseCallback

if TYPE_CHECKING:
    from sip.session_base import SessionBase


@dataclass(slots=True, frozen=True)
class TargetDialog:
    """The dialog that a request means, as its sender sees it (RFC 4538 section 7)."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def parse(cls, text: str) -> TargetDialog:
        """Read a Target-Dialog value.

        Raises:
            MalformedMessageError: it lacks the Call-ID or one of the two tags.
        """
        call_id, *pieces = [piece.strip() for piece in text.split(";")]
        tags = {}
        for piece in pieces:
            name, _, value = piece.partition("=")
            tags[name.strip().lower()] = value.strip()
        local_tag, remote_tag = tags.get("local-tag", ""), tags.get("remote-tag", "")
        if not call_id or " " in call_id or not local_tag or not remote_tag:
            raise MalformedMessageError("A Target-Dialog does not name a call and its two tags.")
        return cls(call_id, local_tag, remote_tag)


def target_of(request: Request) -> TargetDialog | None:
    """Return the dialog that a request means, or None.

    Raises:
        MalformedMessageError: there are two Target-Dialogs, or the one cannot be read.
    """
    values = request.get_all("Target-Dialog")
    if not values:
        return None
    if len(values) > 1:
        raise MalformedMessageError("There are two Target-Dialogs.", request=request)
    return TargetDialog.parse(values[0])


class TargetedRequest:
    """The dialog that a targeted REFER begins, with what its transfer needs of a session."""

    __slots__ = ("_dialog", "_session")

    def __init__(self, session: SessionBase, request: Request, source: Address) -> None:
        """Begin the dialog; the request gets our tag, so that its responses bear it.

        Raises:
            MalformedMessageError: it lacks what a dialog needs.
        """
        self._session = session
        self._dialog = Dialog.as_server(request, secrets.token_hex(6), source, symmetric=session.symmetric)
        request.set("To", self._dialog.local)

    @property
    def host(self) -> SessionHost:
        """The stack."""
        return self._session.host

    @property
    def contact(self) -> str:
        """Our Contact."""
        return self._session.contact

    def emit(self, event: SessionEvent) -> bool:
        """Tell the session's listener."""
        return self._session.emit(event)

    def send(
        self,
        method: str,
        *,
        headers: Headers = (),
        content_type: str = "",
        body: bytes = b"",
        on_response: ResponseCallback | None = None,
    ) -> ClientRequest:
        """Send a request inside of this dialog."""
        host, dialog = self._session.host, self._dialog
        request = dialog.request(method, headers=headers, content_type=content_type, body=body)
        return ClientRequest(
            host,
            request,
            host.next_hop(dialog),
            on_response or _ignore,
            credentials=self._session.credentials,
            next_cseq=dialog.next_cseq,
        )


def _ignore(_response: Response, _transaction: ClientTransaction) -> None:
    """Take no notice: a watcher that is gone needs no telling."""
