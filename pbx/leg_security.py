"""How the voice of one leg is protected: by keys in its descriptions (RFC 4568), or by DTLS over ICE with a browser (RFC 5763)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, Protocol

import structlog

from media.dtls import DtlsIdentity
from media.engine import Endpoint
from media.full_ice import IceWay, IceWays
from media.key_agreement import KeyAgreement
from media.srtp import SUITES, SrtpKeys, SrtpProfile
from pbx.entries import Encryption
from sip.offer_answer import UNPROTECTED, Protection
from sip.peer_audio import PeerAudio
from sip.sdp import Media, SessionDescription
from sip.sdp_security import Candidate, Crypto, CryptoKey, Fingerprint, MediaSecurity, Setup, security_of

log = structlog.get_logger(__name__)

_CLEAR: Final = frozenset({"RTP/AVP", "RTP/AVPF"})
_SDES: Final = frozenset({"RTP/SAVP", "RTP/SAVPF"})
_DTLS: Final = frozenset({"UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"})
_OFFERED: Final = (
    SrtpProfile.AES_CM_128_HMAC_SHA1_80,
    SrtpProfile.AEAD_AES_128_GCM,
    SrtpProfile.AES_CM_128_HMAC_SHA1_32,
)
_BUNDLED: Final = "0"
"""What we name our audio line in offers to browsers."""
_HOST_PRIORITY: Final = 2130706431
"""Of the only candidate: a host's, RFC 8445 section 5.1.2.1."""
_MOST_WAITING: Final = 16
"""Datagrams of a handshake that may come before the answer that tells whose they are."""


class _Held:
    """What a leg has once its voice is protected, or might be."""

    __slots__ = (
        "agreed",
        "agreement",
        "client",
        "fingerprints",
        "inner",
        "local_words",
        "masters",
        "name",
        "protocol",
        "remote_fragment",
        "waiting",
        "way",
        "way_begun",
    )

    def __init__(self) -> None:
        self.way: IceWay | None = None
        self.inner: tuple[str, int] | None = None
        self.way_begun = False
        self.masters: dict[SrtpProfile, bytes] | None = None
        self.agreed: SrtpProfile | None = None
        self.agreement: KeyAgreement | None = None
        self.client = False
        self.fingerprints: frozenset[tuple[str, bytes]] = frozenset()
        self.local_words: tuple[str, str] | None = None
        self.remote_fragment = ""
        self.name = _BUNDLED
        self.protocol = "RTP/SAVP"
        self.waiting: tuple[bytes, ...] = ()


_NOTHING: Final = _Held()
"""One for all legs whose voice is in the clear; never written to."""


class Owner(Protocol):
    """One who has to know when there is no safe voice with the party."""

    def voice_unsafe(self, reason: str, /) -> None:
        """Hear why there is none."""


