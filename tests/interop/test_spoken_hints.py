"""Every call that comes to nothing ends with its own status, and with words that the caller really hears (pjsua2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.events import CallEnded, Disposition
from media.prompts import PromptStore
from pbx.outcomes import ENDINGS, Outcome
from ramal.demo.audio import hears
from ramal.softphone.controller import PhoneCall, SoftPhone
from tests.interop.conftest import PhoneFactory
from tests.support.ramal_server import RamalServer
from tests.support.tones import complete

Situation = Callable[[RamalServer, PhoneFactory], Awaitable[SoftPhone | None]]
"""Prepares the company; where somebody rings, returns the phone."""

OUTSIDE = "+74957654321"


async def nobody(_server: RamalServer, _phone: PhoneFactory) -> None:
    """Nothing to prepare."""


async def a_colleague(_server: RamalServer, phone: PhoneFactory) -> SoftPhone:
    """1002 has a phone."""
    return await phone("1002")


async def no_disturbing(server: RamalServer, phone: PhoneFactory) -> None:
    """1002 has a phone and wants no calls."""
    await phone("1002")
    directory = server.exchange.directory
    await directory.update_extension(directory.snapshot.extensions["1002"].id, do_not_disturb=True)


async def a_circle(server: RamalServer, _phone: PhoneFactory) -> None:
    """1002 forwards to the company's own number, which leads to 1002."""
    directory = server.exchange.directory
    await directory.update_extension(directory.snapshot.extensions["1002"].id, forward_to="+74951112233")
    await directory.create_number(number="+74951112233", kind="extension", target="1002")


async def a_carrier(server: RamalServer, phone: PhoneFactory) -> SoftPhone:
    """All outside numbers go to a trunk."""
    line = await phone("trunk", register=False)
    await server.exchange.directory.create_trunk(name="carrier", host="127.0.0.1", port=line.setup.port)
    await server.exchange.directory.create_route(name="all", prefix="+", trunks=["carrier"])
    return line


async def a_route_of_others(server: RamalServer, phone: PhoneFactory) -> None:
    """Only 1003 may call outside."""
    line = await phone("trunk", register=False)
    await server.exchange.directory.create_trunk(name="carrier", host="127.0.0.1", port=line.setup.port)
    await server.exchange.directory.create_route(name="all", prefix="+", trunks=["carrier"], extensions=["1003"])


@pytest.mark.parametrize(
    ("outcome", "situation", "dialled", "answer"),
    [
        (Outcome.UNKNOWN_NUMBER, nobody, "1999", 0),
        (Outcome.UNAVAILABLE, nobody, "1003", 0),
        (Outcome.NO_ANSWER, a_colleague, "1002", 180),
        (Outcome.BUSY, a_colleague, "1002", 486),
        (Outcome.DECLINED, a_colleague, "1002", 603),
        (Outcome.DO_NOT_DISTURB, no_disturbing, "1002", 0),
        (Outcome.LOOP, a_circle, "1002", 0),
        (Outcome.NOT_ALLOWED, a_route_of_others, OUTSIDE, 0),
        (Outcome.TRUNKS_DOWN, a_carrier, OUTSIDE, 503),
        (Outcome.FAILED, a_colleague, "1002", 500),
        (Outcome.NOTHING_TO_PICK_UP, nobody, "*8", 0),
    ],
    ids=lambda value: value.value if isinstance(value, Outcome) else "",
)
async def test_the_caller_hears_in_words_why_nobody_was_reached(
    outcome: Outcome,
    situation: Situation,
    dialled: str,
    answer: int,
    server: RamalServer,
    phone: PhoneFactory,
    prompts: Path,
    tmp_path: Path,
) -> None:
    caller = await phone("1001")
    other = await situation(server, phone)
    call = await caller.call(dialled)
    if other is not None:
        await (await other.incoming()).answer(answer)
    await heard_and_ended(call, outcome, prompts, tmp_path)
    assert (await server.fact(CallEnded)).sip_status == ENDINGS[outcome].status


async def test_a_customer_outside_hears_that_the_line_is_busy(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, prompts: Path, tmp_path: Path
) -> None:
    desk = await phone("1001")
    call = await trunk.call(f"sip:+74951112233@{server.address}")
    await (await desk.incoming()).answer(486)
    await heard_and_ended(call, Outcome.BUSY, prompts, tmp_path)
    assert (await server.fact(CallEnded)).disposition is Disposition.BUSY


async def heard_and_ended(call: PhoneCall, outcome: Outcome, prompts: Path, folder: Path) -> None:
    """Write down what the caller hears until the call is over, and find the hint of the outcome in it, and its status."""
    ending = ENDINGS[outcome]
    await call.until(lambda: call.media == "active", "hear the hint")
    await call.record(folder / "hint.wav")
    assert await call.over(30) == ending.status
    assert hears(await complete(folder / "hint.wav"), PromptStore(prompts).path(ending.prompt, "en"))
