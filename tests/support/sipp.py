"""SIPp as a peer: a scenario in XML, run as a real process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port


@dataclass(slots=True, frozen=True)
class SippResult:
    """How a run ended."""

    code: int
    """0 when every call went as written, 1 when one did not."""
    successful: int
    failed: int
    log: str
    """The errors and the messages that were unexpected."""


async def run_sipp(
    scenario: Path | str,
    target: str = "",
    *,
    folder: Path,
    address: str = "127.0.0.1",
    port: int = 0,
    media_port: int = 0,
    calls: int = 1,
    rate: float = 10,
    transport: str = "u1",
    service: str = "service",
    keys: Mapping[str, str] | None = None,
    extra: Sequence[str] = (),
    timeout: float = 30,
) -> SippResult:
    """Run a scenario to its end.

    Args:
        scenario: an XML file, or the name of a built-in one (`uac`, `uas`).
        target: host:port that is called; empty for a scenario that waits.
        folder: where its logs go.
        address: its own IP address.
        port: its own port; 0 takes a free one.
        media_port: the first of four ports for its voice; 0 takes free ones.
        calls: after how many it ends.
        rate: calls a second.
        transport: `u1` UDP, `t1` TCP.
        service: the user part that is called.
        keys: values for `[name]` in the scenario.
        extra: further arguments.
        timeout: seconds until it counts as failed.
    """
    built_in = isinstance(scenario, str)
    errors = folder / f"sipp-{port or 'any'}-errors.log"
    arguments = ["-sn" if built_in else "-sf", str(scenario), "-i", address, "-p", str(port or free_port())]
    arguments += ["-mi", address, "-mp", str(media_port or free_port(count=4)), "-t", transport, "-s", service]
    arguments += ["-m", str(calls), "-r", str(rate), "-trace_err", "-error_file", str(errors), "-nostdin"]
    arguments += ["-timeout", f"{int(timeout)}s", "-timeout_error"]
    for name, value in (keys or {}).items():
        arguments += ["-key", name, value]
    arguments += [*extra, *([target] if target else [])]
    process = await asyncio.create_subprocess_exec(
        "sipp", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout + 5)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    text = output.decode("utf-8", "replace")
    log = errors.read_text(errors="replace") if errors.exists() else ""
    return SippResult(process.returncode or 0, _count(text, "Successful call"), _count(text, "Failed call"), log)


def _count(text: str, label: str) -> int:
    found = re.findall(rf"{label}\s*\|\s*\d+\s*\|\s*(\d+)", text)
    return int(found[-1]) if found else 0
