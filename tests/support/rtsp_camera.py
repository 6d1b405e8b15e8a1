"""A camera on the network: VLC as an RTSP server in a process of its own, playing a film over and over."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_port

USERNAME = "owner"
PASSWORD = "door-secret"


class RtspCamera:
    """Shows a film at `url` from the moment it is entered, as a camera that asks for a password; may be entered again."""

    def __init__(self, film: Path, folder: Path) -> None:
        """Prepare it.

        Args:
            film: what it shows.
            folder: where it may keep a copy of the film and its log; anybody must be able to enter it.
        """
        self.port = free_port()
        self._film = Path(shutil.copy(film, folder / "shown.mp4"))
        self._folder = folder
        folder.chmod(0o755)

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"rtsp://{USERNAME}:{PASSWORD}@127.0.0.1:{self.port}/door"

    async def __aenter__(self) -> Self:
        self._log = (self._folder / "log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            "cvlc", "-I", "dummy", "--no-audio", "--loop", "--sout-keep", self._film.name,
            "--sout", f"#rtp{{sdp=rtsp://127.0.0.1:{self.port}/door}}",
            "--sout-rtsp-user", USERNAME, "--sout-rtsp-pwd", PASSWORD,
            cwd=self._folder, env={**os.environ, "HOME": str(self._folder)}, stdout=self._log, stderr=self._log,
            # VLC refuses to run as root.
            user="nobody" if os.geteuid() == 0 else None,
        )  # fmt: skip
        async with asyncio.timeout(20):
            while not await self._answers():
                await asyncio.sleep(0.05)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        await self._process.wait()
        self._log.close()

    async def _answers(self) -> bool:
        try:
            _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True
