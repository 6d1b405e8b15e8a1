"""A camera on the network (RTSP, with a password): visitors are counted live, and a camera that was cut off is seen again."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from face_tracker.service import FaceService
from tests.support.rtsp_camera import PASSWORD, RtspCamera

pytestmark = pytest.mark.skipif(shutil.which("cvlc") is None, reason="VLC is not installed")


@pytest.fixture
def rtsp_camera(clip: Path) -> Iterator[RtspCamera]:
    # Not among the folders of the tests, which only their user may enter.
    with tempfile.TemporaryDirectory(prefix="ramal-camera-") as name:
        yield RtspCamera(clip, Path(name))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_visitor_is_counted_live_and_again_after_the_camera_was_cut_off(
    service: FaceService, rtsp_camera: RtspCamera
) -> None:
    camera = await service.cameras.create("door", rtsp_camera.url)
    async with rtsp_camera:
        await service.run(camera)
        async with asyncio.timeout(60):
            while not await service.visits.visits():
                await asyncio.sleep(0.1)
    await until(lambda: bool(service.state(camera.id).error))
    assert PASSWORD not in service.state(camera.id).error
    seen = service.state(camera.id).frames
    async with rtsp_camera:
        await until(lambda: service.state(camera.id).frames > seen)
    assert service.state(camera.id).running


async def test_a_wrong_password_is_told_without_telling_it(service: FaceService, rtsp_camera: RtspCamera) -> None:
    camera = await service.cameras.create("door", rtsp_camera.url.replace(PASSWORD, "guessed"))
    async with rtsp_camera:
        await service.run(camera)
        await until(lambda: bool(service.state(camera.id).error))
    error = service.state(camera.id).error
    assert "cannot be read" in error
    assert "guessed" not in error
