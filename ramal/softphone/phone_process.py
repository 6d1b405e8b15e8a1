"""The phone itself: pjsua2 driven by JSON lines on standard input, telling what happens by JSON lines on standard output.

pjsua2 is GPL; only this program imports it, and the server never imports this program. The first line must be `start`. Every command is
an object with `id` and `do`; its answer has `reply` (the id) and either `ok` or `error`. What happens on its own has `event`.
"""

from __future__ import annotations

import functools
import json
import os
import select
import socket as sockets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pjsua2 as pj

_POLL_MILLISECONDS = 10
_LONGEST_LINE = 65_536
_SETTLE_SECONDS = 0.5
_GOODBYE_SECONDS = 2.0
_TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
_SRTP = {
    "off": pj.PJMEDIA_SRTP_DISABLED,
    "optional": pj.PJMEDIA_SRTP_OPTIONAL,
    "required": pj.PJMEDIA_SRTP_MANDATORY,
}

# pjsua2 writes its own log to standard output before it can be told not to, so that is put aside.
_PARENT = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def tell(**values: Any) -> None:
    """Write one line to the parent."""
    _PARENT.write(json.dumps(values) + "\n")
    _PARENT.flush()


class PhonePlayer(pj.AudioMediaPlayer):  # type: ignore[misc]
    """A WAV file that speaks, once or over and over."""

    def __init__(self, call: PhoneCall, file: str, *, loop: bool) -> None:
        super().__init__()
        self._call = call.getId()
        self._loop = loop
        self.createPlayer(file, 0 if loop else pj.PJMEDIA_FILE_NO_LOOP)

    def onEof2(self) -> None:  # noqa: N802
        """Tell that a file that is said once has ended."""
        if not self._loop:
            tell(event="played", call=self._call)


