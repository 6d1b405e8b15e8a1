"""What calls and registrations cost ours and Asterisk, in turns within one run: only such figures can be set beside each other."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeAlias

from bench import asterisk, load, sipp
from bench.load import SipServer
from bench.server import create_company, running_server

Figures: TypeAlias = dict[str, float]
Running: TypeAlias = Callable[[], AbstractContextManager[tuple[SipServer, str]]]
"""Starts a server on which the extension is, and gives it with the extension's password."""

_TURNS: Final = 2
_TRIES: Final = 2
"""Of each rate, since what else goes on in the machine comes in bursts."""
_COST: Final = "call_cpu_ms"
_MOST: Final = "max_cps"
_CALL_RATES: Final = (100, 150, 200, 300)
_REGISTRATION_RATE: Final = 500
_RATES: Final = (100, 150, 200, 250, 300, 350, 400, 500, 600)


def measure() -> Figures:
    """Measure both in turns, print each turn, and return the figures by the names of `bench/results/latest.json`."""
    if not asterisk.installed():
        print(f"Asterisk is not measured beside: {asterisk.ABSENT}")
        return {}
    turns: dict[str, list[Figures]] = {"ramal": [], "asterisk": []}
    with tempfile.TemporaryDirectory(prefix="ramal-sipp-") as name:
        for number in range(1, _TURNS + 1):
            for server, running in (("ramal", _ours), ("asterisk", _theirs)):
                before = os.getloadavg()[0]
                turns[server].append(one_turn(Path(name), running))
                said = ", ".join(f"{key} {value:.4g}" for key, value in turns[server][-1].items())
                print(f"{server}, turn {number}, load average {before:.1f} before: {said}", flush=True)
    return {f"{server}_{key}": value for server, figures in turns.items() for key, value in best(figures).items()}


def best(turns: Sequence[Figures]) -> Figures:
    """Return the best figure of all turns for each key: what else goes on in the machine can only add.

    A rate has a key only where a turn carried it cleanly. The key without a rate is that of the highest rate.
    """
    keys = dict.fromkeys(key for figures in turns for key in figures)
    chosen = {key: _better(key)(figures[key] for figures in turns if key in figures) for key in keys}
    carried = [rate for rate in _CALL_RATES if _at(rate) in chosen]
    return chosen | ({_COST: chosen[_at(carried[-1])], "call_rate": carried[-1]} if carried else {})


def _better(key: str) -> Callable[[Iterator[float]], float]:
    return max if key == _MOST else min


def _at(rate: int) -> str:
    return f"{_COST}_{rate}"


def one_turn(folder: Path, running: Running) -> Figures:
    """Measure a server: costs in one process, the highest rate in a second one, memory in a third."""
    figures: Figures = {}
    with _with_phone(folder, running) as (server, password):
        load.warm_up(folder, server)
        with contextlib.suppress(sipp.SippError):
            for rate in _CALL_RATES:
                figures[_at(rate)] = load.call_cost(folder, server, [rate] * _TRIES)[1]
        with contextlib.suppress(sipp.SippError):
            tries = [_REGISTRATION_RATE] * _TRIES
            figures["register_cpu_ms"] = load.registration_cost(folder, server, password, tries)[1]
    with _with_phone(folder, running) as (server, _):
        figures[_MOST] = load.highest_rate(folder, server, _RATES)
    with _with_phone(folder, running) as (server, _):
        figures["memory_per_call_kb"] = load.memory_of_a_call(folder, server)
    return figures


@contextlib.contextmanager
def _with_phone(folder: Path, running: Running) -> Iterator[tuple[SipServer, str]]:
    with running() as (server, password):
        load.register_phone(folder, server, password)
        yield server, password


@contextlib.contextmanager
def _ours() -> Iterator[tuple[SipServer, str]]:
    with running_server() as server:
        yield server, create_company(server, record=False)


@contextlib.contextmanager
def _theirs() -> Iterator[tuple[SipServer, str]]:
    with asterisk.running_asterisk() as server:
        yield server, server.password
