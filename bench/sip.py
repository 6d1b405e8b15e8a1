"""What calls and registrations cost in the whole server: processor time and memory, with SIPp as carrier and phones.

The server is `ramal serve` on one core, with journal, call records, bills and CRM at work; SIPp is on the other core. What the
server does after a run, until every fact has had its effects, counts as well; what it does at rest is taken off.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import restart, sipp
from bench.server import CARRIER, EXTENSION, Server, create_company, pinned, running_server, wait_until

_PHONE_PORT: Final = 45_500
_CALL_RATES: Final = (500, 400, 300, 200, 100)
"""The first of these calls a second that the machine carries cleanly is the one a call's cost is told at."""
_COST_SECONDS: Final = 10
_HELD_CALLS: Final = 400
_REGISTRATION_RATES: Final = (1000, 500, 200)
_REGISTRATION_SECONDS: Final = 8
_CONTACT_USERS: Final = 200
_CONTACTS_EACH: Final = 10
_REST_SECONDS: Final = 3.0
_CONTACT_RATE: Final = 100
_SETTLE_SECONDS: Final = 36
_RATES: Final = (200, 300, 400, 500, 600, 700, 800, 1000, 1200)
_RATE_SECONDS: Final = 6
_OVERLOAD: Final = 1.5
_OVERLOAD_SECONDS: Final = 10
_DRAIN_SECONDS: Final = 90.0
_LOSSY_PORT: Final = 45_600
_LOSSY_RATE: Final = 100
_LOSSY_CALLS: Final = 1000
_LOSS: Final = 0.05
_MANY_CALLS: Final = 10_000
_MANY_RATE: Final = 200


def measure() -> dict[str, float]:
    """Measure everything, and return the figures by the names of `bench/results/latest.json`."""
    with tempfile.TemporaryDirectory(prefix="ramal-sipp-") as name:
        folder = Path(name)
        with running_server() as server:
            password = create_company(server, record=False)
            _register_phone(folder, server, password)
            rate, cost = call_cost(folder, server)
            registrations, registration = registration_cost(folder, server, password)
            results = {
                "b2bua_call_cpu_ms": cost,
                "b2bua_call_rate": rate,
                "register_cpu_ms": registration,
                "register_rate": registrations,
                "b2bua_lossy_call_cpu_ms": lossy_call_cost(folder, server),
                "longest_pause_ms": server.metric("ramal_loop_longest_pause_seconds") * 1000,
            }
        with running_server() as server:
            _register_phone(folder, server, create_company(server, record=False))
            best = highest_rate(folder, server)
            results["b2bua_max_cps"] = best
            results["b2bua_overload_goodput"] = overload_goodput(folder, server, best)
        results["memory_growth_percent"] = _memory_growth(folder)
        results["memory_per_call_kb"] = _memory_of_calls(folder, record=False)
        results["memory_per_recorded_call_kb"] = _memory_of_calls(folder, record=True)
        results["memory_per_contact_kb"] = _memory_of_contacts(folder)
        return results | restart.measure()


def call_cost(folder: Path, server: Server) -> tuple[int, float]:
    """Return a rate that is carried cleanly, and at it the processor milliseconds of a call, from INVITE to its bill.

    Every call must leave an answered record.
    """
    _calls(folder, server, calls=200, rate=_CALL_RATES[-1])
    for rate in _CALL_RATES:
        server.caught_up()
        before, calls = _answered_records(server), rate * _COST_SECONDS
        try:
            cost = _cost(server, functools.partial(_calls, folder, server, calls=calls, rate=rate))
        except sipp.SippError as error:
            _too_many(rate, error)
            # What hangs of the run that failed must not weigh on the next one.
            wait_until(lambda: _live_calls(server) == 0, _DRAIN_SECONDS, "the end of all calls")
            continue
        if (records := _answered_records(server) - before) != calls:
            raise RuntimeError(f"{calls} calls left {records} records")
        return rate, cost / calls
    raise RuntimeError("not even the lowest rate was carried cleanly")


def lossy_call_cost(folder: Path, server: Server) -> float:
    """Return the processor milliseconds of a call whose caller loses 5 % of all packets both ways; all calls must succeed."""
    command = [*pinned(1), sys.executable, "-m", "tests.support.lossy_relay", f"{CARRIER}:{_LOSSY_PORT}"]
    command += [f"127.0.0.1:{server.sip_port}", "--loss", str(_LOSS), "--upstream", CARRIER]
    relay = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if relay.stdout is None or not relay.stdout.readline():
            raise RuntimeError("the lossy relay did not start")
        lossy = functools.partial(_calls, calls=_LOSSY_CALLS, rate=_LOSSY_RATE, port=_LOSSY_PORT, repeated=10.0)
        return _cost(server, lambda: lossy(folder, server)) / _LOSSY_CALLS
    finally:
        relay.kill()
        relay.communicate()


def overload_goodput(folder: Path, server: Server, limit: int) -> float:
    """Return the calls that succeed of 1.5 times the limit, as a share of the limit; the others are told 503 at once."""
    rate = int(limit * _OVERLOAD)
    offered = _offer(folder, server, calls=rate * _OVERLOAD_SECONDS, rate=rate)
    return offered.successful / (limit * _OVERLOAD_SECONDS)


