"""How legs sound, as it is shown: ten seconds a sample."""

from __future__ import annotations

from pydantic import Field

from api.fields import Output, Time


class QualityOut(Output):
    """How a leg sounded in the seconds up to `at`; MOS is estimated with a simplified E-model (ITU-T G.107)."""

    at: Time
    seconds: float
    loss: float = Field(description="Share of the party's packets that were lost, 0 to 1.")
    jitter_ms: float
    round_trip_ms: float | None = Field(description="null until the party reports it by RTCP.")
    mos: float = Field(description="Of what we hear of the party, 1 to 4.5.")
    far_loss: float | None = Field(
        description="Share of our packets that the party says it lost; null: it did not say."
    )
    far_jitter_ms: float | None
    far_mos: float | None = Field(description="Of what the party hears, 1 to 4.5.")
