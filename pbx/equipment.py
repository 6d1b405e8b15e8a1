"""What every call works with, handed around as one value instead of globals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from core.bus import EventBus
from core.clock import Clock
from core.company import Company
from core.journal import Journal
from media.engine import Engine
from media.prompts import PromptStore
from pbx.config import PbxConfig
from pbx.directory import Directory
from pbx.ports import CallerDirectory
from sip.stack import SipStack

if TYPE_CHECKING:
    from pbx.call_recording import CallRecording
    from pbx.entries import Trunk
    from pbx.leg import Leg


class TrunkStates(Protocol):
    """One that knows which trunks are worth trying."""

    def usable(self, trunk: Trunk) -> bool:
        """Tell whether a call may be sent to the trunk now."""
        ...

    def call_failed(self, trunk: Trunk) -> None:
        """Note that the trunk gave no sign to a call."""
        ...


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
    occupied: Callable[[str], bool] = lambda _extension: False
    """Tells whether an extension has a call of any kind, ringing ones included."""
    legs_by_endpoint: dict[int, Leg] = field(default_factory=dict)
    """Whom a media event of an endpoint is for."""
    recordings_by_id: dict[int, CallRecording] = field(default_factory=dict)
    """Whom a media event of a recording is for."""

    @property
    def country(self) -> str:
        """The company's country, ISO 3166-1 alpha-2."""
        return self.company.settings.country

    def language(self, extension: str = "") -> str:
        """The language in which an extension is spoken to; without one, the company's."""
        entry = self.directory.snapshot.extensions.get(extension)
        return (entry.language if entry else "") or self.company.settings.language
