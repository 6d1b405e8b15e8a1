"""`ramal softphone`: a phone on the terminal. What it says comes from WAV files and what it hears goes to them."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TextIO

from core.visible import visible
from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone, SoftPhoneError

_HELP: Final = """\
call NUMBER          call an extension, a number or a sip: address
answer               take the call that rings
reject [STATUS]      refuse it; 486 (busy) unless you say otherwise
hangup               end the call
hold / resume        put the call on hold, take it up again
transfer NUMBER      transfer the call and leave
join                 connect the held call with the present one and leave
keys DIGITS          press keys: 0-9 * #
play FILE.wav        say a WAV file into the call, over and over; `play` alone falls silent
record FILE.wav      write what is heard to a file; `record` alone closes it
calls                list the calls
help, quit"""

_USUAL_PORTS: Final = {"ws": 8080, "wss": 8443}

Lines = AsyncIterator[str]


async def run_softphone(
    server: str,
    extension: str,
    password: str,
    *,
    register: bool = True,
    transport: str = "udp",
    address: str = "127.0.0.1",
    lines: Lines | None = None,
    output: TextIO | None = None,
) -> None:
    """Register an extension and obey the lines that are typed, until `quit` or the end of input.

    Args:
        server: host or host:port.
        extension: the username.
        password: its password.
        register: False for a phone that is called directly.
        transport: `udp` or `tcp`; with `ws` or `wss` it is a WebRTC phone, and `server` the web server.
        address: the local address for SIP and voice.
        lines: what is typed; standard input when None.
        output: where it is shown; standard output when None.

    Raises:
        SoftPhoneError: pjsua2 is missing, or the server refuses the extension.
    """
    setup = PhoneSetup(
        server if ":" in server else f"{server}:{_USUAL_PORTS.get(transport, 5060)}",
        extension,
        password=password,
        register=register,
        transport=transport,
        address=address,
    )
    phone = await SoftPhone.start(setup)
    terminal = Terminal(phone, output or sys.stdout)
    try:
        state = f"registered at {setup.server}" if register else f"reached at {phone.uri}"
        terminal.show(f"{extension} is {state}. Type help for what it can do.")
        async for line in lines or _standard_input():
            if not await terminal.obey(line):
                return
    finally:
        await phone.close()


class Terminal:
    """Turns typed lines into what the phone does, and what the phone tells into lines."""

    def __init__(self, phone: SoftPhone, output: TextIO) -> None:
        self._phone = phone
        self._output = output
        self._verbs: dict[str, Callable[[str], Awaitable[None]]] = {
            "call": self._dial,
            "answer": self._answer,
            "reject": self._reject,
            "hangup": lambda _: self._present().hang_up(),
            "hold": lambda _: self._present().hold(),
            "resume": lambda _: self._held().resume(),
            "transfer": lambda number: self._present().transfer(_needed(number, "a number")),
            "join": lambda _: self._held().transfer_to(self._present()),
            "keys": lambda digits: self._present().press(_needed(digits, "digits")),
            "play": self._play,
            "record": self._record,
            "calls": self._list,
            "help": self._help,
        }
        phone.listeners.append(self._told)

    def show(self, text: str) -> None:
        """Write a line to the user."""
        self._output.write(visible(text) + "\n")
        self._output.flush()

    async def obey(self, line: str) -> bool:
        """Do what a line says; return False when it says quit."""
        verb, _, rest = line.strip().partition(" ")
        if verb in ("quit", "exit"):
            return False
        action = self._verbs.get(verb)
        if action is None:
            if verb:
                self.show(f"There is no {verb!r} here. Type help for what there is.")
            return True
        try:
            await action(rest.strip())
        except SoftPhoneError as error:
            self.show(str(error))
        return True

    async def _dial(self, number: str) -> None:
        await self._phone.call(_needed(number, "a number"))

    async def _answer(self, _: str) -> None:
        await self._ringing().answer()

    async def _reject(self, status: str) -> None:
        if status and not (status.isdigit() and 400 <= int(status) <= 699):
            raise SoftPhoneError("A call is refused with a status from 400 to 699.")
        await self._ringing().answer(int(status or 486))

    async def _play(self, name: str) -> None:
        await (self._present().play(_wav(name)) if name else self._present().stop_playing())

    async def _record(self, name: str) -> None:
        await (self._present().record(_path(name)) if name else self._present().stop_recording())

    async def _list(self, _: str) -> None:
        calls = [call for call in self._phone.calls if not call.ended]
        for call in calls:
            self.show(f"{call.id}  {_party(call)}  {call.state}  {call.media}")
        if not calls:
            self.show("There is no call.")

    async def _help(self, _: str) -> None:
        self.show(_HELP)

    def _ringing(self) -> PhoneCall:
        return self._newest(lambda call: call.incoming and call.state in ("incoming", "ringing"), "No call rings.")

    def _present(self) -> PhoneCall:
        return self._newest(lambda call: call.media != "local_hold", "There is no call.")

    def _held(self) -> PhoneCall:
        return self._newest(lambda call: call.media == "local_hold", "No call is on hold.")

    def _newest(self, wanted: Callable[[PhoneCall], bool], otherwise: str) -> PhoneCall:
        for call in reversed(self._phone.calls):
            if not call.ended and wanted(call):
                return call
        raise SoftPhoneError(otherwise)

    def _told(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        call = next((call for call in reversed(self._phone.calls) if call.id == event.get("call")), None)
        if kind == "registration" and event["status"] >= 300:
            self.show(f"The registration failed with {event['status']} {event['reason']}.")
        elif kind == "trouble":
            self.show(f"The phone has trouble: {event['message']}.")
        elif call is None:
            return
        elif kind == "incoming":
            self.show(f"{_party(call)} calls. answer, or reject?")
        elif kind == "state" and event["state"] in ("ringing", "confirmed"):
            self.show(f"{_party(call)}: {'ringing' if event['state'] == 'ringing' else 'connected'}.")
        elif kind == "state" and event["state"] == "ended":
            self.show(f"{_party(call)}: ended after {call.seconds:.0f} s ({event['status']} {event['reason']}).")
        elif kind == "media" and event["status"] in ("local_hold", "remote_hold"):
            self.show(f"{_party(call)}: on hold{'' if event['status'] == 'local_hold' else ' by the other side'}.")
        elif kind == "digit":
            self.show(f"{_party(call)} pressed {event['digit']}.")
        elif kind == "transfer":
            self.show(f"Transfer: {event['status']}.")


def _party(call: PhoneCall) -> str:
    number = call.number or call.remote or "The call"
    return f"{call.name} ({number})" if call.name else number


def _needed(text: str, what: str) -> str:
    if not text:
        raise SoftPhoneError(f"That needs {what} behind it.")
    return text


def _path(name: str) -> Path:
    try:
        return Path(*shlex.split(name)[:1])
    except ValueError:
        raise SoftPhoneError("A quote in the file's name is not closed.") from None


def _wav(name: str) -> Path:
    path = _path(name)
    if not path.is_file():
        raise SoftPhoneError(f"There is no file {path}.")
    return path


async def _standard_input() -> Lines:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while line := await reader.readline():
            yield line.decode("utf-8", "replace")
    finally:
        transport.close()
