"""The facts of a call, as they stand in the journal.

Facts are named in the past, are never changed, and carry everything their consumers need: a CDR, a bill, a CRM activity and an
MQTT event are all made from these and nothing else. A new field must have a default, so that old journals stay readable.

Legs: a *leg* is one SIP dialog between Ramal and a device or trunk. A transfer moves legs between calls (`LegMoved`); a leg keeps its
id for life, so an interval from `LegAnswered` to `LegEnded` is counted once, whichever call it ends in.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class Direction(enum.StrEnum):
    """Where a call came from, seen from the company."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class PartyRole(enum.StrEnum):
    """Which side of the recording a leg is on: customers left, agents right."""

    CUSTOMER = "customer"
    AGENT = "agent"


class Disposition(enum.StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The process died in mid-call; closed by recovery at the last time the media was alive."""


class TransferKind(enum.StrEnum):
    """Blind transfers name a target, attended ones talk to it first."""

    BLIND = "blind"
    ATTENDED = "attended"


class TransferResult(enum.StrEnum):
    """What became of a transfer."""

    COMPLETED = "completed"
    FAILED = "failed"


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Something that happened in a call at a time (UTC). Of plain values only: the collector of cycles need not look at the many."""

    at: datetime
    call_id: str


class CallOffered(Fact, frozen=True, kw_only=True, tag=True):
    """A call began. Numbers are E.164 where they are public, else the extension's number; `dialled` is as received.

    `diverted_from` is who was called first, where another exchange sent the call on to us (RFC 5806, RFC 7044).
    """

    direction: Direction
    from_number: str
    to_number: str
    dialled: str
    from_name: str = ""
    from_extension: str = ""
    trunk: str = ""
    sip_call_id: str = ""
    diverted_from: str = ""


class CallerNamed(Fact, frozen=True, kw_only=True, tag=True):
    """The CRM knows the caller by this name; it takes the place of what the carrier said."""

    name: str


class LegCreated(Fact, frozen=True, kw_only=True, tag=True):
    """A leg was opened: towards us (`incoming`) or by us.

    Exactly one of `extension` and `trunk` is set. `number` is the party's number: the extension's, or the public one in E.164. An
    outgoing trunk leg is what billing charges; `forwarded_by` is the extension whose forwarding opened it.
    """

    leg_id: str
    role: PartyRole
    number: str
    incoming: bool
    extension: str = ""
    trunk: str = ""
    sip_call_id: str = ""
    forwarded_by: str = ""


class LegRinging(Fact, frozen=True, kw_only=True, tag=True):
    """The leg's device or trunk said that it rings (180 or 183)."""

    leg_id: str


class LegAnswered(Fact, frozen=True, kw_only=True, tag=True):
    """The leg was answered (its 200 was sent or received); talk and charges count from here."""

    leg_id: str


class LegHeld(Fact, frozen=True, kw_only=True, tag=True):
    """The leg's party put the call on hold; `by_extension` is who did it."""

    leg_id: str
    by_extension: str = ""


class LegResumed(Fact, frozen=True, kw_only=True, tag=True):
    """The held leg was taken up again."""

    leg_id: str
    by_extension: str = ""


class LegMoved(Fact, frozen=True, kw_only=True, tag=True):
    """A leg came from another call into this one (attended transfer, pick-up)."""

    leg_id: str
    from_call_id: str


class LegEnded(Fact, frozen=True, kw_only=True, tag=True):
    """The leg is over. `sip_status` is the final status where it was never answered, else 0."""

    leg_id: str
    sip_status: int = 0
    reason: str = ""


class CallAnswered(Fact, frozen=True, kw_only=True, tag=True):
    """A person (extension or outside party) answered the call; once a call. A greeting alone does not count."""

    leg_id: str
    extension: str = ""


class AnswererJudged(Fact, frozen=True, kw_only=True, tag=True):
    """Who took a leg that was called, by how it began to speak: `person`, `machine`, or `unknown`."""

    leg_id: str
    answerer: str


class CallTransferred(Fact, frozen=True, kw_only=True, tag=True):
    """A transfer ended, well or not. `other_call_id` is the consultation call that was merged in, if any."""

    transfer_id: str
    kind: TransferKind
    result: TransferResult
    from_extension: str
    to_number: str
    new_leg_id: str = ""
    other_call_id: str = ""
    sip_status: int = 0


class CallSupervised(Fact, frozen=True, kw_only=True, tag=True):
    """A supervisor began to hear the call, or changed what they do in it: `listen`, `whisper` or `barge`."""

    by_extension: str
    mode: str


class MediaAlive(Fact, frozen=True, kw_only=True, tag=True):
    """Voice packets of the call were seen up to `at`; written every few seconds so that recovery knows when a killed call ended."""

    leg_ids: tuple[str, ...] = ()


class LegStatistics(Fact, frozen=True, kw_only=True, tag=True):
    """Media figures of a leg at its end: packets, loss, jitter in milliseconds, MOS estimated with a simplified ITU-T G.107."""

    leg_id: str
    packets_received: int
    packets_sent: int
    packets_lost: int
    jitter_ms: float
    mos: float
    packets_rejected: int = 0
    """Those that came and were not believed: from a host that nobody named, not encrypted as agreed, or no RTP."""


class QualitySample(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a leg sounded in some seconds up to `at`; loss is a share from 0 to 1, MOS is estimated with a simplified ITU-T G.107.

    What begins with `far_` is what the party reported of our stream (RTCP); None where it did not.
    """

    at: datetime
    seconds: float
    loss: float
    jitter_ms: float
    round_trip_ms: float | None
    mos: float
    far_loss: float | None = None
    far_jitter_ms: float | None = None
    far_mos: float | None = None


class LegQuality(Fact, frozen=True, kw_only=True, tag=True):
    """How the leg sounded since it was answered or since the last such fact, in samples of ten seconds each, the last one shorter."""

    leg_id: str
    samples: tuple[QualitySample, ...]


class RecordingStarted(Fact, frozen=True, kw_only=True, tag=True):
    """A recording of the call began; `location` is a storage URL relative to the node's recordings folder."""

    recording_id: str
    location: str
    channels: int
    sample_rate: int


class RecordingTrackBegan(Fact, frozen=True, kw_only=True, tag=True):
    """A party is heard on a channel of its own in a recording of that layout; the last channel takes all who come later.

    `leg_id` is empty where it is not one party but all the others of a conference.
    """

    recording_id: str
    channel: int
    leg_id: str = ""
    number: str = ""
    extension: str = ""


class RecordingPaused(Fact, frozen=True, kw_only=True, tag=True):
    """The recording was switched off in mid-call; the pause is silence in the file, so that times stay true."""

    recording_id: str
    by_extension: str = ""


class RecordingResumed(Fact, frozen=True, kw_only=True, tag=True):
    """The paused recording goes on."""

    recording_id: str
    by_extension: str = ""


class RecordingFailed(Fact, frozen=True, kw_only=True, tag=True):
    """Audio could not be kept (a full disk, a failing write); `lost_seconds` of it are silence or missing."""

    recording_id: str
    reason: str
    lost_seconds: float = 0.0


class RecordingStopped(Fact, frozen=True, kw_only=True, tag=True):
    """The file is closed and may be sealed. `recovered` tells that a killed process left it and it was repaired."""

    recording_id: str
    location: str
    recovered: bool = False


class LeadRequested(Fact, frozen=True, kw_only=True, tag=True):
    """An agent made the caller a lead by star code."""

    by_extension: str
    phone: str
    name: str = ""


class ContactRequested(Fact, frozen=True, kw_only=True, tag=True):
    """An agent made the caller a contact by star code."""

    by_extension: str
    phone: str
    name: str = ""


class CallEnded(Fact, frozen=True, kw_only=True, tag=True):
    """The call is over at `at`. `sip_status` is the status the caller was given when it was not answered, else 0."""

    disposition: Disposition
    sip_status: int = 0
    reason: str = ""
    recovered: bool = False


CallFact = (
    CallOffered
    | CallerNamed
    | LegCreated
    | LegRinging
    | LegAnswered
    | LegHeld
    | LegResumed
    | LegMoved
    | LegEnded
    | CallAnswered
    | AnswererJudged
    | CallTransferred
    | CallSupervised
    | MediaAlive
    | LegStatistics
    | LegQuality
    | RecordingStarted
    | RecordingTrackBegan
    | RecordingPaused
    | RecordingResumed
    | RecordingFailed
    | RecordingStopped
    | LeadRequested
    | ContactRequested
    | CallEnded
)
"""Every fact the journal can hold."""
