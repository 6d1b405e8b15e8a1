"""A WebRTC phone without a browser: aiortc carries the voice, SIP goes over a WebSocket, and JSON lines say what to do.

The lines are those of `phone_process`, so that whoever drives one phone can drive the other. Keys go as SIP INFO, which aiortc has
nothing to say against. What it cannot do is refused in words.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
import wave
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiortc import RTCIceServer

from core.errors import RamalError
from ramal.softphone.webrtc_line import WebRtcLine
from ramal.softphone.webrtc_voice import Voice
from sip.errors import SipError
from sip.sdp import SessionDescription
from sip.session import InviteSession
from sip.session_events import (
    Answered,
    Cancelled,
    DigitReceived,
    Ended,
    OfferAnswered,
    Offered,
    Progressed,
    ReferProgressed,
    Rejected,
    SessionEvent,
)
from sip.uri import Uri

_LONGEST_LINE: Final = 65_536
_KEY_MS: Final = 160
_KEY_PAUSE: Final = 0.1
_REFUSED: Final = 300
_TROUBLES: Final = (RamalError, OSError, ValueError, LookupError, TypeError, TimeoutError, wave.Error)


# What is logged must not come between the lines.
_PARENT = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def tell(**values: Any) -> None:
    """Write one line to the parent."""
    _PARENT.write(json.dumps(values) + "\n")
    _PARENT.flush()


class WebRtcCall:
    """One call: a SIP session and its voice."""

    def __init__(self, number: int, phone: WebRtcPhone) -> None:
        self.number = number
        self.session: InviteSession | None = None
        self.voice = Voice(lambda: tell(event="played", call=number), phone.ice_servers)
        self.over = False
        self._phone = phone
        self._answered_at: float | None = None
        self._held = False

    @property
    def live(self) -> InviteSession:
        """The session. Raises `LookupError` when it is over."""
        if self.session is None or self.over:
            raise LookupError(f"there is no call {self.number}")
        return self.session

    def session_event(self, _session: InviteSession, event: SessionEvent) -> None:
        """Take what happens to the session."""
        match event:
            case Progressed(status=status):
                self.tell_state("ringing", status)
                if event.sdp:
                    self._phone.do(self._connect(event.sdp))
            case Answered(sdp=sdp):
                self._phone.do(self._taken(sdp))
            case Offered(sdp=sdp):
                self._phone.do(self._reoffered(sdp))
            case OfferAnswered(sdp=sdp):
                self._phone.do(self._connect(sdp))
            case DigitReceived(digit=digit):
                tell(event="digit", call=self.number, digit=digit)
            case ReferProgressed():
                tell(event="transfer", call=self.number, status=event.status, final=event.final)
            case Rejected():
                self._end(event.status, event.reason)
            case Cancelled():
                self._end(487, event.reason)
            case Ended():
                self._end(event.status, event.reason)
            case _:
                pass

    async def answer(self, status: int) -> None:
        """Ring, take the call, or refuse it."""
        session = self.live
        if status < 200:
            session.progress(status)
        elif status >= _REFUSED:
            session.reject(status)
            self._end(status, "")
        else:
            offer = session.remote_offer
            session.answer(await self.voice.offer() if offer is None else await self.voice.answer(offer))
            self._confirm(offer)

    async def hold(self, *, held: bool) -> None:
        """Put the call on hold, or take it up again."""
        self._held = held
        self.live.offer(await self.voice.offer(hold=held))

    def hang_up(self) -> None:
        """End the call."""
        if self.session is not None and not self.over:
            self.session.hang_up()
            self._end(200, "")

    def tell_state(self, state: str, status: int = 0, reason: str = "") -> None:
        """Tell the parent how the call stands."""
        loop = asyncio.get_running_loop()
        seconds = 0.0 if self._answered_at is None else loop.time() - self._answered_at
        remote = str(self.session.remote_identity) if self.session is not None else ""
        tell(
            event="state",
            call=self.number,
            state=state,
            status=status,
            reason=reason,
            remote=remote,
            seconds=seconds,
            follows=None,
        )

    async def _taken(self, sdp: bytes | None) -> None:
        if sdp is not None:
            await self.voice.accept(sdp)
        self._confirm(sdp)

    async def _connect(self, sdp: bytes) -> None:
        await self.voice.accept(sdp)
        self._tell_media(sdp)

    async def _reoffered(self, sdp: bytes | None) -> None:
        self.live.accept_offer(await self.voice.offer() if sdp is None else await self.voice.answer(sdp))
        if sdp is not None:
            self._tell_media(sdp)

    def _confirm(self, sdp: bytes | None) -> None:
        if self.over:
            return
        self._answered_at = asyncio.get_running_loop().time()
        self._tell_media(sdp)
        self.tell_state("confirmed", 200)

    def _tell_media(self, sdp: bytes | None) -> None:
        status = "local_hold" if self._held else "active"
        tell(event="media", call=self.number, status=status, codec=_first_codec(sdp))

    def _end(self, status: int, reason: str) -> None:
        if self.over:
            return
        self.tell_state("ended", status, reason)
        self.over = True
        self._phone.do(self.voice.close())


class WebRtcPhone:
    """The line and its calls."""

    def __init__(self) -> None:
        self.calls: dict[int, WebRtcCall] = {}
        self.ice_servers: list[RTCIceServer] = []
        self._line: WebRtcLine | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Callable[..., Awaitable[dict[str, Any] | None]]] = {
            "start": self.start,
            "call": self.call,
            "answer": lambda call, status: self._call(call).answer(status),
            "hang_up": self.hang_up,
            "hold": lambda call: self._call(call).hold(held=True),
            "resume": lambda call: self._call(call).hold(held=False),
            "transfer": self.transfer,
            "digits": self.digits,
            "play": self.play,
            "record": self.record,
            "register": self.register,
        }

    async def start(
        self, server: str, username: str, password: str, register: bool, transport: str, display_name: str, **_: Any
    ) -> dict[str, Any]:
        """Open the WebSocket, and register; what only other phones have is passed over."""
        url = f"{transport}://{server}/sip"
        self._line = WebRtcLine(url, username, password, display_name, self._taken)
        await self._line.open()
        if register:
            self.do(self._registered())
        return {"contact": server}

    async def call(self, to: str, file: str = "", headers: Mapping[str, str] | None = None, **_: Any) -> dict[str, Any]:
        """Call an extension, a number or a SIP address at the server."""
        if headers:
            raise ValueError("a WebRTC phone sends no headers of its own")
        call = self._new_call()
        if file:
            call.voice.microphone.say(file, loop=True)
        try:
            call.session = self._opened.call(to, await call.voice.offer(), call)
        except BaseException:
            del self.calls[call.number]
            await call.voice.close()
            raise
        call.tell_state("calling")
        return {"call": call.number}

    async def hang_up(self, call: int) -> None:
        """End a call; one that has ended already is no error."""
        if call in self.calls:
            self.calls[call].hang_up()

    async def transfer(self, call: int, to: str) -> None:
        """Transfer blind."""
        self._call(call).live.refer(Uri("sip", to, self._opened.own.uri.host))

    async def digits(self, call: int, digits: str) -> None:
        """Press keys."""
        for digit in digits:
            self._call(call).live.send_key(digit, _KEY_MS)
            await asyncio.sleep(_KEY_PAUSE)

    async def play(self, call: int, file: str, loop: bool = True) -> None:
        """Say a WAV file into the call; without a name fall silent."""
        self._call(call).voice.microphone.say(file, loop=loop)

    async def record(self, call: int, file: str) -> None:
        """Write what is heard to a WAV file; without a name close it."""
        self._call(call).voice.record(file)

    async def register(self, active: bool) -> None:
        """Register again, or leave the registrar."""
        self.do(self._register_once(active=active))

    async def obey(self, line: bytes) -> bool:
        """Do what a line says; return False when it says quit."""
        command = json.loads(line)
        number, name = command.pop("id"), command.pop("do")
        if name == "quit":
            return False
        try:
            if name not in self._commands:
                raise LookupError(f"a WebRTC phone cannot {name}")
            result = await self._commands[name](**command)
        except _TROUBLES as error:
            tell(reply=number, error=str(error) or type(error).__name__)
        else:
            tell(reply=number, ok=True, **(result or {}))
        return True

    def do(self, work: Any) -> None:
        """Do something beside; what goes wrong is told as trouble."""
        task = asyncio.get_running_loop().create_task(_guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Hang up, leave the registrar and complete the recordings."""
        for call in self.calls.values():
            call.hang_up()
        # What a BYE has to say goes out in the next turns of the loop; registrations are refreshed no more.
        await asyncio.sleep(0.2)
        if self._line is not None:
            await self._line.close()
        for task in self._tasks:
            task.cancel()
        for call in self.calls.values():
            await call.voice.close()

    @property
    def _opened(self) -> WebRtcLine:
        if self._line is None:
            raise LookupError("the phone was not started")
        return self._line

    def _call(self, number: int) -> WebRtcCall:
        call = self.calls.get(number)
        if call is None or call.over:
            raise LookupError(f"there is no call {number}")
        return call

    def _new_call(self) -> WebRtcCall:
        call = WebRtcCall(len(self.calls), self)
        self.calls[call.number] = call
        return call

    def _taken(self, session: InviteSession) -> None:
        call = self._new_call()
        call.session = session
        session.listener = call
        session.progress(180)
        remote, local = str(session.remote_identity), str(self._opened.own)
        tell(event="incoming", call=call.number, remote=remote, local=local)

    async def _registered(self) -> None:
        await self._register_once(active=True)
        await self._opened.stay_registered()

    async def _register_once(self, *, active: bool) -> None:
        status = await self._opened.register(active=active)
        tell(event="registration", status=status, reason="", active=active)


async def _guarded(work: Awaitable[None]) -> None:
    try:
        await work
    except (*_TROUBLES, SipError) as error:
        tell(event="trouble", message=str(error) or type(error).__name__)


def _first_codec(sdp: bytes | None) -> str:
    if sdp is None:
        return ""
    payloads = SessionDescription.parse(sdp).media[0].payloads()
    return next((name for name, _ in payloads.values()), "")


async def run() -> None:
    """Obey the parent until it says quit or is gone."""
    phone = WebRtcPhone()
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(functools.partial(asyncio.StreamReaderProtocol, reader), sys.stdin)
    try:
        while line := await reader.readline():
            if not await phone.obey(line):
                break
    finally:
        await phone.close()


if __name__ == "__main__":
    asyncio.run(run())
