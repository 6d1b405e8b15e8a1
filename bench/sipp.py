"""SIPp as carrier, phone and registering phones: processes on the second core, bounded in number and time."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bench.server import CARRIER, COMPANY_NUMBER, pinned

SCENARIOS: Final = Path(__file__).with_name("scenarios")
PHONE: Final = "127.0.0.4"
"""Where the phones are: an address of their own, so that no port of the server can be in their way."""


class Answering(Protocol):
    """What SIPp speaks to."""

    @property
    def sip_port(self) -> int:
        """Its port on 127.0.0.1, of UDP."""
        ...


class SippError(Exception):
    """A run did not go as its scenario says."""


@dataclass(slots=True, frozen=True)
class Outcome:
    """How a run of SIPp ended."""

    successful: int
    failed: int
    retransmissions: int
    errors: str

    def check(self, *, repeated: float = 0.02) -> None:
        """Make sure that it went well.

        Args:
            repeated: messages a call that may be sent again, since SIPp itself is held up at times on a busy machine.

        Raises:
            SippError: a call failed, or more messages had to be repeated.
        """
        if self.failed or not self.successful or self.retransmissions > repeated * self.successful:
            raise SippError(
                f"{self.successful} went well, {self.failed} failed, {self.retransmissions} messages repeated {self.errors}"
            )


class Sipp:
    """One process of SIPp."""

    def __init__(self, folder: Path, name: str, *arguments: str, seconds: float) -> None:
        """Start it; it ends by itself at the latest after `seconds`."""
        self._name = name
        self._seconds = seconds
        self._statistics = folder / f"{name}-statistics.csv"
        self._errors = folder / f"{name}-errors.log"
        for left in (self._statistics, self._errors):
            left.unlink(missing_ok=True)
        command = [*pinned(1), "sipp", *arguments, "-nostdin", "-max_socket", "1000", "-timeout", f"{int(seconds)}s"]
        command += ["-trace_stat", "-stf", str(self._statistics), "-fd", "1"]
        command += ["-trace_err", "-error_file", str(self._errors)]
        self._process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )

    def finish(self) -> Outcome:
        """Wait for its end and return how it went."""
        try:
            self._process.wait(self._seconds + 10)
        finally:
            self.stop()
        errors = self._errors.read_text(errors="replace")[:2000] if self._errors.exists() else ""
        rows = list(csv.DictReader(self._statistics.read_text().splitlines(), delimiter=";"))
        if not rows:
            raise RuntimeError(f"SIPp as {self._name} did not run: {errors}")
        last = rows[-1]
        return Outcome(
            int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"]), errors
        )

    def still_runs(self) -> bool:
        """Whether it is there, and not at its end."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it now."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def callee(folder: Path, port: int, *extra: str, seconds: float) -> Sipp:
    """Start the phone of the extension: it rings and answers every call at once."""
    arguments = ["-sn", "uas", "-i", PHONE, "-p", str(port), "-mi", PHONE, "-mp", "46000", *extra]
    return Sipp(folder, "callee", *arguments, seconds=seconds)


def caller(
    folder: Path,
    server: Answering,
    *extra: str,
    calls: int,
    rate: int,
    talk_ms: int,
    seconds: float,
    port: int | None = None,
) -> Sipp:
    """Start the carrier: so many calls in, at so many a second, each of `talk_ms`.

    With `port` they go to that port of the carrier's own address, where a bad network begins.
    """
    target = f"127.0.0.1:{server.sip_port}" if port is None else f"{CARRIER}:{port}"
    numbers = folder / "numbers.csv"
    numbers.write_text("SEQUENTIAL\n" + "".join(f"+7916{index:07};\n" for index in range(1000)))
    arguments = ["-sf", str(SCENARIOS / "caller.xml"), target, "-i", CARRIER, "-p", "5060"]
    arguments += ["-mi", CARRIER, "-mp", "47000", "-s", COMPANY_NUMBER, "-inf", str(numbers)]
    arguments += ["-m", str(calls), "-r", str(rate), "-l", str(calls), "-d", str(talk_ms), *extra]
    return Sipp(folder, "caller", *arguments, seconds=seconds)


def phones(
    folder: Path, server: Answering, who: Sequence[tuple[str, str, str]], *, port: int, rate: int, seconds: float
) -> Sipp:
    """Start phones that register one after the other: each a user, a password and a name for its contact."""
    rows = [f"{user};[authentication username={user} password={password}];{name};" for user, password, name in who]
    (folder / "phones.csv").write_text("SEQUENTIAL\n" + "\n".join(rows) + "\n")
    arguments = ["-sf", str(SCENARIOS / "register.xml"), f"127.0.0.1:{server.sip_port}", "-i", PHONE, "-p", str(port)]
    arguments += ["-inf", str(folder / "phones.csv"), "-m", str(len(who)), "-r", str(rate)]
    return Sipp(folder, "phones", *arguments, seconds=seconds)
