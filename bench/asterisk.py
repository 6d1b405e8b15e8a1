"""Asterisk as a server to measure beside: a carrier known by its address, an extension that registers, and the dialplan's Dial between.

It gets a configuration of its own in a folder that goes away, loads no module but those that such calls need, keeps voice on
its own ports as ours does, writes call records and logs at its normal level.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.server import CARRIER, COMPANY_NUMBER, EXTENSION, PORT_BASE, cpu_ms, end, pinned, resident_kb, wait_until

ABSENT: Final = "there is no `asterisk` in PATH, nor one that the variable ASTERISK names"
_VARIABLE: Final = "ASTERISK"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 20.0
_CONSOLE_SECONDS: Final = 10.0
_ENDED_SECONDS: Final = 60.0
_FOLDERS: Final = ("etc", "db", "run", "spool", "cache", "log/cdr-csv")
_RECORDS: Final = "log/cdr-csv/Master.csv"
_MODULES: Final = (
    "res_pjproject", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_timing_timerfd", "res_rtp_asterisk",
    "codec_ulaw", "codec_alaw", "bridge_simple", "bridge_native_rtp", "app_dial", "pbx_config", "cdr_csv",
    "res_pjsip", "res_pjsip_session", "res_pjsip_pubsub", "res_pjsip_sdp_rtp", "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user", "res_pjsip_authenticator_digest", "res_pjsip_registrar", "res_pjsip_caller_id",
    "res_pjsip_nat", "res_pjsip_rfc3326", "chan_pjsip",
)  # fmt: skip

_FILES: Final[Mapping[str, str]] = {
    "asterisk.conf": """\
[directories]
astetcdir => {folder}/etc
astdbdir => {folder}/db
astrundir => {folder}/run
astspooldir => {folder}/spool
astcachedir => {folder}/cache
astlogdir => {folder}/log

[options]
maxfiles = 16384
nocolor = yes
""",
    "modules.conf": """\
[modules]
autoload = no
{modules}
""",
    "logger.conf": """\
[general]

[logfiles]
messages.log => notice,warning,error
""",
    "cdr.conf": """\
[general]
enable = yes

[csv]
usegmtime = yes
loguniqueid = yes
accountlogs = no
""",
    "rtp.conf": """\
[general]
rtpstart = 10000
rtpend = 19999
""",
    "pjsip.conf": """\
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{port}

[voice](!)
type = endpoint
transport = udp
disallow = all
allow = ulaw,alaw
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes

[carrier](voice)
context = from-carrier

[carrier]
type = identify
endpoint = carrier
match = {carrier}

[{extension}](voice)
context = from-phones
auth = {extension}
aors = {extension}

[{extension}]
type = auth
auth_type = userpass
username = {extension}
password = {password}

[{extension}]
type = aor
max_contacts = 1
remove_existing = yes
""",
    "extensions.conf": """\
[from-carrier]
exten => {number},1,Dial(PJSIP/{extension})
 same => n,Hangup()

[from-phones]
""",
}


class AsteriskError(Exception):
    """Asterisk did not start, or its console said something unknown."""


@dataclass(slots=True, frozen=True)
class Asterisk:
    """A running Asterisk."""

    folder: Path
    """Where its configuration, its records and its log are."""
    process: int
    sip_port: int
    password: str
    """Of the extension."""

    def cpu_ms(self) -> float:
        """Return the processor time of all its threads since it started, user and system."""
        return cpu_ms(self.process)

    def memory_kb(self) -> float:
        """Return its resident memory."""
        return resident_kb(self.process)

    def live_calls(self) -> float:
        """Return half the number of its channels: each call has two."""
        return active_channels(self.ask("core show channels count")) / 2

    def answered_records(self) -> int:
        """Count the records of answered calls."""
        records = self.folder / _RECORDS
        return records.read_text(errors="replace").count('"ANSWERED"') if records.exists() else 0

    def caught_up(self) -> None:
        """Wait until no channel is left: each call's record is written as it ends."""
        wait_until(lambda: self.live_calls() == 0, _ENDED_SECONDS, "the end of Asterisk's channels")

    def ask(self, command: str) -> str:
        """Return what its console answers to a command; nothing while there is no console."""
        asked = [*pinned(1), _binary(), "-C", str(self.folder / "etc" / "asterisk.conf"), "-r", "-x", command]
        return subprocess.run(asked, check=False, capture_output=True, text=True, timeout=_CONSOLE_SECONDS).stdout


def installed() -> bool:
    """Tell whether it can be measured here."""
    return shutil.which(_binary()) is not None


def active_channels(answer: str) -> int:
    """Read the number of channels out of what `core show channels count` answers. Raises `AsteriskError`."""
    found = re.search(r"^(\d+) active channels?$", answer, re.MULTILINE)
    if found is None:
        raise AsteriskError(f"no number of channels in {answer!r}")
    return int(found[1])


def write_configuration(folder: Path, *, port: int, password: str) -> Path:
    """Write all its files and make all its folders; return the file that names the others."""
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True)
    values = {
        "folder": folder,
        "port": port,
        "password": password,
        "carrier": CARRIER,
        "extension": EXTENSION,
        "number": COMPANY_NUMBER,
        "modules": "\n".join(f"require = {module}.so" for module in _MODULES),
    }
    for name, text in _FILES.items():
        (folder / "etc" / name).write_text(text.format(**values))
    return folder / "etc" / "asterisk.conf"


@contextlib.contextmanager
def running_asterisk() -> Iterator[Asterisk]:
    """Give an Asterisk with the carrier and the extension, on the first core. Raises `AsteriskError` where it does not start."""
    port = int(os.environ.get("RAMAL_PORT_BASE", PORT_BASE))
    with tempfile.TemporaryDirectory(prefix="bench-asterisk-") as name:
        folder, password = Path(name), secrets.token_urlsafe(12)
        configuration = write_configuration(folder, port=port, password=password)
        with (folder / "log" / "output.log").open("wb") as written:
            command = [*pinned(0), _binary(), "-f", "-C", str(configuration)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=written, stderr=written)
        asterisk = Asterisk(folder, process.pid, port, password)
        try:
            wait_until(lambda: _ready(process, asterisk), _START_SECONDS, "the start of Asterisk")
            yield asterisk
        finally:
            end(process, _STOP_SECONDS)


def _ready(process: subprocess.Popen[bytes], asterisk: Asterisk) -> bool:
    if process.poll() is not None:
        said = (log.read_text(errors="replace")[-2000:] for log in (asterisk.folder / "log").glob("*.log"))
        raise AsteriskError("\n".join(["Asterisk ended:", *said]))
    return "fully booted" in asterisk.ask("core waitfullybooted")


def _binary() -> str:
    return os.environ.get(_VARIABLE, "asterisk")
