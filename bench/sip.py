"""What calls and registrations cost in the whole server: processor time and memory, with SIPp as carrier and phones.

The server is `ramal serve` on one core, with journal, call records, bills and CRM at work; SIPp is on the other core.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench import load, restart
from bench.server import CARRIER, Server, create_company, pinned, running_server

_CALL_RATES: Final = (500, 400, 300, 200, 100)
"""The first of these calls a second that the machine carries cleanly is the one a call's cost is told at."""
_REGISTRATION_RATES: Final = (1000, 500, 200)
_CONTACT_USERS: Final = 200
_CONTACTS_EACH: Final = 10
_CONTACT_RATE: Final = 100
_RATES: Final = (200, 300, 400, 500, 600, 700, 800, 1000, 1200)
_OVERLOAD: Final = 1.5
_OVERLOAD_SECONDS: Final = 10
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
            load.register_phone(folder, server, password)
            load.warm_up(folder, server)
            rate, cost = load.call_cost(folder, server, _CALL_RATES)
            registrations, registration = load.registration_cost(folder, server, password, _REGISTRATION_RATES)
            results = {
                "b2bua_call_cpu_ms": cost,
                "b2bua_call_rate": rate,
                "register_cpu_ms": registration,
                "register_rate": registrations,
                "b2bua_lossy_call_cpu_ms": lossy_call_cost(folder, server),
                "longest_pause_ms": server.metric("ramal_loop_longest_pause_seconds") * 1000,
            }
        with running_server() as server:
            load.register_phone(folder, server, create_company(server, record=False))
            best = load.highest_rate(folder, server, _RATES)
            results["b2bua_max_cps"] = best
            results["b2bua_overload_goodput"] = overload_goodput(folder, server, best)
        results["memory_growth_percent"] = _memory_growth(folder)
        results["memory_per_call_kb"] = _memory_of_calls(folder, record=False)
        results["memory_per_recorded_call_kb"] = _memory_of_calls(folder, record=True)
        results["memory_per_contact_kb"] = _memory_of_contacts(folder)
        return results | restart.measure()


def lossy_call_cost(folder: Path, server: Server) -> float:
    """Return the processor milliseconds of a call whose caller loses 5 % of all packets both ways; all calls must succeed."""
    command = [*pinned(1), sys.executable, "-m", "tests.support.lossy_relay", f"{CARRIER}:{_LOSSY_PORT}"]
    command += [f"127.0.0.1:{server.sip_port}", "--loss", str(_LOSS), "--upstream", CARRIER]
    relay = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if relay.stdout is None or not relay.stdout.readline():
            raise RuntimeError("the lossy relay did not start")
        lossy = functools.partial(
            load.place, folder, server, calls=_LOSSY_CALLS, rate=_LOSSY_RATE, port=_LOSSY_PORT, repeated=10.0
        )
        return load.cost(server, lossy) / _LOSSY_CALLS
    finally:
        relay.kill()
        relay.communicate()


def overload_goodput(folder: Path, server: Server, limit: int) -> float:
    """Return the calls that succeed of 1.5 times the limit, as a share of the limit; the others are told 503 at once."""
    rate = int(limit * _OVERLOAD)
    offered = load.offer(folder, server, calls=rate * _OVERLOAD_SECONDS, rate=rate)
    return offered.successful / (limit * _OVERLOAD_SECONDS)


def _memory_of_calls(folder: Path, *, record: bool) -> float:
    """Return the resident kilobytes of one call that is held."""
    with running_server() as server:
        load.register_phone(folder, server, create_company(server, record=record))
        return load.memory_of_a_call(folder, server)


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
        load.register(folder, server, first * (load.SETTLE_SECONDS * _CONTACT_RATE // len(first)), rate=_CONTACT_RATE)
        before = server.memory_kb()
        load.register(folder, server, others, rate=_CONTACT_RATE)
        return (server.memory_kb() - before) / len(others)


def _memory_growth(folder: Path) -> float:
    """Return by how many percent the resident memory has grown after 10,000 calls have come and gone."""
    with running_server() as server:
        load.register_phone(folder, server, create_company(server, record=False))
        load.place(folder, server, calls=_MANY_RATE * load.COST_SECONDS, rate=_MANY_RATE, repeated=1.0)
        server.caught_up()
        time.sleep(load.SETTLE_SECONDS)
        before = server.memory_kb()
        load.place(folder, server, calls=_MANY_CALLS, rate=_MANY_RATE, repeated=1.0)
        server.caught_up()
        time.sleep(load.SETTLE_SECONDS)
        return (server.memory_kb() - before) / before * 100
