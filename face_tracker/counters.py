"""The counts of the day on MQTT, retained, with what Home Assistant needs to show them by itself.

`ramal/visits/<camera>/state` holds the counts; `homeassistant/sensor/ramal_<camera-id>/<counter>/config` describes each of them
(Home Assistant, MQTT discovery).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from core.outbox import forget_mqtt, send_mqtt

_COUNTERS: Final = {
    "visitors": ("Visitors today", "mdi:account-group"),
    "visits": ("Visits today", "mdi:door-open"),
    "new": ("New visitors today", "mdi:account-plus"),
    "returning": ("Returning visits today", "mdi:account-reactivate"),
}


def visit_topic(camera_name: str, event: str) -> str:
    """Return the topic of an event at a camera: characters that mean something in topics are written as underscores."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in camera_name)
    return f"ramal/visits/{name}/{event}"


async def tell_counts(session: AsyncSession, camera_name: str, counts: dict[str, int], day: str, at: datetime) -> None:
    """Queue the counts of a camera's day, to be kept by the broker."""
    payload = {"camera": camera_name, "day": day, **counts, "at": at}
    await send_mqtt(session, visit_topic(camera_name, "state"), payload, retain=True)


async def describe_counters(session: AsyncSession, camera_id: str, camera_name: str) -> None:
    """Queue the description of a camera's counters for Home Assistant."""
    for counter, (name, icon) in _COUNTERS.items():
        description = {
            "name": name,
            "unique_id": f"ramal_{camera_id}_{counter}",
            "state_topic": visit_topic(camera_name, "state"),
            "value_template": f"{{{{ value_json.{counter} }}}}",
            "state_class": "total_increasing",
            "icon": icon,
            "availability_topic": "ramal/status",
            "device": {
                "identifiers": [f"ramal_{camera_id}"],
                "name": camera_name,
                "manufacturer": "Ramal",
                "model": "Visitor counter",
            },
        }
        await send_mqtt(session, _discovery_topic(camera_id, counter), description, retain=True)


async def forget_counters(session: AsyncSession, camera_id: str, camera_name: str) -> None:
    """Have the broker forget what it keeps of a camera: Home Assistant then removes its counters."""
    for counter in _COUNTERS:
        await forget_mqtt(session, _discovery_topic(camera_id, counter))
    await forget_mqtt(session, visit_topic(camera_name, "state"))


def _discovery_topic(camera_id: str, counter: str) -> str:
    return f"homeassistant/sensor/ramal_{camera_id}/{counter}/config"