class PhoneCall(pj.Call):  # type: ignore[misc]
    """One call with the sounds that go with it."""

    def __init__(self, phone: Phone, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(phone.account, call_id)
        self.phone = phone
        self.player: Any = None
        self.recorder: Any = None
        self.audio: Any = None
        self.recording = ""
        self.follows: int | None = None
        """The call that this one takes the place of, after a transfer."""

    def onCallState(self, prm: Any) -> None:  # noqa: N802 - pjsua2 calls it so
        """Tell the parent how the call stands."""
        self.phone.guarded(self._tell_state)

    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802
        """Connect the sounds to the call's audio, or note that it is on hold."""
        self.phone.guarded(self._connect)

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        """Tell of a digit that was received."""
        tell(event="digit", call=self.getId(), digit=prm.digit)

    def onCallTransferStatus(self, prm: Any) -> None:  # noqa: N802
        """Tell how a transfer that was asked for goes."""
        tell(event="transfer", call=self.getId(), status=prm.statusCode, final=prm.finalNotify)

    def onCallTransferRequest(self, prm: Any) -> None:  # noqa: N802
        """Follow a transfer with a new call."""
        prm.newCall = self.phone.adopt(PhoneCall(self.phone), follows=self.getId())

    def onCallReplaced(self, prm: Any) -> None:  # noqa: N802
        """Go on with the call that takes this one's place."""
        prm.newCall = self.phone.adopt(PhoneCall(self.phone, prm.newCallId), follows=self.getId())

    def play(self, file: str, *, loop: bool) -> None:
        """Speak a WAV file into the call; without a name fall silent."""
        self.player = PhonePlayer(self, file, loop=loop) if file else None
        self._connect()

    def record(self, file: str) -> None:
        """Write what is heard to a WAV file; without a name close the one that is written."""
        self.close_recording()
        if file:
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(file)
            self.recording = file
            self._connect()

    def close_recording(self) -> None:
        """Close the WAV file and wait until it is whole: the library does that on a thread of its own."""
        self.recorder = None
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self.recording and time.monotonic() < deadline and not _is_whole(self.recording):
            time.sleep(_POLL_MILLISECONDS / 1000)
        self.recording = ""

    def _tell_state(self) -> None:
        info = self.getInfo()
        self.phone.adopted = [call for call in self.phone.adopted if call is not self]
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.player = self.audio = None
            self.close_recording()
            self.phone.calls.pop(info.id, None)
            self.phone.ended.append(self)
        else:
            self.phone.calls[info.id] = self
        tell(
            event="state",
            call=info.id,
            state=_CALL_STATES.get(info.state, "new"),
            status=info.lastStatusCode,
            reason=info.lastReason,
            remote=info.remoteUri,
            seconds=info.connectDuration.sec + info.connectDuration.msec / 1000,
            follows=self.follows,
        )

    def _connect(self) -> None:
        info = self.getInfo()
        # The vector is freed with the object it came from, hence the variable.
        media = info.media
        status, codec = "none", ""
        for index in range(len(media)):
            if media[index].type == pj.PJMEDIA_TYPE_AUDIO:
                status = _MEDIA_STATES.get(media[index].status, "none")
                if media[index].status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
                    self.audio = self.getAudioMedia(index)
                    codec = self.getStreamInfo(index).codecName
                    if self.player is not None:
                        self.player.startTransmit(self.audio)
                    if self.recorder is not None:
                        self.audio.startTransmit(self.recorder)
        tell(event="media", call=info.id, status=status, codec=codec)


_CALL_STATES = {
    pj.PJSIP_INV_STATE_CALLING: "calling",
    pj.PJSIP_INV_STATE_INCOMING: "incoming",
    pj.PJSIP_INV_STATE_EARLY: "ringing",
    pj.PJSIP_INV_STATE_CONNECTING: "connecting",
    pj.PJSIP_INV_STATE_CONFIRMED: "confirmed",
    pj.PJSIP_INV_STATE_DISCONNECTED: "ended",
}
_MEDIA_STATES = {
    pj.PJSUA_CALL_MEDIA_ACTIVE: "active",
    pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "local_hold",
    pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "remote_hold",
    pj.PJSUA_CALL_MEDIA_ERROR: "error",
}


class PhoneAccount(pj.Account):  # type: ignore[misc]
    """The phone's line."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        """Tell how the registration stands."""
        tell(event="registration", status=prm.code, reason=prm.reason, active=prm.expiration > 0)

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        """Take the call in and tell the parent, which decides."""
        self.phone.guarded(lambda: self._take(prm.callId))

    def _take(self, call_id: int) -> None:
        call = PhoneCall(self.phone, call_id)
        self.phone.calls[call_id] = call
        info = call.getInfo()
        tell(event="incoming", call=call_id, remote=info.remoteUri, local=info.localUri)


class Phone:
    """The endpoint, its one line and its calls."""

    def __init__(self) -> None:
        self.endpoint = pj.Endpoint()
        self.account: Any = None
        self.calls: dict[int, PhoneCall] = {}
        self.ended: list[PhoneCall] = []
        self.adopted: list[PhoneCall] = []
        """Calls that a transfer makes and that have told nothing yet; nobody else keeps them."""
        self.server = ""
        self.suffix = ""
        """What an address at the server needs, so that requests go over the line's transport."""
        self.identity = ("", "")
        self.commands: dict[str, Callable[..., dict[str, Any] | None]] = {
            "start": self.start,
            "call": self.call,
            "answer": self.answer,
            "hang_up": self.hang_up,
            "hold": self.hold,
            "resume": self.resume,
            "transfer": self.transfer,
            "transfer_to_call": self.transfer_to_call,
            "digits": self.digits,
            "play": lambda call, file, loop=True: self._call(call).play(file, loop=loop),
            "record": lambda call, file: self._call(call).record(file),
            "register": self.register,
        }

    def start(
        self,
        server: str,
        username: str,
        password: str,
        register: bool,
        port: int,
        rtp_port: int,
        address: str,
        transport: str,
        display_name: str,
        codecs: Sequence[str] = (),
        extensions: bool = False,
        srtp: str = "off",
        multiplex: bool = False,
    ) -> dict[str, Any]:
        """Open the sockets and the line; with extensions it demands reliable ringing and offers session timers."""
        self._open_library()
        socket = pj.TransportConfig()
        socket.port, socket.boundAddress, socket.publicAddress = port, address, address
        number = self.endpoint.transportCreate(_TRANSPORTS[transport], socket)
        self.endpoint.audDevManager().setNullDev()
        self.endpoint.libStart()
        self._prefer(codecs)
        self.server = server
        self.identity = (username, server)
        self.suffix = "" if transport == "udp" else f";transport={transport}"
        line = pj.AccountConfig()
        line.idUri = _address(username, server, display_name)
        line.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", username, 0, password))
        if register:
            line.regConfig.registrarUri = f"sip:{server}{self.suffix}"
            line.regConfig.timeoutSec = 300
        line.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL if extensions else pj.PJSUA_SIP_TIMER_INACTIVE
        if extensions:
            line.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
        _set_voice(line.mediaConfig, address, rtp_port, srtp=srtp, multiplex=multiplex)
        self.account = PhoneAccount(self)
        self.account.create(line)
        return {"contact": self.endpoint.transportGetInfo(number).localName}

    def _open_library(self) -> None:
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.userAgent = "Ramal softphone"
        config.logConfig.level = int(os.environ.get("RAMAL_SOFTPHONE_LOG", "0"))
        config.logConfig.consoleLevel = 0
        config.logConfig.filename = os.environ.get("RAMAL_SOFTPHONE_LOG_FILE", "")
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True
        self.endpoint.libCreate()
        self.endpoint.libInit(config)

    def _prefer(self, codecs: Sequence[str]) -> None:
        """Offer these codecs only, in this order; without any, all that the library has."""
        for codec in self.endpoint.codecEnum2() if codecs else ():
            name = codec.codecId.partition("/")[0]
            self.endpoint.codecSetPriority(codec.codecId, 250 - codecs.index(name) if name in codecs else 0)

    def call(
        self,
        to: str,
        file: str = "",
        caller_number: str = "",
        caller_name: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call an extension or number at the server, or a whole SIP URI; show another caller than the line's own."""
        operation = pj.CallOpParam(True)
        if caller_number or caller_name:
            operation.txOption.localUri = _address(caller_number or self.identity[0], self.identity[1], caller_name)
        for name, value in (headers or {}).items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            operation.txOption.headers.append(header)
        call = PhoneCall(self)
        call.makeCall(self._target(to), operation)
        self.calls[call.getId()] = call
        if file:
            call.play(file, loop=True)
        return {"call": call.getId()}

    def adopt(self, call: PhoneCall, *, follows: int) -> PhoneCall:
        """Keep a call that a transfer makes; its own events tell how it goes."""
        call.follows = follows
        self.adopted.append(call)
        return call

    def _call(self, number: int) -> PhoneCall:
        try:
            return self.calls[number]
        except KeyError:
            raise LookupError(f"there is no call {number}") from None

    def _target(self, to: str) -> str:
        if to.startswith(("sip:", "<")):
            return to
        return f"sip:{to.replace('#', '%23')}@{self.server}{self.suffix}"

    def register(self, active: bool) -> None:
        """Register again, or leave the registrar."""
        self.account.setRegistration(active)

    def answer(self, call: int, status: int) -> None:
        """Answer with a status: 180 rings, 200 takes the call, 486 is busy."""
        operation = pj.CallOpParam(True)
        operation.statusCode = status
        self._call(call).answer(operation)

    def hang_up(self, call: int) -> None:
        """End a call; one that has ended already is no error."""
        if call in self.calls:
            self._call(call).hangup(pj.CallOpParam())

    def hold(self, call: int) -> None:
        """Put the call on hold."""
        self._call(call).setHold(pj.CallOpParam())

    def resume(self, call: int) -> None:
        """Take the held call up again."""
        operation = pj.CallOpParam(True)
        operation.opt.flag = pj.PJSUA_CALL_UNHOLD
        self._call(call).reinvite(operation)

    def transfer(self, call: int, to: str) -> None:
        """Transfer blind."""
        self._call(call).xfer(self._target(to), pj.CallOpParam(True))

    def transfer_to_call(self, call: int, other: int) -> None:
        """Transfer attended: connect the party of `call` with the party of `other`."""
        self._call(call).xferReplaces(self._call(other), pj.CallOpParam(True))

    def digits(self, call: int, digits: str) -> None:
        """Press keys, sent as RFC 4733 events."""
        self._call(call).dialDtmf(digits)

    def guarded(self, work: Callable[[], None]) -> None:
        """Do something in a callback; an exception there would vanish unseen."""
        try:
            work()
        except (pj.Error, LookupError) as error:
            tell(event="trouble", message=getattr(error, "reason", "") or repr(error))

    def obey(self, line: str) -> bool:
        """Do what a line says; return False when it says quit."""
        command = json.loads(line)
        number, name = command.pop("id"), command.pop("do")
        if name == "quit":
            return False
        try:
            result = self.commands[name](**command)
        except (pj.Error, LookupError, TypeError) as error:
            tell(reply=number, error=getattr(error, "reason", "") or str(error))
        else:
            tell(reply=number, ok=True, **(result or {}))
        return True

    def close(self) -> None:
        """Hang up, leave the registrar and complete the recordings; the rest ends with the process."""
        for call in list(self.calls.values()):
            self.guarded(functools.partial(call.hangup, pj.CallOpParam()))
        registered = bool(self.account.getInfo().regIsActive)
        if registered:
            self.guarded(lambda: self.account.setRegistration(False))
        deadline = time.monotonic() + _GOODBYE_SECONDS
        while (self.calls or registered) and time.monotonic() < deadline:
            self.endpoint.libHandleEvents(_POLL_MILLISECONDS)
            registered = registered and bool(self.account.getInfo().regIsActive)
        for call in list(self.calls.values()):
            call.close_recording()


def _set_voice(config: Any, address: str, port: int, *, srtp: str, multiplex: bool) -> None:
    """Say how a line encrypts its voice, and where it takes it; port 0 stands for any."""
    config.srtpUse = _SRTP[srtp]
    config.rtcpMuxEnabled = multiplex
    # The keys may go over UDP in tests; who calls over TLS has them safe.
    config.srtpSecureSignaling = 0
    socket = config.transportConfig
    socket.port, socket.boundAddress, socket.publicAddress = port or _free_port(address), address, address


def _address(user: str, host: str, name: str) -> str:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <sip:{user}@{host}>' if name else f"<sip:{user}@{host}>"


def _free_port(address: str) -> int:
    """Return an even UDP port that is free now; the library goes on from there."""
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1] & ~1
        return port


def _is_whole(file: str) -> bool:
    """Whether the header of a WAV file tells its true length: it is written last."""
    try:
        with Path(file).open("rb") as stream:
            header = stream.read(8)
        return len(header) == 8 and int.from_bytes(header[4:], "little") + 8 == Path(file).stat().st_size > 44
    except OSError:
        return True


def main() -> None:
    """Obey the parent until it says quit or is gone."""
    phone = Phone()
    source = sys.stdin.fileno()
    waiting = b""
    going = True
    while going:
        ready, _, _ = select.select([source], [], [], 0 if phone.account is not None else 1)
        if ready:
            data = os.read(source, _LONGEST_LINE)
            if not data:
                break
            waiting += data
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                going = going and phone.obey(line.decode())
        if phone.account is not None:
            phone.endpoint.libHandleEvents(_POLL_MILLISECONDS)
            phone.ended.clear()
    if phone.account is not None:
        phone.close()


if __name__ == "__main__":
    main()
    # The library's own end takes seconds, and the interpreter's would free its objects in any order.
    _PARENT.flush()
    os._exit(0)
