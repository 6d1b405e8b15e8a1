"""`/readyz` of the whole server: every part stands there, and a broker that is away holds no call up."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx

from core.journal import Journal
from core.outbox import send_mqtt
from core.settings import Settings
from core.settings_reader import load_settings
from ramal.app import Ramal, running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings(folder: Path) -> Settings:
    ports = {f"RAMAL_{name}_PORT": str(free_port()) for name in ("SIP", "WEB", "MQTT")}
    rtp = {"RAMAL_MEDIA_FIRST_PORT": "23000", "RAMAL_MEDIA_LAST_PORT": "23099"}
    return load_settings(environment={**ports, **rtp, "RAMAL_MQTT_EMBEDDED": "false"}, data=folder)


async def readiness(ramal: Ramal) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{ramal.settings.web_url}/readyz")
    return answer.status_code, answer.json()


async def test_a_broker_that_is_away_and_a_disk_that_refuses_are_told_apart(tmp_path: Path, monkeypatch: Any) -> None:
    async with running(settings(tmp_path)) as ramal:
        status, told = await readiness(ramal)
        assert status == 200
        assert {"database", "journal", "sip", "media", "consumer cdrs", "outbox mqtt", "recordings"} <= set(
            told["parts"]
        )
        assert told["parts"]["consumer cdrs"] == "ok"
        async with ramal.services.database.transaction() as session:
            await send_mqtt(session, "ramal/x", {})
        async with asyncio.timeout(10):
            while (await readiness(ramal))[1]["status"] != "degraded":
                await asyncio.sleep(0.05)
        assert (await readiness(ramal))[0] == 200
        with monkeypatch.context() as broken:
            broken.setattr(Journal, "failing", True)
            status, told = await readiness(ramal)
        assert (status, told["status"]) == (503, "not ready")
        assert "disk" in told["parts"]["journal"]
