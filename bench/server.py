"""A real server under the benchmarks: `ramal serve` as a process on one core, seeded through its REST API, watched through /proc."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from core.settings_reader import ports_from_base

CARRIER: Final = "127.0.0.3"
"""The address calls come from; a trunk is known by its address."""
COMPANY_NUMBER: Final = "+74951234567"
EXTENSION: Final = "1001"
PORT_BASE: Final = "22000"
"""Where the server's ports begin: below those that the system gives to clients, one of which could be connected to itself."""
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_CAUGHT_UP_SECONDS: Final = 30.0
_TICK_MS: Final = 1000.0 / os.sysconf("SC_CLK_TCK")
RAMAL: Final = (sys.executable, "-c", "from ramal.cli import main; main()")


@dataclass(slots=True)
class Server:
    """The process, and a client of its API."""

    process: subprocess.Popen[bytes]
    sip_port: int
    api: httpx.Client
    log: Path

    def cpu_ms(self) -> float:
        """Processor time of all its threads since it started, user and system."""
        return cpu_ms(self.process.pid)

    def memory_kb(self) -> float:
        """Resident memory."""
        return resident_kb(self.process.pid)

    def metric(self, name: str) -> float:
        """Return one of its Prometheus figures; labels are added up."""
        lines = self.api.get("/metrics").raise_for_status().text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def caught_up(self) -> None:
        """Wait until records, bills and CRM have taken up every fact of the journal."""
        wait_until(lambda: self.metric("ramal_consumer_lag") == 0, _CAUGHT_UP_SECONDS, "the journal's consumers")

    def live_calls(self) -> float:
        """Count the calls there are."""
        return self.metric("ramal_calls")

    def answered_records(self) -> int:
        """Count the records of answered calls."""
        count = 0
        query: dict[str, str | int] = {"limit": 200}
        while True:
            page = self.get("cdrs", **query)
            count += len([record for record in page["items"] if record["disposition"] == "answered"])
            if not page["next_cursor"]:
                return count
            query["cursor"] = page["next_cursor"]

    def post(self, path: str, **body: Any) -> Any:
        """Make something."""
        return _checked(self.api.post(f"/api/v1/{path}", json=body)).json()

    def patch(self, path: str, **body: Any) -> None:
        """Change something."""
        _checked(self.api.patch(f"/api/v1/{path}", json=body))

    def get(self, path: str, **query: str | int) -> Any:
        """Ask for something."""
        return _checked(self.api.get(f"/api/v1/{path}", params=query)).json()


def cpu_ms(process: int) -> float:
    """Return the processor time of all threads of a process since it started, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_MS


def resident_kb(process: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise RuntimeError("the server is gone")


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url} → {response.status_code} {response.text}")
    return response


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a process; one that is still there after so long is killed."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(reached: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something outside of this process.

    Raises:
        TimeoutError: it did not come about.
    """
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} seconds")
        time.sleep(0.1)


@contextlib.contextmanager
def running_server(port_base: int = 0) -> Iterator[Server]:
    """Give a server on a fresh data folder, on the first core, without any company data."""
    base = port_base or int(os.environ.get("RAMAL_PORT_BASE", PORT_BASE))
    with tempfile.TemporaryDirectory(prefix="ramal-bench-") as name:
        folder = Path(name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RAMAL_")}
        # Held calls without voice shall not be taken for vanished phones.
        environment |= {"RAMAL_PORT_BASE": str(base), "RAMAL_MEDIA_SILENCE_SECONDS": "3600"}
        (folder / "data").mkdir()
        data = ("--data", str(folder / "data"))
        made = subprocess.run(
            [*RAMAL, "token", "create", "--role", "administrator", *data, "--json"],
            capture_output=True,
            check=True,
            env=environment,
        )
        token = json.loads(made.stdout)["token"]
        log = folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*pinned(0), *RAMAL, "serve", *data], env=environment, stdout=output, stderr=output
            )
        url = f"http://127.0.0.1:{ports_from_base(base)['web']['port']}"
        client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
        server = Server(process, base, client, log)
        try:
            wait_until(lambda: _ready(server), _START_SECONDS, f"the server's start\n{log.read_text()[-2000:]}")
            yield server
        finally:
            client.close()
            end(process, _STOP_SECONDS)


def _ready(server: Server) -> bool:
    if server.process.poll() is not None:
        raise RuntimeError(f"the server ended:\n{server.log.read_text()[-3000:]}")
    try:
        return server.api.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def create_company(server: Server, *, record: bool) -> str:
    """Make a company with an extension, a trunk that calls in, a number and rates; return the extension's password."""
    password = secrets.token_urlsafe(12)
    server.patch("company", name="Bench", country="RU", currency="RUB", timezone="Europe/Moscow", record_calls=record)
    server.post("extensions", number=EXTENSION, name="Desk", password=password)
    # Nothing answers at the trunk's own port, so that its checks do not get in the way of the scenarios.
    server.post(
        "trunks",
        name="carrier",
        host=CARRIER,
        port=9,
        transport="udp",
        register=False,
        allow_from=[f"{CARRIER}/32"],
    )
    server.post("numbers", number=COMPANY_NUMBER, destination={"kind": "extension", "target": EXTENSION})
    server.post(
        "rates",
        prefix="7",
        kind="mobile",
        price_per_minute="1.57",
        currency="RUB",
        first_increment=60,
        increment=60,
        connection_fee="0",
    )
    return password


def pinned(core: int) -> tuple[str, ...]:
    """Return the words before a command that keep it on one core; none where there is one core only."""
    cores = sorted(os.sched_getaffinity(0))
    return ("taskset", "-c", str(cores[core])) if len(cores) > core and len(cores) > 1 else ()
