"""What can go wrong in call control, and which SIP status a caller is given for it."""

from __future__ import annotations

from core.errors import ConflictError, Fault, InvalidInputError, NotFoundError, RamalError


class PbxError(RamalError):
    """Any error of call control."""

    id = "pbx.error"


class InvalidEntryError(InvalidInputError):
    """An entry of the directory breaks a rule; the message names the field."""

    id = "pbx.invalid_entry"


class EntryExistsError(ConflictError):
    """Another entry has this number or name already."""

    id = "pbx.entry_exists"


class EntryInUseError(ConflictError):
    """The entry cannot go while others point to it."""

    id = "pbx.entry_in_use"


class UnknownEntryError(NotFoundError):
    """The directory has no such entry."""

    id = "pbx.unknown_entry"


class UnknownMemberError(NotFoundError):
    """A conference has no such member."""

    id = "pbx.unknown_member"


class ConferenceFullError(PbxError):
    """As many are in the conference as may be."""

    id = "pbx.conference_full"
    http_status = 409


class UnknownCallError(NotFoundError):
    """There is no call with this id, or it is not for the one who asks."""

    id = "pbx.unknown_call"


class CallStateError(ConflictError):
    """The call is not in a state that allows this: not answered yet, in a transfer, or ending."""

    id = "pbx.call_state"


class UnreachableError(PbxError):
    """The one who was called cannot be rung: no device is registered, no trunk is up."""

    id = "pbx.unreachable"
    fault = Fault.PEER
    http_status = 503


class NoMediaError(PbxError):
    """No RTP port is free, or the two sides have no codec in common."""

    id = "pbx.no_media"
    http_status = 503


class NoPortError(NoMediaError):
    """No RTP port is free: the call may be tried again, here or by another server."""

    id = "pbx.no_port"
