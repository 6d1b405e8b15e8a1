"""The demo company, set up through the REST API as an administrator would."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from core.errors import Fault, RamalError

COMPANY_NUMBER: Final = "+74951234567"
CUSTOMER_NUMBER: Final = "+79161112233"
CUSTOMER_NAME: Final = "Padaria Central"
LANDLINE: Final = "+74957654321"
MOBILE: Final = "+79167654321"
DESK, COLLEAGUE = "1001", "1002"
GREETING: Final = "Welcome to Loja Aurora. We are connecting you."
TRUNK_ADDRESS: Final = "127.0.0.2"
"""The carrier's end of the trunk: a loopback address of its own, since trunks are known by their address."""


class DemoError(RamalError):
    """A step of the demo did not do what it should."""

    id = "demo.step"
    fault = Fault.OURS


@dataclass(slots=True, frozen=True)
class Phones:
    """The passwords of the two desk phones."""

    desk: str
    colleague: str


class Api:
    """The REST API over HTTP, with a bearer token or a session's cookie."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, token: str = "") -> AsyncIterator[Api]:
        """Give a client of the server at `url`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {"Origin": url}
        async with httpx.AsyncClient(base_url=f"{url}/api/v1/", headers=headers, timeout=20, trust_env=False) as client:
            yield cls(client)

    async def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON of a GET."""
        return await self._answer("GET", path, params=query)

    async def post(self, path: str, **body: Any) -> Any:
        """Return the JSON of a POST."""
        return await self._answer("POST", path, json=body)

    async def patch(self, path: str, **body: Any) -> Any:
        """Return the JSON of a PATCH."""
        return await self._answer("PATCH", path, json=body)

    async def download(self, path: str) -> bytes:
        """Return the bytes of a GET."""
        response = await self._client.get(path)
        if response.is_error:
            raise DemoError(f"GET {path} was answered {response.status_code}.")
        return response.content

    async def _answer(self, method: str, path: str, **arguments: Any) -> Any:
        response = await self._client.request(method, path, **arguments)
        if response.is_error:
            raise DemoError(f"{method} {path} was answered {response.status_code}: {response.text[:400]}")
        return response.json() if response.content else None


async def create_company(api: Api, trunk_port: int) -> Phones:
    """Make Loja Aurora: settings, two extensions, a trunk, a number, a route, rates, and a customer the CRM knows."""
    await api.patch(
        "company",
        name="Loja Aurora",
        country="RU",
        currency="RUB",
        language="en",
        timezone="Europe/Moscow",
        record_calls=True,
        notify_emails=["sales@loja-aurora.example"],
    )
    passwords = [secrets.token_urlsafe(12) for _ in range(2)]
    await api.post("extensions", number=DESK, name="Sales desk", password=passwords[0])
    await api.post("extensions", number=COLLEAGUE, name="Workshop", password=passwords[1])
    await api.post(
        "trunks",
        name="city-carrier",
        host=TRUNK_ADDRESS,
        port=trunk_port,
        transport="udp",
        register=False,
        allow_from=[f"{TRUNK_ADDRESS}/32"],
    )
    await api.post(
        "numbers", number=COMPANY_NUMBER, destination={"kind": "extension", "target": DESK}, greeting=GREETING
    )
    await api.post("routes", name="everywhere", prefix="", trunks=["city-carrier"], strip=0, prepend="", priority=10)
    for prefix, kind, price in (("7", "landline", "0.72"), ("7", "mobile", "1.57")):
        await api.post(
            "rates",
            prefix=prefix,
            kind=kind,
            price_per_minute=price,
            currency="RUB",
            first_increment=60,
            increment=60,
            connection_fee="0",
        )
    await api.post("companies", name=CUSTOMER_NAME, phones=[CUSTOMER_NUMBER])
    return Phones(*passwords)


async def create_users(api: Api) -> dict[str, str]:
    """Make one user a role and return their passwords by user name."""
    users = {}
    for username, name, role, extension in (
        ("desk", "Sales desk", "agent", DESK),
        ("manager", "Floor manager", "manager", None),
        ("owner", "Shop owner", "owner", None),
    ):
        users[username] = secrets.token_urlsafe(9)
        await api.post("users", username=username, name=name, role=role, extension=extension, password=users[username])
    return users