def registration_cost(folder: Path, server: Server, password: str) -> tuple[int, float]:
    """Return a rate that is carried cleanly, and at it the milliseconds of a registration: challenge, digest, answer, row."""
    for rate in _REGISTRATION_RATES:
        phones = [(EXTENSION, password, EXTENSION)] * (rate * _REGISTRATION_SECONDS)
        try:
            return rate, _cost(server, functools.partial(_register, folder, server, phones, rate=rate)) / len(phones)
        except sipp.SippError as error:
            _too_many(rate, error)
            time.sleep(_SETTLE_SECONDS)
    raise RuntimeError("not even the lowest rate was carried cleanly")


def highest_rate(folder: Path, server: Server) -> int:
    """Return the highest of the tried rates at which no call failed and no message was repeated."""
    best = 0
    for rate in _RATES:
        try:
            _calls(folder, server, calls=rate * _RATE_SECONDS, rate=rate)
        except sipp.SippError as error:
            _too_many(rate, error)
            break
        best = rate
    return best


def _memory_of_calls(folder: Path, *, record: bool) -> float:
    """Return the resident kilobytes of one call that is held."""
    with running_server() as server:
        _register_phone(folder, server, create_company(server, record=record))
        _calls(folder, server, calls=50, rate=50)
        time.sleep(_REST_SECONDS)
        before = server.memory_kb()
        phone = sipp.callee(folder, _PHONE_PORT, seconds=60)
        carrier = sipp.caller(folder, server, calls=_HELD_CALLS, rate=50, talk_ms=20_000, seconds=60)
        try:
            wait_until(lambda: _live_calls(server) == _HELD_CALLS, 40, f"{_HELD_CALLS} calls")
            time.sleep(_REST_SECONDS)
            return (server.memory_kb() - before) / _HELD_CALLS
        finally:
            carrier.stop()
            phone.stop()


def _memory_of_contacts(folder: Path) -> float:
    """Return the resident kilobytes of one registered contact, with its share of a user who has ten.

    The registrar remembers answered REGISTERs for 32 seconds. So the same few contacts are refreshed for longer than that first;
    new ones at the same pace then add to the memory nothing but themselves.
    """
    with running_server() as server:
        create_company(server, record=False)
        phones = []
        for number in range(2000, 2000 + _CONTACT_USERS):
            password = f"long-enough-{number}"
            server.post("extensions", number=str(number), name=f"Desk {number}", password=password)
            phones += [(str(number), password, f"{number}-{index}") for index in range(_CONTACTS_EACH)]
        first, others = phones[::_CONTACTS_EACH], [phone for phone in phones if not phone[2].endswith("-0")]
        _register(folder, server, first * (_SETTLE_SECONDS * _CONTACT_RATE // len(first)), rate=_CONTACT_RATE)
        before = server.memory_kb()
        _register(folder, server, others, rate=_CONTACT_RATE)
        return (server.memory_kb() - before) / len(others)


def _memory_growth(folder: Path) -> float:
    """Return by how many percent the resident memory has grown after 10,000 calls have come and gone."""
    with running_server() as server:
        _register_phone(folder, server, create_company(server, record=False))
        _calls(folder, server, calls=_MANY_RATE * _COST_SECONDS, rate=_MANY_RATE, repeated=1.0)
        server.caught_up()
        time.sleep(_SETTLE_SECONDS)
        before = server.memory_kb()
        _calls(folder, server, calls=_MANY_CALLS, rate=_MANY_RATE, repeated=1.0)
        server.caught_up()
        time.sleep(_SETTLE_SECONDS)
        return (server.memory_kb() - before) / before * 100


def _register_phone(folder: Path, server: Server, password: str) -> None:
    """Register the extension's phone at the port where `sipp.callee` will answer."""
    _register(folder, server, [(EXTENSION, password, EXTENSION)], rate=10)


def _register(folder: Path, server: Server, phones: list[tuple[str, str, str]], *, rate: int) -> None:
    sipp.phones(folder, server, phones, port=_PHONE_PORT, rate=rate, seconds=20 + len(phones) / rate).finish().check()


def _calls(
    folder: Path, server: Server, *, calls: int, rate: int, port: int | None = None, repeated: float = 0.02
) -> None:
    """Have calls placed that all must succeed; `repeated` messages a call may be sent again.

    Raises:
        SippError: a call failed, or too many messages had to be repeated.
    """
    _offer(folder, server, calls=calls, rate=rate, port=port).check(repeated=repeated)


def _offer(folder: Path, server: Server, *, calls: int, rate: int, port: int | None = None) -> sipp.Outcome:
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


def _cost(server: Server, work: Callable[[], None]) -> float:
    """Return the processor milliseconds that some work takes until all its effects are stored, above those of rest."""
    time.sleep(_REST_SECONDS)
    cpu, began = server.cpu_ms(), time.monotonic()
    time.sleep(_REST_SECONDS)
    idle = (server.cpu_ms() - cpu) / (time.monotonic() - began)
    cpu, began = server.cpu_ms(), time.monotonic()
    work()
    server.caught_up()
    time.sleep(_REST_SECONDS)
    return server.cpu_ms() - cpu - idle * (time.monotonic() - began)


def _answered_records(server: Server) -> int:
    """Count the records of answered calls."""
    count = 0
    query: dict[str, str | int] = {"limit": 200}
    while True:
        page = server.get("cdrs", **query)
        count += len([record for record in page["items"] if record["disposition"] == "answered"])
        if not page["next_cursor"]:
            return count
        query["cursor"] = page["next_cursor"]


def _too_many(rate: int, error: sipp.SippError) -> None:
    print(f"  {rate} a second are too many: {str(error)[:200].splitlines()[0]}", flush=True)


def _live_calls(server: Server) -> float:
    return server.metric("ramal_calls")
