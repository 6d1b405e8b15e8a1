"""The trace of a call is to be had while it goes on, and as soon as it has begun."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from core.identifiers import new_id
from pbx.call_trace import CallTraces, TraceNotFoundError
from pbx.cdrs.errors import CdrNotFoundError
from pbx.cdrs.queries import CdrQueries


class LateRecords:
    """Records of which each is there only when it is asked for the third time."""

    def __init__(self) -> None:
        self.asked = 0

    async def get(self, call: str) -> Any:
        self.asked += 1
        if self.asked < 3:
            raise CdrNotFoundError("not yet")
        raise LookupError(call)

    async def with_leg(self, sip_call_id: str, at: datetime) -> None:
        raise AssertionError(f"{sip_call_id} is no SIP Call-ID ({at})")


async def test_the_record_of_a_call_that_has_just_begun_is_waited_for(tmp_path: Path) -> None:
    records = LateRecords()
    with pytest.raises(LookupError):
        await CallTraces(cast("CdrQueries", records), tmp_path).find(new_id())
    assert records.asked == 3


@pytest.mark.parametrize("call", ["abc@192.0.2.1", "019a1b2c-0000-7000-8000-000000000000", "x" * 36])
async def test_what_is_no_new_call_is_not_waited_for(tmp_path: Path, call: str) -> None:
    records = LateRecords()
    began = time.monotonic()
    with pytest.raises(TraceNotFoundError):
        await CallTraces(cast("CdrQueries", records), tmp_path).find(call)
    assert records.asked == 1
    assert time.monotonic() - began < 2
