"""Calls and registrations laid on a server of SIP, ours or another, by the same SIPp, and what they cost it.

What the server does after a run, until every call has had its effects, counts as well; what it does at rest is taken off.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from bench import sipp
from bench.server import EXTENSION, wait_until

COST_SECONDS: Final = 10
REST_SECONDS: Final = 3.0
SETTLE_SECONDS: Final = 36
"""Longer than any transaction is remembered."""
_PHONE_PORT: Final = 45_500
_WARM_CALLS: Final = 200
_WARM_RATE: Final = 100
_RATE_SECONDS: Final = 6
_REGISTRATION_SECONDS: Final = 8
_HELD_CALLS: Final = 990
"""Twice as many are within what a server takes that is left alone (2,000)."""
_HELD_RATE: Final = 30
_DRAIN_SECONDS: Final = 90.0


class SipServer(sipp.Answering, Protocol):
    """What is measured: a process that takes a carrier's calls to the extension's phone."""

    def cpu_ms(self) -> float:
        """Return the processor time of all its threads since it started, user and system."""
        ...

    def memory_kb(self) -> float:
        """Return its resident memory."""
        ...

    def live_calls(self) -> float:
        """Return how many calls there are."""
        ...

    def answered_records(self) -> int:
        """Return how many records of answered calls it has written."""
        ...

    def caught_up(self) -> None:
        """Wait until what has ended has had all its effects."""
        ...


def warm_up(folder: Path, server: SipServer) -> None:
    """Have a few calls placed that count for nothing."""
    place(folder, server, calls=_WARM_CALLS, rate=_WARM_RATE, repeated=1.0)


def call_cost(folder: Path, server: SipServer, rates: Sequence[int]) -> tuple[int, float]:
    """Return the first of the rates that is carried cleanly, and at it the processor milliseconds of a call, from INVITE to its records.

    Every call must leave an answered record.

    Raises:
        SippError: none of the rates was carried cleanly.
    """
    for rate in rates:
        server.caught_up()
        before, calls = server.answered_records(), rate * COST_SECONDS
        try:
            spent = cost(server, functools.partial(place, folder, server, calls=calls, rate=rate))
        except sipp.SippError as error:
            _too_many(rate, error)
            # What hangs of the run that failed must not weigh on the next one.
            drained(server)
            continue
        if (records := server.answered_records() - before) != calls:
            raise RuntimeError(f"{calls} calls left {records} records")
        return rate, spent / calls
    raise sipp.SippError("not even the lowest rate of calls was carried cleanly")


def registration_cost(folder: Path, server: SipServer, password: str, rates: Sequence[int]) -> tuple[int, float]:
    """Return the first of the rates that is carried cleanly, and at it the milliseconds of a registration: challenge, digest, answer, row.

    Raises:
        SippError: none of the rates was carried cleanly.
    """
    for rate in rates:
        phones = [(EXTENSION, password, EXTENSION)] * (rate * _REGISTRATION_SECONDS)
        try:
            return rate, cost(server, functools.partial(register, folder, server, phones, rate=rate)) / len(phones)
        except sipp.SippError as error:
            _too_many(rate, error)
            time.sleep(SETTLE_SECONDS)
    raise sipp.SippError("not even the lowest rate of registrations was carried cleanly")


def highest_rate(folder: Path, server: SipServer, rates: Sequence[int]) -> int:
    """Return the highest of the rates at which no call failed and no message was repeated; 0 when there is none."""
    best = 0
    for rate in rates:
        try:
            place(folder, server, calls=rate * _RATE_SECONDS, rate=rate)
        except sipp.SippError as error:
            _too_many(rate, error)
            break
        best = rate
    return best


def memory_of_a_call(folder: Path, server: SipServer) -> float:
    """Return the resident kilobytes that a held call adds where many are held.

    The first ones are not counted: they also fill caches, and find memory that the start has left free. Calls come at one pace for longer
    than any transaction is remembered, so that at both ends as many are.
    """
    place(folder, server, calls=50, rate=_HELD_RATE, repeated=1.0)
    seconds = 2 * _HELD_CALLS // _HELD_RATE + 30
    phone = sipp.callee(folder, _PHONE_PORT, seconds=seconds + 30)
    carrier = sipp.caller(
        folder, server, calls=2 * _HELD_CALLS, rate=_HELD_RATE, talk_ms=seconds * 1000, seconds=seconds + 30
    )
    try:
        first, before = _held(server, _HELD_CALLS, seconds)
        last, after = _held(server, 2 * _HELD_CALLS, seconds)
        return (after - before) / (last - first)
    finally:
        carrier.stop()
        phone.stop()


def _held(server: SipServer, calls: int, seconds: float) -> tuple[float, float]:
    """Wait until so many calls are held; return how many there are, and the resident memory."""
    wait_until(lambda: server.live_calls() >= calls, seconds, f"{calls} calls")
    return server.live_calls(), server.memory_kb()


def register_phone(folder: Path, server: SipServer, password: str) -> None:
    """Register the extension's phone at the port where `sipp.callee` will answer."""
    register(folder, server, [(EXTENSION, password, EXTENSION)], rate=10, repeated=1.0)


def register(
    folder: Path, server: SipServer, phones: Sequence[tuple[str, str, str]], *, rate: int, repeated: float = 0.02
) -> None:
    """Have phones register that must all succeed: each a user, a password and a name for its contact.

    `repeated` messages a phone may be sent again.

    Raises:
        SippError: a registration failed, or too many messages had to be repeated.
    """
    run = sipp.phones(folder, server, phones, port=_PHONE_PORT, rate=rate, seconds=20 + len(phones) / rate)
    run.finish().check(repeated=repeated)


def place(
    folder: Path, server: SipServer, *, calls: int, rate: int, port: int | None = None, repeated: float = 0.02
) -> None:
    """Have calls placed that all must succeed; `repeated` messages a call may be sent again.

    Raises:
        SippError: a call failed, or too many messages had to be repeated.
    """
    offer(folder, server, calls=calls, rate=rate, port=port).check(repeated=repeated)


def offer(folder: Path, server: SipServer, *, calls: int, rate: int, port: int | None = None) -> sipp.Outcome:
    """Have the carrier place calls that the phone answers and that end at once, and return how they went.

    Raises:
        SippError: the phone was not there to the end.
    """
    seconds = 20 + calls / rate
    phone = sipp.callee(folder, _PHONE_PORT, seconds=seconds + 10)
    try:
        outcome = sipp.caller(folder, server, calls=calls, rate=rate, talk_ms=0, seconds=seconds, port=port).finish()
        if not phone.still_runs():
            raise sipp.SippError("the phone ended before its time")
        return outcome
    finally:
        phone.stop()


def cost(server: SipServer, work: Callable[[], None]) -> float:
    """Return the processor milliseconds that some work takes until all its effects are stored, above those of rest."""
    time.sleep(REST_SECONDS)
    cpu, began = server.cpu_ms(), time.monotonic()
    time.sleep(REST_SECONDS)
    idle = (server.cpu_ms() - cpu) / (time.monotonic() - began)
    cpu, began = server.cpu_ms(), time.monotonic()
    work()
    server.caught_up()
    time.sleep(REST_SECONDS)
    return server.cpu_ms() - cpu - idle * (time.monotonic() - began)


def drained(server: SipServer) -> None:
    """Wait until no call is left."""
    wait_until(lambda: server.live_calls() == 0, _DRAIN_SECONDS, "the end of all calls")


def _too_many(rate: int, error: sipp.SippError) -> None:
    print(f"  {rate} a second are too many: {str(error)[:200].splitlines()[0]}", flush=True)
