"""What the demo leaves behind, collected through the API and checked to be complete."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import soundfile
from sqlalchemy import select

from core.database import Database
from core.outbox import EMAIL, OutboxMessage
from ramal.demo.audio import hears
from ramal.demo.calls import MainCall, Stage
from ramal.demo.company import LANDLINE, MOBILE, Api, DemoError

_WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.25
_CHARGES: Final = {LANDLINE: ("landline", "0.72"), MOBILE: ("mobile", "1.57")}


async def collect(stage: Stage, api: Api, main: MainCall, web: str) -> dict[str, Any]:
    """Return the summary.

    Raises:
        DemoError: something is missing or wrong, by name.
    """
    cdrs = await _until(lambda: _cdrs(api), "four CDRs, the charges and the recording")
    cdr = next(one for one in cdrs if one["call_id"] == main.call_id)
    recording = await _until(lambda: _sealed(api, cdr["recording_id"]), "the sealed recording")
    contact = await _until(lambda: _contact(api, main.call_id), "the contact")
    await _check_heard_again(api, "leads", main.lead_id)
    await _check_heard_again(api, "contacts", contact["id"])
    await _check_recording(stage, api, recording)
    charges = [charge for one in cdrs for charge in one["charges"]]
    _check_charges(charges)
    _check_transfer(cdr)
    fields = ("number", "kind", "seconds", "billed_seconds", "amount", "currency")
    return {
        "ok": True,
        "call_id": main.call_id,
        "answered_by": main.answered_by,
        "transferred_to": main.transferred_to,
        "lead_id": main.lead_id,
        "contact_id": contact["id"],
        "cdrs": cdrs,
        "charges": [{name: charge[name] for name in fields} for charge in charges],
        "recording": {name: recording[name] for name in ("id", "channels", "seconds")},
        "visits": await _visits(api),
        "web": web,
    }


async def _until(look: Any, what: str) -> Any:
    end = asyncio.get_running_loop().time() + _WAIT_SECONDS
    while asyncio.get_running_loop().time() < end:
        found = await look()
        if found:
            return found
        await asyncio.sleep(_POLL_SECONDS)
    raise DemoError(f"Still missing after {_WAIT_SECONDS:.0f} s: {what}.")


async def _cdrs(api: Api) -> list[dict[str, Any]]:
    cdrs: list[dict[str, Any]] = (await api.get("cdrs"))["items"]
    complete = len(cdrs) == 4 and all(cdr["ended_at"] for cdr in cdrs)
    billed = sum(len(cdr["charges"]) for cdr in cdrs) == len(_CHARGES)
    return cdrs if complete and billed and any(cdr["transfers"] for cdr in cdrs) else []


async def _sealed(api: Api, recording_id: str) -> dict[str, Any] | None:
    recording: dict[str, Any] = await api.get(f"recordings/{recording_id}")
    return recording if recording["state"] == "sealed" else None


async def _contact(api: Api, call_id: str) -> dict[str, Any] | None:
    contacts = (await api.get("contacts"))["items"]
    return next((contact for contact in contacts if contact["call_id"] == call_id), None)


async def _check_heard_again(api: Api, kind: str, id_: str) -> None:
    """The lead or contact has the call with its recording."""

    async def activity() -> Any:
        """Return its activities with a recording, once there are any."""
        person = await api.get(f"{kind}/{id_}")
        return [one for one in person["activities"] if one.get("recording_id")]

    await _until(activity, f"the recording among the activities in {kind}")


async def check_told(database: Database, topics: Collection[str], summary: Mapping[str, Any]) -> None:
    """Make sure that colleagues were told of the lead and the contact: by events, and by e-mail in the outbox.

    Raises:
        DemoError: they were not.
    """
    for topic in (f"ramal/leads/{summary['lead_id']}/created", f"ramal/contacts/{summary['contact_id']}/created"):
        if topic not in topics:
            raise DemoError(f"No MQTT event {topic} arrived.")
    async with database.reading() as session:
        letters = await session.scalars(select(OutboxMessage.body).where(OutboxMessage.channel == EMAIL))
    about_call = [body for body in letters if summary["call_id"] in body]
    if len(about_call) != 2:
        raise DemoError(f"{len(about_call)} e-mails tell of the lead and the contact, not two.")


async def _check_recording(stage: Stage, api: Api, recording: dict[str, Any]) -> None:
    """The file is stereo, customer left and agents right, from before the transfer to after it."""
    if recording["channels"] != 2:
        raise DemoError(f"The recording has {recording['channels']} channels, not two.")
    audio = await api.download(f"recordings/{recording['id']}/audio")
    samples, rate = soundfile.read(io.BytesIO(audio), dtype="float64")
    if abs(len(samples) / rate - recording["seconds"]) > 0.1:
        raise DemoError("The recording is not as long as it says.")
    sides = {"customer": samples[:, 0], "desk": samples[:, 1], "colleague": samples[:, 1]}
    for speaker, side in sides.items():
        if not await asyncio.to_thread(hears, side, stage.speech[speaker]):
            raise DemoError(f"The {speaker} is not heard on the recording.")


def _check_charges(charges: list[dict[str, Any]]) -> None:
    for number, (kind, amount) in _CHARGES.items():
        charge = next((one for one in charges if one["number"] == number), None)
        if charge is None:
            raise DemoError(f"The call to {number} was not billed.")
        if (charge["kind"], charge["amount"], charge["currency"], charge["billed_seconds"]) != (
            kind,
            amount,
            "RUB",
            60,
        ):
            raise DemoError(f"The call to {number} was billed wrong: {charge}.")


def _check_transfer(cdr: dict[str, Any]) -> None:
    if not any(one["kind"] == "attended" and one["result"] == "completed" for one in cdr["transfers"]):
        raise DemoError(f"The CDR tells of no completed transfer: {cdr['transfers']}.")


async def _visits(api: Api) -> dict[str, int]:
    day = datetime.now(UTC).astimezone(ZoneInfo("Europe/Moscow")).date().isoformat()
    summary = await api.get("visits/summary", day=day)
    visits = {name: summary[name] for name in ("visitors", "visits", "returning")}
    if visits != {"visitors": 1, "visits": 2, "returning": 1}:
        raise DemoError(f"The camera counted {visits}, not one visitor who came twice.")
    return visits
