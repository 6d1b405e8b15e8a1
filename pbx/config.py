"""What the call core can be told about its node: one dataclass, every knob with its unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, frozen=True)
class PbxConfig:
    """Settings of the call core on this node; what holds for the company stands in `core.company`."""

    node: str
    """This node's name."""
    domain: str
    """Host part of the addresses phones and trunks see, such as the server's name or address."""
    recordings: Path
    """The folder that recordings' locations are relative to."""
    voice_from_anywhere: bool = False
    """Whether voice may come from any address that has proved itself, and not just from the described one's and the signalling's host."""
    max_calls: int = 2000
    """Live calls above this are refused with 503."""
    media_timeout: float = 30.0
    """Seconds without a packet after which a party that does not hold has vanished; 0 switches it off."""
    alive_interval: float = 2.0
    """Seconds between two `MediaAlive` facts of a call."""
    spoken_hints: bool = True
    """Tell a caller in words why the call failed, before its final status."""
    hint_seconds: float = 10.0
    """The longest such hint."""
    star_code_timeout: float = 3.0
    """Seconds within which the next digit of a star code must come, and after the last digit of a transfer's target."""
    transfer_dial_timeout: float = 15.0
    """Seconds an agent may take to begin to dial the target of a `*2` transfer."""
    transfer_patience: float = 1.0
    """Seconds that a phone which asked for a transfer by REFER has to hang up itself, once it was told that it went well."""
    caller_name_timeout: float = 0.5
    """Seconds the look-up of a caller's name may take."""
    trunk_response_timeout: float = 6.0
    """Seconds a trunk may take to answer at all (be it 100) before the next one is tried."""
    trunk_progress_timeout: float = 20.0
    """Seconds a trunk may take from its 100 to a sign of progress before the next one is tried."""
    outside_ring_seconds: float = 120.0
    """How long an outside number rings."""
    unsolicited_mwi: bool = False
    """Tell waiting messages also to phones that never subscribe to them, at each registration and change."""
    drain_seconds: float = 3.0
    """How long a shutdown waits for calls to end."""
