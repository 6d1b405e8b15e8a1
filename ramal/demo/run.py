"""The demo as a whole: an empty server, the company, the calls, the camera, and what is there afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiomqtt

from api.key_store import TokenStore
from api.permissions import Role
from core.clock import SystemClock
from core.errors import RamalError, StorageError
from core.settings import Settings
from core.tasks import stopped
from media.prompts import PromptStore
from ramal.app import Ramal, running
from ramal.data_folder import DataFolder
from ramal.demo import calls
from ramal.demo.audio import make_speech
from ramal.demo.clip import make_clip
from ramal.demo.company import GREETING, LANDLINE, MOBILE, TRUNK_ADDRESS, Api, create_company, create_users
from ramal.demo.progress import Progress
from ramal.demo.summary import check_told, collect

_MARK: Final = ".ramal-demo"


async def run_demo(settings: Settings, *, stop: bool) -> bool:
    """Show the main job; return whether all of it worked.

    Args:
        settings: the node's; the data folder is the demo's.
        stop: end after the calls, with a JSON summary as the last line; else leave the server running.
    """
    progress = Progress()
    _empty_folder(settings.data)
    progress.say(f"Starting Ramal on the empty data folder {settings.data}")
    async with running(settings) as ramal:
        try:
            summary, users = await _perform(ramal, progress)
        except RamalError as error:
            summary, users = {"ok": False, "error": str(error)}, {}
            progress.say(f"✗ {error}")
        if not stop and summary["ok"]:
            await _stay(ramal, users)
    if stop or not summary["ok"]:
        sys.stdout.write(json.dumps(summary, default=str, ensure_ascii=False) + "\n")
    return bool(summary["ok"])


def _empty_folder(folder: Path) -> None:
    """Make the demo's folder, or empty it; never one that is no demo's or that a server uses.

    Raises:
        StorageError: it is one of these, or cannot be read or written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            if not (folder / _MARK).exists():
                raise StorageError(
                    f"The folder {folder} is not empty and is no demo's.", hint="Name another one with --data."
                )
            DataFolder(folder).close()
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / _MARK).touch()
    except OSError as error:
        raise StorageError(
            f"The demo's folder {folder} cannot be used: {error.strerror}.",
            hint="Give this user read and write access to it, or name another one with --data.",
        ) from error


async def _perform(ramal: Ramal, progress: Progress) -> tuple[dict[str, Any], dict[str, str]]:
    settings = ramal.settings
    _, token = await TokenStore(ramal.services.database, SystemClock()).create(label="demo", role=Role.ADMINISTRATOR)
    async with contextlib.AsyncExitStack() as stack:
        folder = settings.data / "phones"
        folder.mkdir()
        administrator = await stack.enter_async_context(Api.open(settings.web_url, token))
        events = await stack.enter_async_context(_counted_events(settings))
        trunk_port = calls.free_udp_port(TRUNK_ADDRESS)
        passwords = await create_company(administrator, trunk_port)
        users = await create_users(administrator)
        progress.say("Loja Aurora is set up: two phones, a trunk, a number, rates, one known customer")
        camera = await administrator.post("cameras", name="door", source=str(make_clip(folder / "door.mp4")))
        desk, colleague, customer = await stack.enter_async_context(calls.phones(settings, passwords, trunk_port))
        page = await stack.enter_async_context(Api.open(settings.web_url))
        await page.post("session", username="desk", password=users["desk"])
        speech = await make_speech(folder)
        play = calls.Stage(desk, colleague, customer, page, speech, folder, settings, progress)
        main = await calls.main_call(play)
        for number in (LANDLINE, MOBILE):
            await calls.outgoing_call(play, number)
        await calls.check_hearing(play, PromptStore(settings.data / "prompts").say(GREETING, "en"))
        await ramal.services.faces.finished(camera["id"])
        progress.say("The camera saw its film")
        summary = await collect(play, administrator, main, settings.web_url)
        await check_told(ramal.services.database, events, summary)
        summary["mqtt_events"] = len(events)
        progress.say("CDRs, bills, recording, lead, contact, MQTT events and visits are all there")
    return summary, {"admin": ramal.administrator_password or "", **users}


@contextlib.asynccontextmanager
async def _counted_events(settings: Settings) -> AsyncIterator[list[str]]:
    """Listen to the broker as any other program would, and keep the topics."""
    host = settings.mqtt_address if settings.mqtt.embedded else settings.mqtt.host
    topics: list[str] = []
    username, password = settings.mqtt.username or None, settings.mqtt.password or None
    async with aiomqtt.Client(host, settings.mqtt.port, username=username, password=password) as client:
        await client.subscribe("ramal/#", qos=1)

        async def listen() -> None:
            """Collect the topics of what comes."""
            async for message in client.messages:
                topics.append(str(message.topic))  # noqa: PERF401 - the list is looked at while it grows

        task = asyncio.create_task(listen(), name="demo-mqtt")
        try:
            yield topics
        finally:
            await stopped(task)


async def _stay(ramal: Ramal, users: dict[str, str]) -> None:
    """Say where to look and how to sign in, and run on until Ctrl-C."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    lines = [f"\nRamal runs: {ramal.settings.web_url}", "Sign in as:"]
    lines += [f"  {username:8} {password}" for username, password in users.items()]
    lines.append("Ctrl-C stops it; the next `make demo` begins on an empty folder again.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    await stopped.wait()
