"""Who takes a call that is clicked, a person or a machine: real phones say real words, and live events tell when somebody speaks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.events import AnswererJudged, CallEnded
from tests.interop.conftest import PhoneFactory
from tests.support.audio import make_speech
from tests.support.ramal_server import RamalServer


@pytest.mark.parametrize(
    ("words", "answerer"),
    [
        ("Hello?", "person"),
        ("Hello, you have reached John Smith. I am not at home. Please leave a message after the tone.", "machine"),
        ("", "unknown"),
    ],
)
async def test_who_takes_a_clicked_call_is_judged(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path, words: str, answerer: str
) -> None:
    switch = server.exchange.switch
    ana, boris = await phone("1001"), await phone("1002")
    made = switch.originate("1001", "1002", detect_machine=True)
    own = await ana.incoming()
    await own.answer()
    called = await boris.incoming()
    await called.answer()
    await called.confirmed()
    if words:
        await asyncio.sleep(0.4)
        await called.play(make_speech(tmp_path / "greeting.wav", words), loop=False)
    judged = await server.fact(AnswererJudged, 15)
    assert judged.answerer == answerer
    legs = {leg.extension: leg for leg in switch.call(made.id).legs}
    assert legs["1002"].id == judged.leg_id
    assert (legs["1001"].answerer, legs["1002"].answerer) == ("", answerer)
    assert "call.answerer" in {event.kind for event in server.events}
    await own.hang_up()
    await server.fact(CallEnded)
    await server.quiet()


async def test_who_begins_and_ends_to_speak_is_told_while_that_is_watched(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    switch = server.exchange.switch
    ana, boris = await phone("1001"), await phone("1002")
    call = await ana.call("1002")
    incoming = await boris.incoming()
    await incoming.answer()
    await call.confirmed()
    view = switch.watch_voice(switch.calls()[0].id, on=True)
    leg = next(leg.id for leg in view.legs if leg.extension == "1002")
    words = make_speech(tmp_path / "words.wav", "I would like to know when you are open.")
    await asyncio.sleep(1.0)
    await incoming.say(words)
    await asyncio.sleep(1.5)

    def told() -> list[tuple[str, str]]:
        return [(event.kind, event.payload["leg"]) for event in server.events if event.kind.startswith("call.voice_")]

    kinds = [kind for kind, who in told() if who == leg]
    assert kinds[:1] == ["call.voice_began"]
    assert kinds[-1:] == ["call.voice_ended"]
    assert {who for _, who in told()} == {leg}
    ended = [event for event in server.events if event.kind == "call.voice_ended"]
    assert all(0.4 <= event.payload["after_seconds"] < 5 for event in ended)
    switch.watch_voice(view.id, on=False)
    before = len(told())
    await incoming.say(words)
    await asyncio.sleep(1.0)
    assert len(told()) == before
    await call.hang_up()
    await server.fact(CallEnded)
    await server.quiet()
