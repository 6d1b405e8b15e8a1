"""Codecs that are not decoded here: two who speak the same are connected, packets as they come; who needs our sound is refused."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import pytest

from core.events import CallEnded, CallTransferred, LegHeld, LegResumed, RecordingFailed, TransferKind, TransferResult
from pbx.errors import CallStateError
from pbx.supervision import SuperviseMode
from sip.sdp import SessionDescription
from sip.session_events import Answered, OfferAnswered, Offered, OfferRejected, Progressed
from sip.transfer import Replaces
from sip.uri import Uri
from tests.support.ramal_server import RamalServer
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, description, scripted_carrier, scripted_phone

G729, EVENT = 18, 101
FRAMES = bytes(range(20))
"""Two frames of G.729, 10 ms each."""


class Voice:
    """The socket that a phone's voice goes to and comes from."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._sequence = 0
        self.port = self._socket.getsockname()[1]

    def offer(self, payloads: str = "18 101", lines: str = "") -> bytes:
        return description(port=self.port, payloads=payloads, lines=lines)

    def send(self, answer: bytes, payload: bytes = FRAMES, payload_type: int = G729) -> None:
        """Send a packet to where an answer leads."""
        self._sequence += 1
        header = struct.pack("!BBHII", 0x80, payload_type, self._sequence, 160 * self._sequence, 77)
        self._socket.sendto(header + payload, ("127.0.0.1", SessionDescription.parse(answer).media[0].port))

    async def hear(self, seconds: float = 5) -> tuple[int, bytes]:
        """Wait for a packet of voice or keys, and return its payload type and payload."""
        async with asyncio.timeout(seconds):
            while True:
                packet = await asyncio.get_running_loop().sock_recv(self._socket, 2048)
                if not 192 <= packet[1] <= 223:
                    return packet[1] & 0x7F, packet[12:]

    async def hears(self, seconds: float = 0.2) -> bool:
        """Tell whether something comes within a while."""
        try:
            await self.hear(seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def voices_of_two() -> Iterator[tuple[Voice, Voice]]:
    first, second = Voice(), Voice()
    yield first, second
    first.close()
    second.close()


@contextlib.asynccontextmanager
async def phones(server: RamalServer) -> AsyncIterator[tuple[ScriptedPhone, ScriptedPhone]]:
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        yield ana, boris


async def talk(
    caller: ScriptedPhone, number: str, callee: ScriptedPhone, offer: bytes, answer: bytes
) -> tuple[ScriptedCall, ScriptedCall, bytes]:
    """Let one call the other, who answers so; return both ends and the answer that the caller gets."""
    call = caller.call(number, sdp=offer)
    incoming = await callee.incoming()
    incoming.session.answer(answer)
    told = await call.event(Answered)
    assert told.sdp is not None
    return call, incoming, told.sdp


async def both_ways(one: Voice, at_one: bytes, other: Voice, at_other: bytes, payload_type: int = G729) -> None:
    """Let each of the two hear the other's packets, as they are."""
    one.send(at_one, FRAMES, payload_type)
    assert await other.hear() == (payload_type, FRAMES)
    other.send(at_other, FRAMES[::-1], payload_type)
    assert await one.hear() == (payload_type, FRAMES[::-1])


def media(sdp: bytes | None) -> tuple[list[str], list[str]]:
    assert sdp is not None
    line = SessionDescription.parse(sdp).media[0]
    return line.formats, line.attributes("fmtp")


async def test_two_who_speak_g729_alone_hear_each_other_untouched(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris):
        offer = at_ana.offer(lines="a=fmtp:18 annexb=yes\r\n")
        answer = at_boris.offer(lines="a=fmtp:18 annexb=no\r\n")
        call, incoming, told = await talk(ana, "1002", boris, offer, answer)
        assert media(incoming.offer) == (["18", "101"], ["18 annexb=yes", "101 0-16"])
        assert media(told) == (["18", "101"], ["18 annexb=no", "101 0-16"])
        assert incoming.offer is not None
        await both_ways(at_ana, told, at_boris, incoming.offer)
        call.session.hang_up()
        await incoming.over()
        await server.quiet()


async def test_a_mobile_codec_keeps_its_number_and_parameters(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    lines = "a=rtpmap:100 AMR/8000\r\na=fmtp:100 octet-align=1;mode-set=7\r\n"
    async with phones(server) as (ana, boris):
        offer, answer = at_ana.offer("100 101", lines), at_boris.offer("100 101", lines)
        call, incoming, told = await talk(ana, "1002", boris, offer, answer)
        assert incoming.offer is not None
        assert media(told)[1][0] == media(incoming.offer)[1][0] == "100 octet-align=1;mode-set=7"
        await both_ways(at_ana, told, at_boris, incoming.offer, 100)
        call.session.hang_up()
        await server.quiet()


async def test_keys_are_seen_and_repeated_beside_a_codec_that_is_passed_on(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris):
        call, _, told = await talk(ana, "1002", boris, at_ana.offer(), at_boris.offer())
        for end, duration in ((0, 160), (0, 480), (0x80, 640)):
            at_ana.send(told, struct.pack("!BBH", 5, end | 10, duration), EVENT)
        payload_type, payload = await at_boris.hear()
        assert (payload_type, payload[0]) == (EVENT, 5)
        call.session.hang_up()
        await server.quiet()


async def test_hold_is_silence_and_the_talk_goes_on_after_it(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris):
        call, incoming, told = await talk(ana, "1002", boris, at_ana.offer(), at_boris.offer())
        assert incoming.offer is not None
        call.session.offer(at_ana.offer("8 18 101", "a=sendonly\r\n"))
        await server.fact(LegHeld)
        held = await call.event(OfferAnswered)
        assert media(held.sdp)[0] == ["18", "101"]
        assert not await at_boris.hears()
        call.session.offer(at_ana.offer())
        await server.fact(LegResumed)
        await call.event(OfferAnswered, count=2)
        await both_ways(at_ana, told, at_boris, incoming.offer)
        call.session.hang_up()
        await server.quiet()


async def test_an_offer_without_the_codec_in_use_is_refused_and_the_call_goes_on(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris):
        call, incoming, told = await talk(ana, "1002", boris, at_ana.offer(), at_boris.offer())
        assert incoming.offer is not None
        call.session.offer(at_ana.offer("8 101"))
        assert (await call.event(OfferRejected)).status == 488
        await both_ways(at_ana, told, at_boris, incoming.offer)
        # Asked for an offer of ours, only what is in use is offered.
        incoming.session.offer(at_boris.offer("18 0 101"))
        assert media((await incoming.event(OfferAnswered)).sdp)[0] == ["18", "101"]
        call.session.hang_up()
        await server.quiet()


@pytest.mark.parametrize("number", ["*78", "9000"])
async def test_who_cannot_hear_us_is_not_answered_where_we_speak(server: RamalServer, number: str) -> None:
    await server.exchange.directory.create_conference(number="9000", name="All")
    async with phones(server) as (ana, _):
        call = ana.call(number, sdp=description(payloads="18 101"))
        assert await call.over() == 488
        assert (await server.fact(CallEnded)).reason == "No common codec"


async def test_a_carrier_that_speaks_g729_alone_is_refused_by_an_extension_that_does_not(server: RamalServer) -> None:
    async with scripted_carrier(server) as line, scripted_phone(server, "1001") as ana:
        call = line.call("+74951112233", sdp=description(payloads="18 101"))
        incoming = await ana.incoming()
        assert media(incoming.offer)[0] == ["18", "101"]
        incoming.session.reject(488)
        assert await call.over() == 488


async def test_a_trunk_that_may_not_speak_it_is_not_asked(server: RamalServer) -> None:
    async with scripted_carrier(server) as line, scripted_phone(server, "1001") as ana:
        (trunk,) = server.exchange.directory.snapshot.trunks.values()
        await server.exchange.directory.update_trunk(trunk.id, codecs=["PCMA"])
        assert await ana.call("+79161234567", sdp=description(payloads="18 101")).over() == 488
        assert line.untouched
        await server.exchange.directory.update_trunk(trunk.id, codecs=["PCMA", "G729"])
        ana.call("+79161234567", sdp=description(payloads="18 101"))
        assert media((await line.incoming()).offer)[0] == ["18", "101"]


async def test_a_recorded_call_prefers_what_can_be_recorded_and_tells_where_nothing_can(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_line, at_ana = voices_of_two
    async with scripted_carrier(server) as line, scripted_phone(server, "1001") as ana:
        mixed = line.call("+74951112233", sdp=at_line.offer("18 8 101"))
        incoming = await ana.incoming()
        assert "18" not in media(incoming.offer)[0]
        mixed.session.hang_up()
        await server.quiet()
        _, _, told = await talk(line, "+74951112233", ana, at_line.offer(), at_ana.offer())
        failed = await server.fact(RecordingFailed)
        assert failed.reason == "The call speaks G729, which is only passed on and cannot be recorded."
        at_line.send(told)
        assert await at_ana.hear() == (G729, FRAMES)
        assert list(server.recordings.rglob("*.wav")) == []


@pytest.mark.parametrize("takes_it", [True, False])
async def test_one_who_speaks_more_is_asked_for_it_when_the_new_party_does_not_speak_g729(
    server: RamalServer, voices_of_two: tuple[Voice, Voice], *, takes_it: bool
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris), scripted_phone(server, "1003") as clara:
        call, _, told = await talk(ana, "1002", boris, at_ana.offer("0 18 101"), at_boris.offer())
        assert media(told)[0] == ["18", "101"]
        (live,) = server.exchange.switch.calls()
        server.exchange.switch.transfer(live.id, "1003", TransferKind.BLIND, by_extension="1002")
        third = await clara.incoming()
        third.session.answer(description(payloads="0 101", port=41_000))
        asked = await call.event(Offered)
        assert media(asked.sdp)[0][0] == "0"
        if takes_it:
            call.session.accept_offer(at_ana.offer("0 101"))
            # One that hears nothing is worse off than one whose call is over.
            await asyncio.sleep(0.2)
            assert not call.ended
            call.session.hang_up()
        else:
            call.session.reject_offer(488)
            assert await call.over() == 200
        await third.over()
        await server.quiet()


async def test_a_transfer_to_one_without_a_common_codec_fails_and_the_call_comes_back(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris), scripted_phone(server, "1003") as clara:
        call, incoming, told = await talk(ana, "1002", boris, at_ana.offer(), at_boris.offer())
        assert incoming.offer is not None
        (live,) = server.exchange.switch.calls()
        server.exchange.switch.transfer(live.id, "1003", TransferKind.BLIND, by_extension="1002")
        third = await clara.incoming()
        assert media(third.offer)[0] == ["18", "101"]
        third.session.reject(488)
        failed = await server.fact(CallTransferred)
        assert (failed.result, failed.sip_status) == (TransferResult.FAILED, 488)
        async with asyncio.timeout(15):
            # The one who transferred is told before that it failed, and hears nothing of that.
            while not await at_boris.hears():
                at_ana.send(told)
        call.session.hang_up()
        await server.quiet()


async def test_a_transfer_to_a_conference_fails_and_the_call_comes_back(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    await server.exchange.directory.create_conference(number="9000", name="All")
    async with phones(server) as (ana, boris):
        call, incoming, _ = await talk(ana, "1002", boris, at_ana.offer(), at_boris.offer())
        (live,) = server.exchange.switch.calls()
        server.exchange.switch.transfer(live.id, "9000", TransferKind.BLIND, by_extension="1002")
        failed = await server.fact(CallTransferred)
        assert (failed.result, failed.sip_status) == (TransferResult.FAILED, 488)
        assert not call.ended
        assert not incoming.ended
        call.session.hang_up()
        await server.quiet()


async def test_two_calls_without_a_common_codec_are_not_joined_and_the_first_goes_on(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris), scripted_phone(server, "1003") as clara:
        call, incoming, told = await talk(ana, "1002", boris, at_ana.offer(), at_boris.offer())
        consultation = boris.call("1003", sdp=description(payloads="8 101", port=41_000))
        third = await clara.incoming()
        third.session.answer(description(payloads="8 101", port=41_002))
        await consultation.answered()
        session = consultation.session
        wanted = Replaces(session.call_id, to_tag=session.remote_tag, from_tag=session.local_tag)
        incoming.session.refer(Uri("sip", "1003", "127.0.0.1"), replaces=wanted)
        failed = await server.fact(CallTransferred)
        assert (failed.result, failed.sip_status) == (TransferResult.FAILED, 488)
        async with asyncio.timeout(15):
            while not await at_boris.hears():
                at_ana.send(told)
        assert not third.ended
        call.session.hang_up()
        consultation.session.hang_up()
        await server.quiet()


async def test_of_several_phones_the_one_that_answers_decides(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris), scripted_phone(server, "1002") as other:
        call = ana.call("1002", sdp=at_ana.offer("0 18 101"))
        ringing = await other.incoming()
        incoming = await boris.incoming()
        assert media(ringing.offer)[0] == media(incoming.offer)[0] == ["0", "8", "9", "111", "18", "101", "110"]
        ringing.session.progress(180)
        incoming.session.answer(at_boris.offer())
        told = (await call.event(Answered)).sdp
        assert told is not None
        assert incoming.offer is not None
        assert await ringing.over() == 487
        await both_ways(at_ana, told, at_boris, incoming.offer)
        call.session.hang_up()
        await server.quiet()


async def test_the_voice_before_the_answer_is_passed_on_too(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris):
        call = ana.call("1002", sdp=at_ana.offer())
        incoming = await boris.incoming()
        incoming.session.progress(183, sdp=at_boris.offer())
        early = await call.event(Progressed)
        assert early.sdp is not None
        assert incoming.offer is not None
        at_boris.send(incoming.offer)
        assert await at_ana.hear() == (G729, FRAMES)
        incoming.session.answer(at_boris.offer())
        await call.answered()
        await both_ways(at_ana, early.sdp, at_boris, incoming.offer)
        call.session.hang_up()
        await server.quiet()


async def test_a_call_that_rings_is_picked_up_by_one_who_speaks_the_callers_codec(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_clara = voices_of_two
    async with phones(server) as (ana, boris), scripted_phone(server, "1003") as clara:
        call = ana.call("1002", sdp=at_ana.offer())
        ringing = await boris.incoming()
        ringing.session.progress(180)
        assert await clara.call("*81002", sdp=description(payloads="8 101", port=41_000)).over() == 488
        taker = clara.call("*81002", sdp=at_clara.offer())
        at_taker = (await taker.event(Answered)).sdp
        at_caller = (await call.event(Answered)).sdp
        assert at_taker is not None
        assert at_caller is not None
        await both_ways(at_ana, at_caller, at_clara, at_taker)
        call.session.hang_up()
        await server.quiet()


async def test_nobody_supervises_what_nobody_else_can_hear(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris), scripted_phone(server, "1003"):
        call, _, _ = await talk(ana, "1002", boris, at_ana.offer(), at_boris.offer())
        (live,) = server.exchange.switch.calls()
        with pytest.raises(CallStateError, match="The call speaks G729"):
            server.exchange.switch.supervise(live.id, "1003", SuperviseMode.LISTEN)
        call.session.hang_up()
        await server.quiet()


async def test_a_call_goes_by_the_next_trunk_where_the_first_may_not_speak_its_codec(server: RamalServer) -> None:
    async with scripted_carrier(server) as line, scripted_phone(server, "1001") as ana:
        directory = server.exchange.directory
        await directory.create_trunk(name="other", host="127.0.0.1", port=1, codecs=["PCMA"])
        await directory.create_route(name="first", prefix="+7", trunks=["other", "carrier"])
        ana.call("+79161234567", sdp=description(payloads="18 101"))
        assert media((await line.incoming()).offer)[0] == ["18", "101"]


async def test_nobody_is_kept_waiting_for_words_that_it_cannot_hear(
    server: RamalServer, voices_of_two: tuple[Voice, Voice]
) -> None:
    at_ana, at_boris = voices_of_two
    async with phones(server) as (ana, boris):
        call = ana.call("1002", sdp=at_ana.offer())
        incoming = await boris.incoming()
        incoming.session.progress(183, sdp=at_boris.offer())
        await call.event(Progressed)
        incoming.session.reject(486)
        async with asyncio.timeout(1.5):
            assert await call.over() == 486
