"""What every test may ask for, and what holds for tests with programs of others."""

from __future__ import annotations

import faulthandler
import os
from pathlib import Path
from typing import TextIO

import pytest

pytest_plugins = ("tests.support.databases",)

LAST_WORDS = "TESTS_LAST_WORDS"
"""Names the folder where a run of the tests leaves what is to be told when its process is killed."""

_HERE = Path(__file__).parent
_STACK = pytest.StashKey[TextIO]()
_WITH_REAL_PEERS = {
    _HERE / "faults",
    _HERE / "interop",
    _HERE / "web",
    _HERE / "ramal" / "test_softphone.py",
    _HERE / "ramal" / "test_demo.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with real phones, browsers and brokers a second try, told in the summary as a rerun.

    Such programs have races of their own and share two cores with the server; what fails twice in a row is ours.
    """
    for item in items:
        if _WITH_REAL_PEERS.intersection((item.path, *item.path.parents)):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the stack of a fault of native code where it outlives the process."""
    folder = os.environ.get(LAST_WORDS)
    if folder is not None:
        config.stash[_STACK] = Path(folder, "stack").open("w")  # noqa: SIM115 - it stays open as long as the process
        faulthandler.enable(config.stash[_STACK])


def pytest_runtest_logstart(nodeid: str) -> None:
    """Leave a note of the test that runs."""
    folder = os.environ.get(LAST_WORDS)
    if folder is not None:
        Path(folder, "test").write_text(nodeid)
