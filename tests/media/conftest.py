"""What the tests of the media plane share."""

from __future__ import annotations

import pytest

from media.engine import Backend
from tests.media import phone


@pytest.fixture(params=[Backend.EPOLL, Backend.IO_URING], ids=["epoll", "io_uring"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Run a test with each way of talking to the kernel."""
    chosen = Backend(request.param)
    if chosen is Backend.IO_URING and not phone.io_uring_offered():
        pytest.skip("io_uring is not offered here")
    return chosen


@pytest.fixture
def on_each_backend(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make engines of the test use it."""
    monkeypatch.setattr(phone, "BACKEND", backend)
