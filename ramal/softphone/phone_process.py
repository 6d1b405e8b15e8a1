"""The phone itself: pjsua2 driven by JSON lines on standard input, telling what happens by JSON lines on standard output.

pjsua2 is GPL; only this program imports it, and the server never imports this program. The first line must be `start`. Every command is
an object with `id` and `do`; its answer has `reply` (the id) and either `ok` or `error`. What happens on its own has `event`.
"""

from __future__ import annotations

import functools
import json
import os
import select
import sys
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

_POLL_MILLISECONDS = 10
_LONGEST_LINE = 65_536

# pjsua2 writes its own log to standard output before it can be told not to, so that is put aside.
_PARENT = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def tell(**values: Any) -> None:
    """Write one line to the parent."""
    _PARENT.write(json.dumps(values) + "\n")
    _PARENT.flush()


class PhoneCall(pj.Call):  # type: ignore[misc]
    """One call with the sounds that go with it."""

    def __init__(self, phone: Phone, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(phone.account, call_id)
        self.phone = phone
        self.player: Any = None
        self.recorder: Any = None
        self.audio: Any = None

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

    def play(self, file: str) -> None:
        """Speak a WAV file into the call, over and over."""
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(file)
        self._connect()

    def record(self, file: str) -> None:
        """Write what is heard to a WAV file."""
        self.recorder = pj.AudioMediaRecorder()
        self.recorder.createRecorder(file)
        self._connect()

    def _tell_state(self) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.player = self.recorder = self.audio = None
            self.phone.calls.pop(info.id, None)
            self.phone.ended.append(self)
        tell(
            event="state",
            call=info.id,
            state=_CALL_STATES.get(info.state, "new"),
            status=info.lastStatusCode,
            reason=info.lastReason,
            remote=info.remoteUri,
            seconds=info.connectDuration.sec + info.connectDuration.msec / 1000,
        )

    def _connect(self) -> None:
        info = self.getInfo()
        # The vector is freed with the object it came from, hence the variable.
        media = info.media
        status = "none"
        for index in range(len(media)):
            if media[index].type == pj.PJMEDIA_TYPE_AUDIO:
                status = _MEDIA_STATES.get(media[index].status, "none")
                if media[index].status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
                    self.audio = self.getAudioMedia(index)
                    if self.player is not None:
                        self.player.startTransmit(self.audio)
                    if self.recorder is not None:
                        self.audio.startTransmit(self.recorder)
        tell(event="media", call=info.id, status=status)


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
        self.server = ""
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
            "play": lambda call, file: self.calls[call].play(file),
            "record": lambda call, file: self.calls[call].record(file),
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
    ) -> dict[str, Any]:
        """Open the sockets and the line."""
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
        socket = pj.TransportConfig()
        socket.port, socket.boundAddress, socket.publicAddress = port, address, address
        kind = pj.PJSIP_TRANSPORT_TCP if transport == "tcp" else pj.PJSIP_TRANSPORT_UDP
        number = self.endpoint.transportCreate(kind, socket)
        self.endpoint.audDevManager().setNullDev()
        self.endpoint.libStart()
        self.server = server
        line = pj.AccountConfig()
        name = f'"{display_name}" ' if display_name else ""
        suffix = ";transport=tcp" if transport == "tcp" else ""
        line.idUri = f"{name}<sip:{username}@{server}>"
        line.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", username, 0, password))
        if register:
            line.regConfig.registrarUri = f"sip:{server}{suffix}"
            line.regConfig.timeoutSec = 300
        line.callConfig.timerUse = pj.PJSUA_SIP_TIMER_INACTIVE
        media = line.mediaConfig.transportConfig
        media.port, media.boundAddress, media.publicAddress = rtp_port, address, address
        self.account = PhoneAccount(self)
        self.account.create(line)
        return {"contact": self.endpoint.transportGetInfo(number).localName}

    def call(self, to: str, file: str = "") -> dict[str, Any]:
        """Call an extension or number at the server, or a whole SIP URI."""
        call = PhoneCall(self)
        target = to if to.startswith(("sip:", "<")) else f"sip:{to}@{self.server}"
        call.makeCall(target, pj.CallOpParam(True))
        self.calls[call.getId()] = call
        if file:
            call.play(file)
        return {"call": call.getId()}

    def answer(self, call: int, status: int) -> None:
        """Answer with a status: 180 rings, 200 takes the call, 486 is busy."""
        operation = pj.CallOpParam(True)
        operation.statusCode = status
        self.calls[call].answer(operation)

    def hang_up(self, call: int) -> None:
        """End a call; one that has ended already is no error."""
        if call in self.calls:
            self.calls[call].hangup(pj.CallOpParam())

    def hold(self, call: int) -> None:
        """Put the call on hold."""
        self.calls[call].setHold(pj.CallOpParam())

    def resume(self, call: int) -> None:
        """Take the held call up again."""
        operation = pj.CallOpParam(True)
        operation.opt.flag = pj.PJSUA_CALL_UNHOLD
        self.calls[call].reinvite(operation)

    def transfer(self, call: int, to: str) -> None:
        """Transfer blind."""
        target = to if to.startswith("sip:") else f"sip:{to}@{self.server}"
        self.calls[call].xfer(target, pj.CallOpParam(True))

    def transfer_to_call(self, call: int, other: int) -> None:
        """Transfer attended: connect the party of `call` with the party of `other`."""
        self.calls[call].xferReplaces(self.calls[other], pj.CallOpParam(True))

    def digits(self, call: int, digits: str) -> None:
        """Press keys, sent as RFC 4733 events."""
        self.calls[call].dialDtmf(digits)

    def guarded(self, work: Callable[[], None]) -> None:
        """Do something in a callback; an exception there would vanish unseen."""
        try:
            work()
        except (pj.Error, KeyError) as error:
            tell(event="trouble", message=getattr(error, "reason", "") or repr(error))

    def obey(self, line: str) -> bool:
        """Do what a line says; return False when it says quit."""
        command = json.loads(line)
        number, name = command.pop("id"), command.pop("do")
        if name == "quit":
            return False
        try:
            result = self.commands[name](**command)
        except (pj.Error, KeyError, TypeError) as error:
            tell(reply=number, error=getattr(error, "reason", "") or repr(error))
        else:
            tell(reply=number, ok=True, **(result or {}))
        return True

    def close(self) -> None:
        """Hang up and release everything, in the order pjsua2 wants."""
        for call in list(self.calls.values()):
            self.guarded(functools.partial(call.hangup, pj.CallOpParam()))
        for _ in range(20):
            self.endpoint.libHandleEvents(_POLL_MILLISECONDS)
        self.calls.clear()
        self.ended.clear()
        if self.account is not None:
            self.account.shutdown()
        self.account = None
        self.endpoint.libDestroy()


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
