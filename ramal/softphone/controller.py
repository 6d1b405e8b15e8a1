"""Phones seen from asyncio: each `SoftPhone` drives one phone process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from core.errors import Fault, RamalError

_PROCESS: Final = Path(__file__).with_name("phone_process.py")
_WEBRTC: Final = "ramal.softphone.webrtc_process"
_WEBSOCKETS: Final = ("ws", "wss")
_REPLY_SECONDS: Final = 15.0
_QUIT_SECONDS: Final = 5.0
_ENDED: Final = "ended"
_IN_WORDS: Final = {"digits": "press keys", "hang_up": "hang up", "transfer_to_call": "join the two calls"}
"""What commands of the phone's process mean, where their name does not say it."""


class SoftPhoneError(RamalError):
    """The phone refused a command, did not do what was waited for, or its process is gone."""

    id = "softphone.error"
    fault = Fault.PEER
    http_status = 502


@dataclass(slots=True, frozen=True)
class PhoneSetup:
    """Who the phone is and where it connects.

    `server` is host:port. Without `register` it is a line without registration: a trunk's far end. `port` is that of SIP, `rtp_port` the
    first of 8 UDP ports for voices; 0 takes free ones. `codecs` names what is offered (`PCMA`, `PCMU`, `G722`, ...), the preferred one
    first; none means all that the phone knows. With `extensions` it demands reliable provisional responses (RFC 3262) and offers session
    timers (RFC 4028). `srtp` is `off`, `optional` or `required`. With `multiplex` RTCP shares the port of RTP (RFC 5761). With `ws` or
    `wss` as transport it is a WebRTC phone (aiortc): `server` is the web server then.
    """

    server: str
    username: str
    port: int = 0
    rtp_port: int = 0
    password: str = ""
    register: bool = True
    address: str = "127.0.0.1"
    transport: str = "udp"
    display_name: str = ""
    codecs: tuple[str, ...] = ()
    extensions: bool = False
    srtp: str = "off"
    multiplex: bool = False


@dataclass(slots=True)
class PhoneCall:
    """One call of a phone, as last told by its process."""

    phone: SoftPhone
    id: int
    remote: str = ""
    local: str = ""
    state: str = ""
    status: int = 0
    reason: str = ""
    seconds: float = 0.0
    media: str = "none"
    digits: str = ""
    transfer_status: int = 0
    codec: str = ""
    files_played: int = 0
    """How many files that are said once have ended."""
    followed_by: PhoneCall | None = field(default=None, repr=False)
    """The call that took this one's place when the other side transferred us."""
    incoming: bool = False
    taken: bool = field(default=False, repr=False)

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self.state == _ENDED

    @property
    def name(self) -> str:
        """The other side's display name, or empty."""
        name, bracket, _ = self.remote.rpartition("<")
        quoted = name.strip().removeprefix('"').removesuffix('"')
        return quoted.replace('\\"', '"').replace("\\\\", "\\") if bracket else ""

    @property
    def number(self) -> str:
        """The other side's number: the user part of its address."""
        address = self.remote.rpartition("<")[2].removeprefix("sips:").removeprefix("sip:")
        return address.partition("@")[0] if "@" in address else ""

    async def answer(self, status: int = 200) -> None:
        """Answer: 180 rings, 200 takes the call, anything above refuses it."""
        await self.phone.do("answer", call=self.id, status=status)

    async def hang_up(self) -> None:
        """End the call; nothing happens when it has ended."""
        await self.phone.do("hang_up", call=self.id)

    async def hold(self) -> None:
        """Put it on hold."""
        await self.phone.do("hold", call=self.id)
        await self.until(lambda: self.media == "local_hold", "be on hold")

    async def resume(self) -> None:
        """Take it up again."""
        await self.phone.do("resume", call=self.id)
        await self.until(lambda: self.media == "active", "be resumed")

    async def transfer(self, to: str) -> None:
        """Transfer blind."""
        await self.phone.do("transfer", call=self.id, to=to)

    async def transfer_to(self, other: PhoneCall) -> None:
        """Transfer attended: connect this call's party with the other's."""
        await self.phone.do("transfer_to_call", call=self.id, other=other.id)

    async def press(self, digits: str) -> None:
        """Press keys (RFC 4733)."""
        await self.phone.do("digits", call=self.id, digits=digits)

    async def play(self, file: Path, *, loop: bool = True) -> None:
        """Speak a WAV file (mono, 16 bit) into the call, over and over or once."""
        await self.phone.do("play", call=self.id, file=str(file), loop=loop)

    async def say(self, file: Path, seconds: float = 20.0) -> None:
        """Speak a WAV file into the call once, and wait until it has ended."""
        before = self.files_played
        await self.play(file, loop=False)
        await self.until(lambda: self.files_played > before, f"say {file.name}", seconds)

    async def stop_playing(self) -> None:
        """Fall silent."""
        await self.phone.do("play", call=self.id, file="")

    async def record(self, file: Path) -> None:
        """Write what the phone hears to a WAV file, which is complete when the call has ended."""
        await self.phone.do("record", call=self.id, file=str(file))

    async def stop_recording(self) -> None:
        """Close the WAV file; it is complete afterwards."""
        await self.phone.do("record", call=self.id, file="")

    async def follower(self, seconds: float = 10.0) -> PhoneCall:
        """Wait for the call that takes this one's place because the other side transferred us."""
        await self.until(lambda: self.followed_by is not None, "be transferred", seconds)
        assert self.followed_by is not None  # noqa: S101 - just waited for
        return self.followed_by

    async def confirmed(self, seconds: float = 10.0) -> Self:
        """Wait until the call is answered and acknowledged.

        Raises:
            SoftPhoneError: it ended instead, or nothing happened in time.
        """
        await self.until(lambda: self.state == "confirmed" or self.ended, "be answered", seconds)
        if self.ended:
            raise SoftPhoneError(f"{self.phone.setup.username}: the call ended with {self.status} {self.reason}.")
        return self

    async def over(self, seconds: float = 10.0) -> int:
        """Wait until the call has ended; return its last status."""
        await self.until(lambda: self.ended, "end", seconds)
        return self.status

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
        """Wait until the condition holds, looking again whenever the phone tells something.

        Raises:
            SoftPhoneError: it did not hold in time.
        """
        await self.phone.until(condition, f"call {self.id} to {what}", seconds)


