"""A call as the journal tells it: from outside, answered by 1001, handed over to 1002, and one call out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile

from core.events import (
    CallAnswered,
    CallEnded,
    CallFact,
    CallOffered,
    CallTransferred,
    Direction,
    Disposition,
    LegAnswered,
    LegCreated,
    LegEnded,
    LegQuality,
    PartyRole,
    QualitySample,
    RecordingStarted,
    RecordingStopped,
    TransferKind,
    TransferResult,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CUSTOMER = "+79161234567"
COMPANY = "+74951112233"
MOBILE = "+79031112233"
INBOUND = "019f0c6e-7a1b-7c3d-9e4f-000000000001"
OUTBOUND = "019f0c6e-7a1b-7c3d-9e4f-000000000002"
RECORDING = "019f0c6e-7a1b-7c3d-9e4f-00000000000a"
LOCATION = f"2026/03/02/{RECORDING}.wav"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@dataclass
class Teller:
    """Makes the facts of one call."""

    call_id: str
    facts: list[CallFact] = field(default_factory=list)

    def leg(
        self, leg_id: str, number: str, *, begin: float, answer: float | None, end: float, incoming: bool = False
    ) -> None:
        inside = not number.startswith("+")
        self.facts.append(
            LegCreated(
                at=at(begin),
                call_id=self.call_id,
                leg_id=leg_id,
                role=PartyRole.AGENT if inside else PartyRole.CUSTOMER,
                number=number,
                incoming=incoming,
                extension=number if inside else "",
                trunk="" if inside else "carrier",
            )
        )
        if answer is not None:
            self.facts.append(LegAnswered(at=at(answer), call_id=self.call_id, leg_id=leg_id))
        self.facts.append(LegEnded(at=at(end), call_id=self.call_id, leg_id=leg_id, sip_status=0 if answer else 487))

    def told(self) -> list[CallFact]:
        return sorted(self.facts, key=lambda fact: fact.at)


def inbound_call() -> list[CallFact]:
    """The customer speaks with 1001 for 60 s and then with 1002 for 60 s; 1003 was rung and did not answer."""
    teller = Teller(INBOUND)
    teller.facts.append(
        CallOffered(
            at=START,
            call_id=INBOUND,
            direction=Direction.INBOUND,
            from_number=CUSTOMER,
            to_number=COMPANY,
            dialled=COMPANY,
            from_name="Ivan",
            trunk="carrier",
        )
    )
    teller.leg("leg-1", CUSTOMER, begin=0, answer=1, end=130, incoming=True)
    teller.leg("leg-0", "1003", begin=1, answer=None, end=4)
    teller.leg("leg-2", "1001", begin=4, answer=10, end=70)
    teller.leg("leg-3", "1002", begin=60, answer=70, end=130)
    teller.facts += [
        CallAnswered(at=at(10), call_id=INBOUND, leg_id="leg-2", extension="1001"),
        RecordingStarted(
            at=at(10), call_id=INBOUND, recording_id=RECORDING, location=LOCATION, channels=2, sample_rate=8000
        ),
        CallTransferred(
            at=at(70),
            call_id=INBOUND,
            transfer_id="transfer-1",
            kind=TransferKind.ATTENDED,
            result=TransferResult.COMPLETED,
            from_extension="1001",
            to_number="1002",
            new_leg_id="leg-3",
        ),
        LegQuality(
            at=at(20),
            call_id=INBOUND,
            leg_id="leg-2",
            samples=(
                QualitySample(
                    at=at(20), seconds=10, loss=0.02, jitter_ms=2.5, round_trip_ms=31.0, mos=3.4, far_loss=0.0
                ),
            ),
        ),
        RecordingStopped(at=at(130), call_id=INBOUND, recording_id=RECORDING, location=LOCATION),
        CallEnded(at=at(131), call_id=INBOUND, disposition=Disposition.ANSWERED),
    ]
    return teller.told()


def outbound_call() -> list[CallFact]:
    """1002 calls a mobile number and speaks for 61 s."""
    teller = Teller(OUTBOUND)
    teller.facts.append(
        CallOffered(
            at=at(600),
            call_id=OUTBOUND,
            direction=Direction.OUTBOUND,
            from_number="1002",
            to_number=MOBILE,
            dialled="89031112233",
            from_extension="1002",
        )
    )
    teller.leg("leg-4", "1002", begin=600, answer=605, end=666, incoming=True)
    teller.leg("leg-5", MOBILE, begin=601, answer=605, end=666)
    teller.facts += [
        CallAnswered(at=at(605), call_id=OUTBOUND, leg_id="leg-5"),
        CallEnded(at=at(667), call_id=OUTBOUND, disposition=Disposition.ANSWERED),
    ]
    return teller.told()


def write_recording(folder: Path) -> bytes:
    """Put the recording's file where it belongs: a tone on each side; return its bytes."""
    file = folder / LOCATION
    file.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(2 * 8000) / 8000
    tones = np.stack([0.5 * np.sin(2 * np.pi * 440 * times), 0.25 * np.sin(2 * np.pi * 700 * times)], axis=1)
    soundfile.write(file, tones, 8000, subtype="PCM_16")
    return file.read_bytes()
