"""The endpoint of one leg in the media engine, kept in step with what offers and answers agree (RFC 3264)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final, Protocol

import structlog

from core.identifiers import random_bytes
from media.dtls import DtlsIdentity
from media.engine import Codec, Endpoint, EndpointStatistics, Engine
from media.errors import MediaError
from media.full_ice import IceWays
from pbx.errors import NoMediaError, NoPortError
from pbx.leg_security import LegSecurity
from sip import codecs
from sip.address import Address, is_ip_address
from sip.offer_answer import UNPROTECTED, MediaNegotiation, NegotiatedMedia
from sip.peer_audio import PACKET_MS
from sip.resolver import Target
from sip.sdp import NOWHERE

_NARROW: Final = 8000
_ENGINE_CODECS: Final = {codec.label: Codec(codec.label) for codec in codecs.KNOWN_CODECS}

log = structlog.get_logger(__name__)


class Names(Protocol):
    """One that finds the addresses of names."""

    def when_located(self, target: Target, then: Callable[[tuple[Address, ...]], None]) -> None:
        """Call `then` with the addresses: now when they are known, else once they are."""
        ...


class LegEndpoint:
    """Opens the endpoint when it is first needed, and points it where what was agreed says."""

    __slots__ = (
        "_engine",
        "_hears_voice",
        "_multiplexed",
        "_names",
        "_negotiation",
        "_packet_ms",
        "at",
        "beside",
        "endpoint",
        "inband",
        "security",
    )

    def __init__(self, engine: Engine, names: Names, identity: DtlsIdentity, ways: IceWays | None = None) -> None:
        self._engine = engine
        self._names = names
        self._negotiation: MediaNegotiation | None = None
        self._multiplexed = False
        self._packet_ms = PACKET_MS
        self._hears_voice = False
        self.endpoint: Endpoint | None = None
        self.security = LegSecurity(identity, ways)
        self.at = ("", "")
        """The address of this machine that the party speaks to, and what the party is told of it; empty: the engine's own."""
        self.beside: str | None = None
        """The IP address that voice may come from beside the described one; None: any, once it has proved itself."""
        self.inband = False
        """Whether keys are tones in the voice, both ways."""

    @property
    def agreed(self) -> NegotiatedMedia | None:
        """What the last completed offer and answer settled."""
        return self._negotiation.agreed if self._negotiation else None

    @property
    def held_by_party(self) -> bool:
        """Whether the party does not want to hear us."""
        return self.agreed is not None and self.agreed.held_by_peer

    @property
    def takes_keys(self) -> bool:
        """Whether the party understands RFC 4733."""
        return self.agreed is not None and self.agreed.telephone_event is not None

    @property
    def codec(self) -> str:
        """The label of the codec in use, or an empty string."""
        return self.agreed.codec.label if self.agreed else ""

    @property
    def speaks(self) -> codecs.Codec | None:
        """The codec in use."""
        return self.agreed.codec if self.agreed else None

    @property
    def passed(self) -> str:
        """The label of the codec in use where that is only passed on, so that nothing of ours is heard in it; else empty."""
        return self.agreed.codec.label if self.agreed is not None and self.agreed.codec.passed else ""

    @property
    def wideband(self) -> bool:
        """Whether the codec in use carries more than the band of old telephones, as far as we can hear it."""
        if self.agreed is None or self.passed:
            return False
        return _ENGINE_CODECS[self.agreed.codec.label].sample_rate > _NARROW

    def open(self) -> Endpoint:
        """Return the endpoint, taking a port when there is none yet.

        Raises:
            NoPortError: no port is free.
        """
        if self.endpoint is None:
            try:
                self.endpoint = self._engine.create_endpoint(*self.at)
            except MediaError as error:
                raise NoPortError(error.message, hint=error.hint) from error
            self._negotiation = MediaNegotiation(
                self.endpoint.address, self.endpoint.port, int.from_bytes(random_bytes(8)) >> 2
            )
        return self.endpoint

    def listen(self, *, voice: bool) -> None:
        """Have the engine tell when the party begins and ends to speak, or no more."""
        self._hears_voice = voice
        if self.endpoint is not None:
            self.endpoint.listen(digits=self.inband, voice=voice)

    def description(self) -> bytes:
        """Return again what was said when the two last agreed: in the 200 after a 183, and to refresh the call."""
        return self._negotiation.description() if self._negotiation is not None else b""

    def statistics(self) -> EndpointStatistics | None:
        """Return the figures of the endpoint, if there is one."""
        return self.endpoint.statistics() if self.endpoint is not None else None

    def close(self) -> None:
        """Give the port back."""
        self.security.close()
        if self.endpoint is not None:
            self.endpoint.close()

    def _opened(self) -> MediaNegotiation:
        if self._negotiation is None:
            self.open()
        if self._negotiation is None:
            raise NoMediaError("The leg has no endpoint.")
        return self._negotiation

    def _apply(self, negotiation: MediaNegotiation, agreed: NegotiatedMedia, *, answered: bool) -> None:
        if self.endpoint is None:
            return
        # A description is a tenth of what a call takes in memory; nothing of it is wanted once its keys are taken.
        peer, negotiation.peer = negotiation.peer, None
        if peer is not None and (negotiation.protection is not UNPROTECTED or self.security.active):
            self.security.agree(self.endpoint, peer, answered=answered)
        if self.security.checked or self.security.inner is not None:
            self._configure(self.endpoint, agreed, self.security.inner)
            return
        host = agreed.remote[0]
        if host in NOWHERE or is_ip_address(host):
            self._configure(self.endpoint, agreed, None if host in NOWHERE else agreed.remote)
            return
        # A name (RFC 8866 section 5.7): nothing is sent until the DNS has said whose it is.
        self._configure(self.endpoint, agreed, None)
        self._names.when_located(Target(host, agreed.remote[1], "udp"), lambda servers: self._located(agreed, servers))

    def _located(self, agreed: NegotiatedMedia, servers: Sequence[Address]) -> None:
        """Send the voice where a name leads, if that is still what is agreed."""
        endpoint = self.endpoint
        if endpoint is None or self.agreed is not agreed:
            return
        version = endpoint.ip_version
        remote = next((server[:2] for server in servers if ip_address(server.host).version == version), None)
        if remote is None:
            # Voice that comes from the party still says where it is.
            log.warning("media_address_unknown", name=agreed.remote[0])
        else:
            self._configure(endpoint, agreed, remote)

    def _configure(self, endpoint: Endpoint, agreed: NegotiatedMedia, remote: tuple[str, int] | None) -> None:
        endpoint.configure(
            remote=remote,
            codec=_ENGINE_CODECS[agreed.codec.label],
            payload_type=agreed.payload_type,
            # Tones in a voice that is only passed on are neither heard nor made here.
            telephone_event=None if self.inband and not agreed.codec.passed else agreed.telephone_event,
            send=agreed.direction.sends,
            receive=agreed.direction.receives,
            beside=self._beside(endpoint),
            # What comes by full ICE has one source.
            latching=self.security.inner is None,
            # Keys go to the call first: a star code must not sound in the customer's ear.
            relay_digits=False,
        )
        if agreed.packet_ms != self._packet_ms:
            self._packet_ms = agreed.packet_ms
            endpoint.pack(agreed.packet_ms)
        if agreed.multiplexed is not self._multiplexed and not (self.security.checked or self.security.inner):
            self._multiplexed = agreed.multiplexed
            endpoint.multiplex(agreed.multiplexed)
        if self.inband:
            self.listen(voice=self._hears_voice)

    def _beside(self, endpoint: Endpoint) -> str | None:
        """Return `beside` where it is of the endpoint's family and no checks tell where the party is."""
        if self.beside is None or self.security.checked or (":" in self.beside) != (endpoint.ip_version == 6):
            return None
        return self.beside
