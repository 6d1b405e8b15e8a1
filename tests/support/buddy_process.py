"""A pjsua2 phone that watches: `buddy_process.py SERVER USERNAME PASSWORD PORT [BUDDY]`.

Commands are JSON lines on standard input, what happens is told by JSON lines on standard output.
"""

import json
import os
import select
import sys
from typing import Any

import pjsua2 as pj

_PARENT = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def tell(**values: Any) -> None:
    """Write one line to the parent."""
    _PARENT.write(json.dumps(values) + "\n")
    _PARENT.flush()


class WatchingAccount(pj.Account):  # type: ignore[misc]
    """The phone's login."""

    def onRegState(self, prm: Any) -> None:  # noqa: N802 - pjsua2 calls it so
        """Tell of a registration."""
        tell(event="registered", status=prm.code)

    def onMwiInfo(self, prm: Any) -> None:  # noqa: N802 - pjsua2 calls it so
        """Tell what waits in the mailbox."""
        tell(event="mailbox", text=prm.rdata.wholeMsg)

    def onInstantMessage(self, prm: Any) -> None:  # noqa: N802 - pjsua2 calls it so
        """Tell of a text."""
        tell(event="text", sender=prm.fromUri, text=prm.msgBody)

    def onInstantMessageStatus(self, prm: Any) -> None:  # noqa: N802 - pjsua2 calls it so
        """Tell what became of a text."""
        tell(event="text_status", status=prm.code)


class WatchedBuddy(pj.Buddy):  # type: ignore[misc]
    """A colleague."""

    def onBuddyState(self) -> None:  # noqa: N802 - pjsua2 calls it so
        """Tell how the colleague is."""
        info = self.getInfo()
        presence = info.presStatus
        tell(
            event="buddy",
            online=presence.status == pj.PJSUA_BUDDY_STATUS_ONLINE,
            status=presence.statusText,
            note=presence.note,
            subscription=info.subStateName,
        )


class WatchingPhone:
    """The phone."""

    def __init__(self, server: str, username: str, password: str, port: int, buddy: str) -> None:
        self.server = server
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        configuration = pj.EpConfig()
        configuration.uaConfig.threadCnt = 0
        configuration.uaConfig.mainThreadOnly = True
        configuration.logConfig.level = configuration.logConfig.consoleLevel = 0
        self.endpoint.libInit(configuration)
        transport = pj.TransportConfig()
        transport.port = port
        transport.boundAddress = "127.0.0.1"
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        account = pj.AccountConfig()
        account.idUri = f"sip:{username}@{server}"
        account.regConfig.registrarUri = f"sip:{server}"
        account.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", username, 0, password))
        account.mwiConfig.enabled = True
        account.presConfig.publishEnabled = True
        self.account = WatchingAccount()
        self.account.create(account)
        self.buddy = self.watch(buddy) if buddy else None

    def watch(self, number: str) -> WatchedBuddy:
        """Subscribe to a colleague's presence."""
        configuration = pj.BuddyConfig()
        configuration.uri = f"sip:{number}@{self.server}"
        configuration.subscribe = True
        buddy = WatchedBuddy()
        buddy.create(self.account, configuration)
        return buddy

    def do(self, command: dict[str, Any]) -> bool:
        """Carry out a command; False ends the phone."""
        if command["do"] == "away":
            presence = pj.PresenceStatus()
            presence.status = pj.PJSUA_BUDDY_STATUS_ONLINE
            presence.activity = pj.PJRPID_ACTIVITY_AWAY
            presence.note = command["note"]
            self.account.setOnlineStatus(presence)
        elif command["do"] == "say":
            target = pj.BuddyConfig()
            target.uri = f"sip:{command['to']}@{self.server}"
            buddy = pj.Buddy()
            buddy.create(self.account, target)
            message = pj.SendInstantMessageParam()
            message.content = command["text"]
            buddy.sendInstantMessage(message)
        return bool(command["do"] != "quit")

    def run(self) -> None:
        """Handle events and commands until told to quit."""
        going = True
        while going:
            self.endpoint.libHandleEvents(20)
            if select.select([sys.stdin], [], [], 0)[0]:
                line = sys.stdin.readline()
                going = bool(line) and self.do(json.loads(line))
        self.buddy = None
        self.account.shutdown()
        self.endpoint.libDestroy()


if __name__ == "__main__":
    WatchingPhone(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), "".join(sys.argv[5:6])).run()
