"""What every call works with, handed around as one value instead of globals."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from core.bus import EventBus
from core.clock import Clock
from core.company import Company
from core.journal import Journal
from media.dtls import DtlsIdentity
from media.engine import Engine
from media.full_ice import IceWays
from media.prompts import PromptStore
from pbx.conferences import Rooms
from pbx.config import PbxConfig
from pbx.directory import Directory
from pbx.entries import Encryption, KeyWay
from pbx.party import Party
from pbx.ports import CallerDirectory
from sip.address import Address
from sip.codecs import Codec, by_label
from sip.stack import SipStack
from sip.uri import Uri

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.call_recording import CallRecording
    from pbx.entries import Trunk
    from pbx.leg import Leg


class TrunkStates(Protocol):
    """One that knows which trunks are worth trying, and counts their calls."""

    def refusal(self, trunk: Trunk) -> str:
        """Return why no call may be sent to the trunk now, or an empty string."""
        ...

    async def servers(self, trunk: Trunk) -> list[Address]:
        """Return the servers to send a call to, best first."""
        ...

    async def redirected(self, trunk: Trunk, uri: Uri) -> list[Address]:
        """Return the servers that a 3xx of the trunk names; none where they are not its own."""
        ...

    def full_inbound(self, name: str) -> bool:
        """Tell whether the trunk may bring no further call."""
        ...

    def call_skipped(self, trunk: Trunk) -> None:
        """Note that a call went past the trunk."""
        ...

    def call_failed(self, trunk: Trunk, server: Address, retry_after: int = 0) -> None:
        """Note that a server of the trunk could not carry a call, and for how many seconds it wants to be left alone."""
        ...

    def call_began(self, name: str, *, incoming: bool) -> None:
        """Count a call of the trunk."""
        ...

    def call_ended(self, name: str, *, incoming: bool) -> None:
        """Count it no more."""
        ...


class VoiceTerms(msgspec.Struct, frozen=True):
    """How voice and keys go to a party and come from it."""

    keys: KeyWay = KeyWay.RFC4733
    encryption: Encryption = Encryption.OPTIONAL
    codecs: tuple[Codec, ...] = ()
    """What a trunk may speak, best first; none stands for all of ours."""


_WITHOUT_WISHES: Final = VoiceTerms()


@functools.lru_cache(maxsize=256)
def _voice_terms(keys: str, encryption: str, codecs: tuple[str, ...] = ()) -> VoiceTerms:
    # Extensions come from the database in bulk, with their text as it stands there.
    known = tuple(codec for label in codecs if (codec := by_label(label)) is not None)
    return VoiceTerms(KeyWay(keys), Encryption(encryption), known)


@dataclass(slots=True)
class Equipment:
    """The services below and beside the call core."""

    config: PbxConfig
    clock: Clock
    journal: Journal
    bus: EventBus
    company: Company
    directory: Directory
    engine: Engine
    prompts: PromptStore
    sip: SipStack
    trunks: TrunkStates
    callers: CallerDirectory | None = None
    ways: IceWays | None = None
    """Where browsers have to be reached by full ICE."""
    occupied: Callable[[str], bool] = lambda _extension: False
    """Tells whether an extension has a call of any kind, ringing ones included."""
    talking: Callable[[str], Call | None] = lambda _extension: None
    """Returns the call in which an extension talks to somebody."""
    rooms: Rooms = field(default_factory=Rooms)
    """The conferences that go on."""
    dtls: DtlsIdentity = field(default_factory=DtlsIdentity)
    """Our certificate towards browsers."""
    legs_by_endpoint: dict[int, Leg] = field(default_factory=dict)
    """Whom a media event of an endpoint is for."""
    recordings_by_id: dict[int, CallRecording] = field(default_factory=dict)
    """Whom a media event of a recording is for."""

    @property
    def country(self) -> str:
        """The company's country, ISO 3166-1 alpha-2."""
        return self.company.settings.country

    def local_time(self) -> datetime:
        """The present time where the company is."""
        return self.clock.now().astimezone(ZoneInfo(self.company.settings.timezone))

    def voice_terms(self, party: Party) -> VoiceTerms:
        """How voice and keys go to a party and come from it; where its entry is gone, as for one without wishes."""
        snapshot = self.directory.snapshot
        if party.trunk:
            trunk = snapshot.trunks.get(party.trunk)
            return _WITHOUT_WISHES if trunk is None else _voice_terms(trunk.dtmf, trunk.encryption, trunk.codecs)
        extension = snapshot.extensions.get(party.extension)
        return _WITHOUT_WISHES if extension is None else _voice_terms(extension.dtmf, extension.encryption)

    def language(self, extension: str = "") -> str:
        """The language in which an extension is spoken to; without one, the company's."""
        entry = self.directory.snapshot.extensions.get(extension)
        return (entry.language if entry else "") or self.company.settings.language