class SoftPhone:
    """A phone process and what it told."""

    def __init__(self, setup: PhoneSetup, process: asyncio.subprocess.Process) -> None:
        self.setup = setup
        self.calls: list[PhoneCall] = []
        """All calls since the start, oldest first."""
        self.registration = 0
        """Status of the last registration attempt, 0 before."""
        self.troubles: list[str] = []
        """What went wrong inside the phone's callbacks."""
        self.uri = ""
        """Where the phone can be called directly."""
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        """Called with every event as the phone tells it, after `calls` is up to date."""
        self.gone = False
        """Whether its process has ended."""
        self._process = process
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._told = asyncio.Condition()
        self._reader = asyncio.create_task(self._read(), name=f"phone-{setup.username}")

    @classmethod
    async def start(cls, setup: PhoneSetup) -> SoftPhone:
        """Start the process and its line; with `register`, wait until it is registered.

        Raises:
            SoftPhoneError: pjsua2 is not installed, a port is taken, or the registration was refused.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(("-m", _WEBRTC) if setup.transport in _WEBSOCKETS else (str(_PROCESS),)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        phone = cls(setup, process)
        try:
            started = await phone.do("start", **{name: getattr(setup, name) for name in PhoneSetup.__slots__})
            phone.uri = f"sip:{setup.username}@{started['contact']}"
            if setup.transport == "tcp":
                phone.uri += ";transport=tcp"
            if setup.register:
                await phone.until(lambda: phone.registration >= 200, "the registration", 10.0)
        except BaseException:
            await phone.close()
            raise
        if phone.registration >= 300:
            await phone.close()
            raise _registration_refused(setup, phone.registration)
        return phone

    async def call(
        self,
        to: str,
        file: Path | None = None,
        *,
        caller_number: str = "",
        caller_name: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> PhoneCall:
        """Call an extension, a number or a SIP URI; return at once.

        Args:
            to: who is called.
            file: a WAV file that is spoken into the call over and over.
            caller_number: shown instead of the line's own number, as a trunk does.
            caller_name: shown with it.
            headers: further headers of the INVITE.
        """
        values = {"caller_number": caller_number, "caller_name": caller_name, "headers": dict(headers or {})}
        reply = await self.do("call", to=to, file=str(file or ""), **values)
        placed: PhoneCall = reply["placed"]
        return placed

    async def register(self, *, active: bool = True, seconds: float = 10.0) -> int:
        """Register again, or leave the registrar; return the status of the answer."""
        self.registration = 0
        await self.do("register", active=active)
        await self.until(lambda: self.registration > 0, "the registrar", seconds)
        return self.registration

    async def incoming(self, seconds: float = 10.0) -> PhoneCall:
        """Wait for the next incoming call that nobody has taken yet."""
        await self.until(
            lambda: any(call.incoming and not call.taken for call in self.calls), "an incoming call", seconds
        )
        call = next(call for call in self.calls if call.incoming and not call.taken)
        call.taken = True
        return call

    async def do(self, command: str, **values: Any) -> dict[str, Any]:
        """Give a command and wait for its answer.

        Raises:
            SoftPhoneError: the phone refused it, or is gone.
        """
        number = next(self._numbers)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        assert self._process.stdin is not None  # noqa: S101 - opened with a pipe
        try:
            self._process.stdin.write(json.dumps({"id": number, "do": command, **values}).encode() + b"\n")
            await self._process.stdin.drain()
            answer = await asyncio.wait_for(reply, _REPLY_SECONDS)
        except (TimeoutError, OSError) as error:
            webrtc = self.setup.transport in _WEBSOCKETS
            hint = f"Is {'aiortc' if webrtc else 'pjsua2'} installed? `make setup` installs it."
            raise SoftPhoneError(f"The phone {self.setup.username} does not answer.", hint=hint) from error
        finally:
            self._replies.pop(number, None)
        if "error" in answer:
            raise SoftPhoneError(
                f"The phone {self.setup.username} cannot {_IN_WORDS.get(command, command)}: {answer['error']}."
            )
        return answer

    async def until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until the condition holds, looking again whenever the phone tells something.

        Raises:
            SoftPhoneError: it did not hold in time.
        """
        try:
            async with asyncio.timeout(seconds), self._told:
                await self._told.wait_for(lambda: condition() or self.gone)
                if not condition():
                    raise SoftPhoneError(f"The phone {self.setup.username} is gone; it was to wait for {what}.")
        except TimeoutError as error:
            told = f" It said: {'; '.join(self.troubles)}." if self.troubles else ""
            raise SoftPhoneError(f"The phone {self.setup.username} waited in vain for {what}.{told}") from error

    async def close(self) -> None:
        """Hang up everything and end the process."""
        if self._process.returncode is None and self._process.stdin is not None:
            with contextlib.suppress(OSError, TimeoutError):
                self._process.stdin.write(b'{"id": 0, "do": "quit"}\n')
                await asyncio.wait_for(self._process.wait(), _QUIT_SECONDS)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def kill(self) -> None:
        """End the process at once, as when a phone loses its power."""
        self._process.kill()
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - opened with a pipe
        async for line in self._process.stdout:
            message = json.loads(line)
            if "reply" in message:
                if "call" in message:
                    # Found here, for the call may have ended by the time that the one who placed it is woken.
                    message["placed"] = self._find(message["call"])
                if message["reply"] in self._replies and not self._replies[message["reply"]].done():
                    self._replies[message["reply"]].set_result(message)
                continue
            async with self._told:
                self._note(dict(message))
                self._told.notify_all()
            for listener in self.listeners:
                listener(message)
        async with self._told:
            self.gone = True
            self._told.notify_all()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result({"error": "its process has ended"})

    def _note(self, message: dict[str, Any]) -> None:
        event = message.pop("event")
        if event == "registration":
            self.registration = message["status"]
        elif event == "trouble":
            self.troubles.append(message["message"])
        elif event == "incoming":
            call = PhoneCall(self, message["call"], message["remote"], message["local"], "incoming", incoming=True)
            self.calls.append(call)
        else:
            self._note_call(self._find(message.pop("call")), event, message)

    def _note_call(self, call: PhoneCall, event: str, message: dict[str, Any]) -> None:
        if event == "state":
            self._note_follower(call, message["follows"])
            call.state, call.status, call.reason = message["state"], message["status"], message["reason"]
            call.remote, call.seconds = message["remote"], message["seconds"]
        elif event == "media":
            call.media, call.codec = message["status"], message["codec"]
        elif event == "played":
            call.files_played += 1
        elif event == "digit":
            call.digits += message["digit"]
        elif event == "transfer":
            call.transfer_status = message["status"]

    def _note_follower(self, call: PhoneCall, follows: int | None) -> None:
        if follows is None or any(other.followed_by is call for other in self.calls):
            return
        for other in reversed(self.calls):
            if other.id == follows and other is not call:
                other.followed_by = call
                return

    def _find(self, number: int) -> PhoneCall:
        """Return the newest call with this number, pjsua2 uses them again; make it when it is new."""
        for call in reversed(self.calls):
            if call.id == number and not call.ended:
                return call
        call = PhoneCall(self, number)
        self.calls.append(call)
        return call


def _registration_refused(setup: PhoneSetup, status: int) -> SoftPhoneError:
    hint = f"Is {setup.server} the right server, and does it run?" if status >= 500 else ""
    if status in (401, 403, 404, 407):
        hint = "Are the extension and its password right?"
    return SoftPhoneError(f"{setup.username}: the registration was refused with {status}.", hint=hint)
