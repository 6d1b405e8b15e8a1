"""What an ACK, BYE or CANCEL means that is not written as it should be: scripts for test callers are careless with branches and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from sip.address import Address
from sip.message import Request
from sip.session import InviteSession
from sip.transaction import ServerTransaction
from sip.transaction_tables import State

if TYPE_CHECKING:
    from sip.core import SipCore


class Beginning(NamedTuple):
    """How an incoming call began."""

    cseq: int
    """Of its INVITE."""
    tag: str
    """That we gave it."""


class Meaning:
    """Finds by all else what a request does not name by its branch (RFC 3261 sections 9.1 and 17.1.1.3) or by our tag.

    Nothing is searched for where nothing can be found: most that comes here are the ACKs of challenges, which leave nothing behind, and
    the ACKs of answers that were sent twice.
    """

    def __init__(self, core: SipCore, calls: Mapping[tuple[str, str], Beginning]) -> None:
        """Begin.

        Args:
            core: the stack.
            calls: how every incoming call began, by Call-ID and the caller's tag.
        """
        self._core = core
        self._calls = calls
        self._refused: dict[tuple[str, str], ServerTransaction] = {}
        """By Call-ID and our tag: the INVITEs refused in a dialog last."""

    def call(self, request: Request, source: Address) -> InviteSession | None:
        """Return the call that an ACK or BYE without our tag means: the one that its sender began, from the same host.

        A BYE may have made up our tag, or have taken it for its own. Whoever lacks our tag may never have been in the call, but
        only have seen its beginning.
        """
        is_bye = request.method == "BYE"
        if not is_bye and (request.to_tag or request.method != "ACK"):
            return None
        began = self._calls.get((request.call_id, request.from_tag))
        tag = began.tag if began is not None else request.from_tag if is_bye else ""
        session = self._core.sessions.get((request.call_id, tag))
        return session if session is not None and session.source.host == source.host else None

    def invite(self, request: Request, source: Address) -> ServerTransaction | None:
        """Return the INVITE that a CANCEL means, or the ACK of a call that is over."""
        began = self._calls.get((request.call_id, request.from_tag))
        begins = began is not None and began.cseq == request.cseq[0]
        if begins or (request.to_tag and (request.call_id, request.to_tag) in self._core.sessions):
            return self._core.transactions.find_invite(request, source)
        return None

    def refused(self, request: Request, source: Address) -> ServerTransaction | None:
        """Return the refused INVITE that an ACK means."""
        if (request.call_id, request.to_tag) not in self._core.sessions:
            invite = self.invite(request, source)
            return invite if invite is not None and invite.answered else None
        refused = self._refused.get((request.call_id, request.to_tag))
        return refused if refused is not None and refused.is_meant_by(request, source) else None

    def note_refusal(self, transaction: ServerTransaction) -> None:
        """Remember an INVITE in a dialog that was refused, while its refusal is repeated; what was not refused is passed over."""
        if transaction.state is State.COMPLETED:
            key = transaction.request.call_id, transaction.request.to_tag
            self._refused[key] = transaction
            self._core.timers.schedule(self._core.timing.limit, self._forget, key, transaction)

    def _forget(self, key: tuple[str, str], transaction: ServerTransaction) -> None:
        if self._refused.get(key) is transaction:
            del self._refused[key]
