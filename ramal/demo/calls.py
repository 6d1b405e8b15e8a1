"""The demo's calls: three pjsua2 phones and what they do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.settings import Settings
from ramal.demo.audio import hears
from ramal.demo.company import (
    COLLEAGUE,
    COMPANY_NUMBER,
    CUSTOMER_NAME,
    CUSTOMER_NUMBER,
    DESK,
    LANDLINE,
    MOBILE,
    TRUNK_ADDRESS,
    Api,
    DemoError,
    Phones,
)
from ramal.demo.progress import Progress
from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone

_TALK_SECONDS = 4.0
_FIRST_RTP_PORT = 14_000


@dataclass(slots=True, frozen=True)
class Stage:
    """Who plays: the phones, the web page's API session, the speech files, and a folder for what is heard."""

    desk: SoftPhone
    colleague: SoftPhone
    customer: SoftPhone
    api: Api
    speech: dict[str, Path]
    folder: Path
    settings: Settings
    progress: Progress

    @property
    def sip(self) -> str:
        """The server's SIP address."""
        return f"{self.settings.sip_address}:{self.settings.sip.port}"


@dataclass(slots=True)
class MainCall:
    """What the main call led to."""

    call_id: str
    answered_by: str
    transferred_to: str
    lead_id: str


def free_udp_port(address: str = "127.0.0.1") -> int:
    """Return a port nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def phones(settings: Settings, passwords: Phones, trunk_port: int) -> AsyncIterator[tuple[SoftPhone, ...]]:
    """Start the two desk phones and the customer's end of the trunk; close them in any case."""
    server = f"{settings.sip_address}:{settings.sip.port}"
    setups = (
        PhoneSetup(server, DESK, free_udp_port(), _FIRST_RTP_PORT, passwords.desk),
        PhoneSetup(server, COLLEAGUE, free_udp_port(), _FIRST_RTP_PORT + 100, passwords.colleague),
        PhoneSetup(
            server,
            CUSTOMER_NUMBER,
            trunk_port,
            _FIRST_RTP_PORT + 200,
            register=False,
            address=TRUNK_ADDRESS,
        ),
    )
    async with contextlib.AsyncExitStack() as stack:
        started = []
        for setup in setups:
            phone = await SoftPhone.start(setup)
            stack.push_async_callback(phone.close)
            started.append(phone)
        yield tuple(started)


async def main_call(stage: Stage) -> MainCall:
    """A customer calls, is answered, noted, put on hold, and transferred to a colleague."""
    say = stage.progress.say
    customer = await stage.customer.call(f"sip:{COMPANY_NUMBER}@{stage.sip}", stage.speech["customer"])
    await customer.record(stage.folder / "customer-heard.wav")
    desk = await stage.desk.incoming(20)
    if CUSTOMER_NAME not in desk.remote:
        raise DemoError(f"The phone of {DESK} rings without the caller's name: {desk.remote}.")
    say(f"{CUSTOMER_NUMBER} calls {COMPANY_NUMBER}, hears the greeting; {DESK} rings and shows “{CUSTOMER_NAME}”")
    await desk.answer(180)
    await asyncio.sleep(1.0)
    await desk.answer()
    await desk.confirmed()
    await desk.play(stage.speech["desk"])
    await desk.record(stage.folder / "desk-heard.wav")
    await asyncio.sleep(_TALK_SECONDS + 2)
    say(f"{DESK} answered; both speak")
    live = await _live_call(stage.api)
    lead = await stage.api.post(f"calls/{live['id']}/lead", name="Bread for tomorrow", note="Twenty loaves")
    await desk.press("*6")
    say("A lead is made from the web page, a contact by *6 on the phone, while they speak")
    await asyncio.sleep(3.0)
    await _attended_transfer(stage, desk)
    say(f"{DESK} held the call, asked {COLLEAGUE}, and transferred; the customer speaks with {COLLEAGUE}")
    await asyncio.sleep(_TALK_SECONDS + 2)
    colleague = next(call for call in stage.colleague.calls if not call.ended)
    await colleague.hang_up()
    await customer.over()
    say("They hang up")
    return MainCall(live["id"], DESK, COLLEAGUE, lead["id"])


async def _attended_transfer(stage: Stage, desk: PhoneCall) -> None:
    await desk.hold()
    await asyncio.sleep(1.5)
    consultation = await stage.desk.call(COLLEAGUE, stage.speech["desk"])
    colleague = await stage.colleague.incoming()
    await colleague.answer()
    await colleague.confirmed()
    await consultation.confirmed()
    await colleague.play(stage.speech["colleague"])
    await colleague.record(stage.folder / "colleague-heard.wav")
    await asyncio.sleep(2.0)
    await desk.transfer_to(consultation)
    await desk.over()
    await consultation.over()
    if colleague.ended:
        raise DemoError("The colleague's call ended with the transfer instead of going on.")


async def outgoing_call(stage: Stage, number: str) -> None:
    """The desk calls an outside number, both speak, the desk hangs up."""
    desk = await stage.desk.call(number, stage.speech["desk"])
    outside = await stage.customer.incoming()
    await outside.answer(180)
    await asyncio.sleep(0.5)
    await outside.answer()
    await outside.play(stage.speech["customer"])
    await desk.confirmed()
    await asyncio.sleep(2.5)
    await desk.hang_up()
    await outside.over()
    kind = {LANDLINE: "landline", MOBILE: "mobile"}[number]
    stage.progress.say(f"{DESK} called the {kind} {number} through the trunk")


async def check_hearing(stage: Stage, greeting: Path) -> None:
    """Make sure, in the audio, that the customer heard the greeting and each really heard the other.

    Raises:
        DemoError: somebody did not.
    """
    if not await asyncio.to_thread(hears, stage.folder / "customer-heard.wav", greeting):
        raise DemoError(f"The customer did not hear the greeting (listen to {stage.folder / 'customer-heard.wav'}).")
    pairs = (("customer", "desk"), ("customer", "colleague"), ("desk", "customer"), ("colleague", "customer"))
    for listener, speaker in pairs:
        heard = stage.folder / f"{listener}-heard.wav"
        if not await asyncio.to_thread(hears, heard, stage.speech[speaker]):
            raise DemoError(f"The {listener} did not hear the {speaker} (listen to {heard}).")
    stage.progress.say("Each really heard the other (found in the audio)")


async def _live_call(api: Api) -> dict[str, Any]:
    calls: list[dict[str, Any]] = (await api.get("calls"))["items"]
    if len(calls) != 1:
        raise DemoError(f"{len(calls)} calls are shown as live, not one.")
    return calls[0]
