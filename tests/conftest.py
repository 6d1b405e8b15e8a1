"""What every test may ask for, and what holds for tests with programs of others."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ("tests.support.databases",)

_HERE = Path(__file__).parent
_WITH_REAL_PEERS = {
    _HERE / "faults",
    _HERE / "interop",
    _HERE / "web",
    _HERE / "face_tracker" / "test_live_camera.py",
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
