"""What `/metrics` shows of a server that runs, and what its log says of the way to the kernel."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.media.phone import io_uring_offered
from tests.support.ramal_process import RamalProcess, ramal_process


async def figures(server: RamalProcess) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"http://127.0.0.1:{server.web_port}/metrics")).text


@pytest.mark.timeout(120)
@pytest.mark.parametrize("wanted", ["best", "epoll"])
async def test_the_engines_way_to_the_kernel_is_in_the_log_and_in_the_metrics(tmp_path: Path, wanted: str) -> None:
    used = "io_uring" if wanted == "best" and io_uring_offered() else "epoll"
    async with ramal_process(tmp_path, MEDIA_BACKEND=wanted, LOG_FORMAT="json") as server:
        await server.start()
        shown = await figures(server)
        assert f'ramal_media_backend{{backend="{used}"}} 1.0' in shown
        assert f'ramal_media_packets_total{{backend="{used}"}} 0.0' in shown
        assert "ramal_media_endpoints 0.0" in shown
        assert "ramal_media_ports_in_use 0.0" in shown
        [line] = [line for line in server.log.read_text().splitlines() if "media_engine_started" in line]
        assert f'"backend":"{used}"' in line.replace(": ", ":")