class LegSecurity:
    """Writes and reads what descriptions say of keys, and hands the keys to the endpoint."""

    __slots__ = ("_held", "_identity", "_ways", "browser", "confidential", "owner", "policy")

    def __init__(self, identity: DtlsIdentity, ways: IceWays | None = None) -> None:
        """Begin in the clear.

        Args:
            identity: our certificate.
            ways: where browsers have to be reached by full ICE; None: the engine answers their checks itself.
        """
        self._identity = identity
        self._ways = ways
        self._held = _NOTHING
        self.policy = Encryption.OPTIONAL
        self.browser = False
        """Whether the party is a browser: what it is offered is ICE and DTLS."""
        self.confidential = False
        """Whether nobody on the way can read the keys in our offers."""
        self.owner: Owner | None = None

    def _own(self) -> _Held:
        """Return what the leg holds, to be changed."""
        if self._held is _NOTHING:
            self._held = _Held()
        return self._held

    def spoken_to_by(self, transport: str) -> None:
        """Take note of how the party is spoken to, in lower case: phones on WebSocket are browsers."""
        self.browser = transport in ("ws", "wss")
        self.confidential = transport in ("tls", "wss")

    # --- reading -----------------------------------------------------------------------------------------------------------

    def usable(self, description: SessionDescription, media: Media) -> bool:
        """Tell whether an audio line can be taken: clear where that is allowed, else with keys of ours."""
        protocol = media.protocol.upper()
        if protocol in _CLEAR:
            return self.policy is not Encryption.REQUIRED or _crypto(security_of(description, media)) is not None
        security = security_of(description, media)
        if _by_handshake(protocol, security):
            return bool(security.fingerprints)
        return protocol in _SDES and self.policy is not Encryption.OFF and _crypto(security) is not None

    # --- writing -----------------------------------------------------------------------------------------------------------

    def offer(self, endpoint: Endpoint) -> Protection:
        """Return how our next offer is to be written."""
        if self.browser or self._held.agreement is not None:
            return self._dtls_rows(endpoint, Setup.ACTPASS, ice=self.browser)
        if self._held.agreed is not None:
            return Protection(self._held.protocol, (f"crypto:{self._crypto_of(1, self._held.agreed)}",))
        if self.policy is Encryption.OFF or not (self.confidential or self.policy is Encryption.REQUIRED):
            return UNPROTECTED
        rows = [str(self._crypto_of(tag, profile)) for tag, profile in enumerate(_OFFERED, 1)]
        # A phone that cannot encrypt passes over the keys, and answers in the clear.
        protocol = "RTP/SAVP" if self.policy is Encryption.REQUIRED else "RTP/AVP"
        return Protection(protocol, tuple([f"crypto:{row}" for row in rows]))

    def answer(self, endpoint: Endpoint, audio: PeerAudio) -> Protection:
        """Return how our answer to an offer is to be written."""
        protocol = audio.media.protocol
        if protocol.upper() in _CLEAR and audio.media.attribute("crypto") is None:
            return UNPROTECTED
        security = security_of(audio.description, audio.media)
        if _by_handshake(protocol.upper(), security):
            self._note_party(security, audio.media)
            return self._dtls_rows(endpoint, self._role(security.setup), ice=bool(security.ice_ufrag))
        found = _crypto(security)
        if found is None or (self.policy is Encryption.OFF and protocol.upper() in _CLEAR):
            return UNPROTECTED
        tag, profile = found[0].tag, found[1]
        return Protection(protocol, (f"crypto:{self._crypto_of(tag, profile)}",))

    def _crypto_of(self, tag: int, profile: SrtpProfile) -> Crypto:
        return Crypto(tag, profile.suite, (CryptoKey(self._master(profile)),))

    def _master(self, profile: SrtpProfile) -> bytes:
        # Kept for the leg's life: the stream that it protects goes on, too.
        held = self._own()
        if held.masters is None:
            held.masters = {}
        return held.masters.setdefault(profile, profile.new_master())

    def _dtls_rows(self, endpoint: Endpoint, setup: Setup, *, ice: bool) -> Protection:
        rows = [f"fingerprint:{Fingerprint('sha-256', self._identity.fingerprint)}", f"setup:{setup}"]
        endpoint.take_handshakes()
        if not ice:
            return Protection(self._held.protocol, tuple(rows))
        if self._take_way(endpoint) and self._held.way is not None:
            rows += [f"ice-ufrag:{self._held.way.fragment}", f"ice-pwd:{self._held.way.password}"]
            rows += [
                *(f"candidate:{one}" for one in self._held.way.candidates),
                "end-of-candidates",
                "rtcp-mux",
                f"mid:{self._held.name}",
            ]
            return Protection("UDP/TLS/RTP/SAVPF", tuple(rows), (f"group:BUNDLE {self._held.name}",))
        own = self._held.local_words
        if own is None:
            own = self._own().local_words = (secrets.token_hex(4), secrets.token_hex(12))
        endpoint.expect_checks(*own)
        endpoint.multiplex()
        candidate = Candidate("1", 1, "udp", _HOST_PRIORITY, endpoint.address, endpoint.port, "host")
        words = (f"ice-ufrag:{own[0]}", f"ice-pwd:{own[1]}")
        rows += [*words, f"candidate:{candidate}", "end-of-candidates", "rtcp-mux", f"mid:{self._held.name}"]
        return Protection("UDP/TLS/RTP/SAVPF", tuple(rows), ("ice-lite", f"group:BUNDLE {self._held.name}"))

    def _take_way(self, endpoint: Endpoint) -> bool:
        """Take a way of full ICE, where that is how browsers are reached and none was taken; the engine's own is the last resort."""
        if self._held.way is not None:
            return True
        if self._ways is None or self._held.local_words is not None:
            return False
        way = self._ways.take()
        if way is None:
            log.warning("no_way_ready", hint="The engine's own address is told instead.")
            return False
        try:
            inner = way.attach(endpoint.local, endpoint.port)
        except OSError as error:
            log.warning("no_way_ready", error=str(error))
            way.close()
            return False
        held = self._own()
        held.way, held.way_begun, held.inner = way, False, inner
        endpoint.multiplex()
        return True

    def _note_party(self, security: MediaSecurity, media: Media) -> None:
        """Take the name of the party's line, and answer a restart with new words of ours (RFC 8445 section 9)."""
        self.browser = self.browser or bool(security.ice_ufrag)
        held = self._own()
        held.name = media.attribute("mid") or held.name
        if held.remote_fragment and security.ice_ufrag != held.remote_fragment:
            held.local_words = None
            self._leave_way()
        held.remote_fragment = security.ice_ufrag

    def _role(self, offered: Setup | None) -> Setup:
        """Answer who speaks first: the party, where it leaves us the choice, and for as long as the association lasts."""
        if self._held.agreement is not None and offered is Setup.ACTPASS:
            return Setup.ACTIVE if self._held.client else Setup.PASSIVE
        return Setup.ACTIVE if offered is Setup.PASSIVE else Setup.PASSIVE

    # --- agreeing ----------------------------------------------------------------------------------------------------------

    def agree(self, endpoint: Endpoint, audio: PeerAudio, *, answered: bool) -> None:
        """Take what an offer and its answer settled; `answered` is whether the answer was the party's.

        Raises:
            HandshakeError: no fingerprint of the party can be checked.
        """
        security = security_of(audio.description, audio.media)
        if _by_handshake(audio.media.protocol.upper(), security):
            self._own().protocol = audio.media.protocol
            if answered:
                self._own().remote_fragment = security.ice_ufrag
            self._begin_way(security, controlling=answered)
            self._begin_handshake(endpoint, security, client=security.setup is Setup.PASSIVE)
            return
        found = _crypto(security)
        if found is None or (self.policy is Encryption.OFF and audio.media.protocol.upper() in _CLEAR):
            if self._held.agreed is not None:
                endpoint.speak_clear()
                # The next stream under a key would begin anew.
                self._held.masters = self._held.agreed = None
            return
        line, profile = found
        key = line.keys[0]
        identifier_size = key.key_id[1] if key.key_id else 0
        held = self._own()
        held.agreed, held.protocol = profile, audio.media.protocol
        own = self._master(profile)
        endpoint.encrypt(SrtpKeys(profile, incoming=key.material, outgoing=own, identifier_size=identifier_size))

    def _begin_way(self, security: MediaSecurity, *, controlling: bool) -> None:
        if self._held.way is None or self._held.way_begun:
            return
        self._held.way_begun = True
        self._held.way.connect(
            security.ice_ufrag,
            security.ice_pwd,
            [str(candidate) for candidate in security.candidates],
            controlling=controlling,
            lost=self._way_lost,
        )

    def _way_lost(self, reason: str) -> None:
        if self.owner is not None:
            self.owner.voice_unsafe(reason)

    def _leave_way(self) -> None:
        if self._held.way is not None:
            self._held.way.close()
            self._held.way = self._held.inner = None

    @property
    def inner(self) -> tuple[str, int] | None:
        """Where the endpoint is to send to, when the party is reached by full ICE; None: it is not."""
        return self._held.inner

    @property
    def profile(self) -> SrtpProfile | None:
        """What was agreed by keys in descriptions, if anything."""
        return self._held.agreed

    @property
    def active(self) -> bool:
        """Whether keys are agreed, or being agreed."""
        return self._held.agreed is not None or self._held.agreement is not None

    @property
    def checked(self) -> bool:
        """Whether the party shows by checks where it is; what its descriptions say of that counts for nothing then."""
        return self._held.local_words is not None

    def _begin_handshake(self, endpoint: Endpoint, security: MediaSecurity, *, client: bool) -> None:
        """Begin an association; the same certificate again goes on with the one there is (RFC 8842 section 5.1)."""
        prints = frozenset((found.hash_function, found.digest) for found in security.fingerprints)
        if self._held.agreement is not None and prints == self._held.fingerprints:
            return
        if self._held.agreement is not None:
            self._held.agreement.close()
        held = self._own()
        held.fingerprints, held.client = prints, client
        agreement = KeyAgreement(endpoint, self._identity, prints, client=client, failed=self._handshake_failed)
        held.agreement = agreement
        waiting, held.waiting = held.waiting, ()
        # Once the endpoint is pointed at the party.
        asyncio.get_running_loop().call_soon(agreement.start)
        for datagram in waiting:
            agreement.receive(datagram)

    def handshake_received(self, datagram: bytes) -> None:
        """Take a datagram of DTLS; it may come before the answer that says whose certificate it is."""
        if self._held.agreement is not None:
            self._held.agreement.receive(datagram)
        elif len(self._held.waiting) < _MOST_WAITING:
            held = self._own()
            held.waiting = (*held.waiting, datagram)

    def _handshake_failed(self, reason: str) -> None:
        log.warning("handshake_failed", reason=reason)
        if self.owner is not None:
            self.owner.voice_unsafe(reason)

    def close(self) -> None:
        """End the association, if there is one."""
        self.owner = None
        self._leave_way()
        if self._held.agreement is not None:
            self._held.agreement.close()
            self._held.agreement = None


def _by_handshake(protocol: str, security: MediaSecurity) -> bool:
    """Tell whether keys are agreed by DTLS: some write a protocol without it beside their fingerprint (RFC 8829 section 5.1.2)."""
    return protocol in _DTLS or (protocol in _SDES and bool(security.fingerprints) and _crypto(security) is None)


def _crypto(security: MediaSecurity) -> tuple[Crypto, SrtpProfile] | None:
    """Return the first line of keys that we can work with (RFC 4568 sections 5.1.2 and 6.1)."""
    for line in security.crypto:
        profile = SUITES.get(line.suite)
        if profile is None or len(line.keys) != 1 or len(line.keys[0].material) != profile.master_size:
            continue
        if all(_harmless(parameter) for parameter in line.parameters):
            return line, profile
    return None


def _harmless(parameter: str) -> bool:
    """Tell whether a session parameter may be passed over: it says so by its dash, or changes nothing for us."""
    return parameter.startswith(("-", "WSH=")) or parameter == "KDR=0"
