"""What calls and registrations cost in the whole server: processor time and memory, with SIPp as carrier and phones.

The server is `ramal serve` on one core, with journal, call records, bills and CRM at work; SIPp is on the other core. What the
server does after a run, until every fact has had its effects, counts as well; what it does at rest is taken off.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import sipp
from bench.server import EXTENSION, Server, create_company, running_server, wait_until

_PHONE_PORT: Final = 45_500
_CALL_RATE: Final = 100
_CALLS: Final = 1500
_HELD_CALLS: Final = 400
_REGISTRATIONS: Final = 2000
_REGISTRATION_RATE: Final = 200
_CONTACT_USERS: Final = 200
_CONTACTS_EACH: Final = 10
_REST_SECONDS: Final = 3.0
_CONTACT_RATE: Final = 100
_SETTLE_SECONDS: Final = 36
_RATES: Final = (150, 200, 250, 300, 350, 400, 500, 600)
_RATE_SECONDS: Final = 6


def measure() -> dict[str, float]:
    """Measure everything, and return the figures by the names of `bench/results/latest.json`."""
    with tempfile.TemporaryDirectory(prefix="ramal-sipp-") as name:
        folder = Path(name)
        with running_server() as server:
            password = create_company(server, record=False)
            _register_phone(folder, server, password)
            results = {
                "b2bua_call_cpu_ms": call_cost(folder, server),
                "register_cpu_ms": registration_cost(folder, server, password),
            }
        with running_server() as server:
            _register_phone(folder, server, create_company(server, record=False))
            results["b2bua_max_cps"] = highest_rate(folder, server)
        results["memory_per_call_kb"] = _memory_of_calls(folder, record=False)
        results["memory_per_recorded_call_kb"] = _memory_of_calls(folder, record=True)
        results["memory_per_contact_kb"] = _memory_of_contacts(folder)
        return results


def call_cost(folder: Path, server: Server) -> float:
    """Return the processor milliseconds of a call, from INVITE to its bill; every call must leave an answered record."""
    _calls(folder, server, calls=200, rate=_CALL_RATE)
    server.caught_up()
    before = _answered_records(server)
    cost = _cost(server, lambda: _calls(folder, server, calls=_CALLS, rate=_CALL_RATE))
    if (records := _answered_records(server) - before) != _CALLS:
        raise RuntimeError(f"{_CALLS} calls left {records} records")
    return cost / _CALLS


def registration_cost(folder: Path, server: Server, password: str) -> float:
    """Return the processor milliseconds of a registration: challenge, digest, answer, and its row in the database."""
    phones = [(EXTENSION, password, EXTENSION)] * _REGISTRATIONS

    return _cost(server, lambda: _register(folder, server, phones, rate=_REGISTRATION_RATE)) / _REGISTRATIONS


def highest_rate(folder: Path, server: Server) -> float:
    """Return the highest of the tried rates at which no call failed and no message was repeated."""
    best = 0
    for rate in _RATES:
        try:
            _calls(folder, server, calls=rate * _RATE_SECONDS, rate=rate)
        except sipp.SippError as error:
            print(f"  {rate} calls a second are too many: {error}", flush=True)
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


def _register_phone(folder: Path, server: Server, password: str) -> None:
    """Register the extension's phone at the port where `sipp.callee` will answer."""
    _register(folder, server, [(EXTENSION, password, EXTENSION)], rate=10)


def _register(folder: Path, server: Server, phones: list[tuple[str, str, str]], *, rate: int) -> None:
    sipp.phones(folder, server, phones, port=_PHONE_PORT, rate=rate, seconds=20 + len(phones) / rate).finish().check()


def _calls(folder: Path, server: Server, *, calls: int, rate: int) -> None:
    """Have the carrier place calls that the phone answers and that end at once.

    Raises:
        SippError: a call failed, or a message had to be repeated.
    """
    seconds = 20 + calls / rate
    phone = sipp.callee(folder, _PHONE_PORT, seconds=seconds + 10)
    try:
        sipp.caller(folder, server, calls=calls, rate=rate, talk_ms=0, seconds=seconds).finish().check()
        if not phone.still_runs():
            raise sipp.SippError("the phone ended before its time")
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


def _live_calls(server: Server) -> float:
    return server.metric("ramal_calls")
