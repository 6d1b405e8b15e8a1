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
    _HERE / "ramal" / "test_softphone.py",
    _HERE / "ramal" / "test_demo.py",
}
_IN_REAL_TIME = {*_WITH_REAL_PEERS, _HERE / "media"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with real phones, browsers and brokers a second try, told in the summary as a rerun.

    Such programs have races of their own and share two cores with the server; what fails twice in a row is ours. They and the
    tests of voice run one after the other, first, in one of the processes of `make test`: two such at once would wait for each other.
    """
    for item in items:
        if _is_in(item, _WITH_REAL_PEERS):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if _is_in(item, _IN_REAL_TIME):
            item.add_marker(pytest.mark.xdist_group("real_time"))
    items.sort(key=lambda item: not _is_in(item, _IN_REAL_TIME))


def _is_in(item: pytest.Item, rooms: set[Path]) -> bool:
    return not rooms.isdisjoint((item.path, *item.path.parents))
