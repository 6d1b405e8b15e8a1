"""Who someone is: digest challenges for REGISTER and INVITE (RFC 3261 section 22)."""

from __future__ import annotations

import secrets
from ipaddress import ip_address
from typing import NamedTuple

import structlog

from core.clock import Clock
from sip.address import Address, is_ip_address
from sip.application import Application
from sip.authentication import Denied, DigestAuthenticator, Stale, Verified
from sip.config import SipConfig
from sip.guard import Guard
from sip.message import Request
from sip.uri import without_parameters

log = structlog.get_logger(__name__)

_CREDENTIALS = ("Authorization", "Proxy-Authorization")


class Verdict(NamedTuple):
    """What a request proved."""

    username: str = ""
    """Who it is, when there is no challenge."""
    status: int = 200
    challenge: tuple[tuple[str, str], ...] = ()
    """The headers of the 401 or 407 that the request is to be answered with; empty when it is let in."""


class Gatekeeper:
    """Checks credentials against what call control knows."""

    def __init__(self, config: SipConfig, application: Application, clock: Clock, guard: Guard) -> None:
        self._application = application
        self._clock = clock
        self._guard = guard
        self._trusted = config.trusted
        self._proxy_challenge = config.proxy_challenge
        self._digest = DigestAuthenticator(config.realm, config.secret or secrets.token_bytes(32), since=clock.now())

    def check(self, request: Request, source: Address, *, proxy: bool) -> Verdict:
        """Look at the credentials of a request: with `proxy` as the answer to what asks callers (`proxy_challenge`), else to a 401.

        A request without any, or with a nonce that is not good any more, is simply challenged. Only wrong credentials are
        an attempt: they are logged, and count towards a ban.
        """
        if self._trusted and self._vouched(request, source):
            return Verdict(_claimed(request))
        proxy = proxy and self._proxy_challenge
        now = self._clock.now()
        host = source.host
        result = self._digest.verify_request(request, self._application.credentials, now, proxy=proxy, host=host)
        if isinstance(result, Verified):
            return Verdict(result.username)
        if isinstance(result, Denied):
            log.warning(
                "authentication_failed",
                username=result.username[:64],
                source=host,
                method=request.method,
                call_id=request.call_id,
            )
            self._guard.failed(source, result.username)
        status, asks = (407, "Proxy-Authenticate") if proxy else (401, "WWW-Authenticate")
        challenges = self._digest.challenge(
            now,
            stale=isinstance(result, Stale),
            user_agent=request.get("User-Agent") or "",
            host=host,
            browser=source.transport in ("ws", "wss"),
        )
        return Verdict("", status, tuple([(asks, challenge) for challenge in challenges]))

    def _vouched(self, request: Request, source: Address) -> bool:
        """Tell whether a request needs no password, since it comes from a trusted network and names one of our users.

        A browser's never does: behind a web proxy all browsers of the world have the proxy's address.
        """
        if source.transport in ("ws", "wss") or any(request.get(name) is not None for name in _CREDENTIALS):
            return False
        if not is_ip_address(source.host) or self._application.credentials(_claimed(request)) is None:
            return False
        address = ip_address(source.host)
        return any(address in network for network in self._trusted)


def _claimed(request: Request) -> str:
    """Return the user that a request says it is from."""
    return without_parameters(request.from_.uri.user)
