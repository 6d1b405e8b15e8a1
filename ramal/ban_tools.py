"""What `ramal bans` does, in the database: a running server takes it over within seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.clock import SystemClock
from core.settings import Settings
from pbx.ban_records import BanRecords
from pbx.errors import UnknownEntryError
from ramal.tools import opened
from sip.bans import Ban, BanBook, BanPolicy, parse_network, parse_source


async def list_bans(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return the bans that hold, the newest first, and the allow-list."""
    clock = SystemClock()
    async with opened(settings) as database:
        records = BanRecords(database, clock)
        bans, allowed = await records.bans(), await records.allowed()
    holding = sorted((ban for ban in bans if ban.until > clock.now()), key=lambda ban: ban.since, reverse=True)
    spared = [{"network": one.network, "note": one.note} for one in allowed]
    always = [{"network": str(network), "note": "sip.never_ban"} for network in settings.sip.spared_networks]
    return {"bans": [_show(ban) for ban in holding], "allowed": always + spared}


async def add_ban(settings: Settings, address: str, *, seconds: int, reason: str) -> dict[str, Any]:
    """Ban an address (of IPv6 its /64) or a network.

    Raises:
        InvalidAddressError: that is neither.
        SparedAddressError: it is on the allow-list.
    """
    clock = SystemClock()
    async with opened(settings) as database:
        records = BanRecords(database, clock)
        book = BanBook(BanPolicy())
        book.replace_all(await records.bans())
        networks = [parse_network(one.network) for one in await records.allowed()]
        book.spare([*settings.sip.spared_networks, *networks])
        ban = book.add(address, seconds, reason, clock.now())
        await records.save({ban.network: ban})
    return _show(ban)


async def lift_ban(settings: Settings, address: str) -> str:
    """End a ban and return its network.

    Raises:
        UnknownEntryError: there is none.
        InvalidAddressError: that is no address.
    """
    network = parse_source(address)
    async with opened(settings) as database:
        records = BanRecords(database, SystemClock())
        if network not in {ban.network for ban in await records.bans()}:
            raise UnknownEntryError(f"{network} is not banned.")
        await records.save({network: None})
    return network


async def allow(settings: Settings, network: str, *, note: str, remove: bool) -> str:
    """Put a network on the allow-list, lifting the bans in it, or take it off; return it as it is written there.

    Raises:
        InvalidAddressError: that is no network.
        EntryExistsError: it is on the list already.
        UnknownEntryError: it is to be taken off and is not there.
    """
    text = str(parse_network(network))
    async with opened(settings) as database:
        records = BanRecords(database, SystemClock())
        if remove:
            await records.disallow(text)
        else:
            await records.allow(network, note)
    return text


def until_text(until: str) -> str:
    """Return how long a ban still lasts, as a person says it."""
    left = datetime.fromisoformat(until) - SystemClock().now()
    minutes = max(1, round(left / timedelta(minutes=1)))
    if minutes < 120:
        return f"{minutes} min"
    return f"{round(minutes / 60)} h" if minutes < 4320 else f"{round(minutes / 1440)} days"


def _show(ban: Ban) -> dict[str, Any]:
    return {
        "network": ban.network,
        "since": ban.since.isoformat(),
        "until": ban.until.isoformat(),
        "offences": ban.offences,
        "reason": ban.reason,
    }
