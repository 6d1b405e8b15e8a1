"""Runs the benchmarks, prints them, and writes `bench/results/latest.json`.

Usage: python -m bench [NAME ...], where NAME is one of sip, media, limits, conferences, translation, rating, faces, compare.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parent / "results" / "latest.json"
NAMES: Final = ("media", "limits", "conferences", "translation", "sip", "compare", "rating", "faces")
"""The engine alone goes first: where the whole server measures the same key, its figure stands."""


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"There is no benchmark {unknown[0]}; there are {', '.join(NAMES)}.")
    load = os.getloadavg()[0]
    results: dict[str, Any] = {}
    if names and RESULTS.exists():
        results = json.loads(RESULTS.read_text())
    for name in names or NAMES:
        measure: Callable[[], dict[str, float]] = import_module(f"bench.{name}").measure
        print(f"— {name}", flush=True)
        for key, value in measure().items():
            results[key] = round(value, 4)
            print(f"  {key:32} {value:12.4g}", flush=True)
    results.update(machine(), load_average=round(load, 1))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(f"Written to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "date": now}


if __name__ == "__main__":
    main(sys.argv[1:])
