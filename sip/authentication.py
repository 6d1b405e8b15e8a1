"""Digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760): asking by MD5 and SHA-256, and being asked by those, by
SHA-512-256, and by the session variants of all three, with `qop` of auth, of auth-int, and without.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from sip.errors import MalformedMessageError, UnusableChallengeError
from sip.headers import parse_pairs
from sip.message import Request
from sip.nonces import Nonces, network_of
from sip.uri import Uri


class Algorithm(enum.StrEnum):
    """The hash of a digest, in the spelling of the header; the strongest first."""

    SHA_512_256 = "SHA-512-256"
    SHA_256 = "SHA-256"
    MD5 = "MD5"

    def hash(self, text: str) -> str:
        """Return the hash of a text as lower-case hex."""
        return self.hash_bytes(text.encode("utf-8", "replace"))

    def hash_bytes(self, data: bytes) -> str:
        """Return the hash of bytes as lower-case hex."""
        if self is _SHA_256:
            return hashlib.sha256(data).hexdigest()
        if self is _MD5:
            return hashlib.md5(data, usedforsecurity=False).hexdigest()
        return hashlib.new("sha512_256", data).hexdigest()


# Names of their own: each look into an enumeration costs a walk through its classes.
_SHA_256, _MD5 = Algorithm.SHA_256, Algorithm.MD5
_ASKED: Final = (_SHA_256, _MD5)
"""What others are asked for: the algorithms that the digests of passwords are stored by."""
_ANYONE: Final = (Algorithm.MD5, Algorithm.SHA_256)
"""What those are asked for who are not known: JsSIP, Asterisk, FreeSWITCH and older desk phones read the first challenge only, as MD5."""
_HABITS: Final = (
    (re.compile(r"Linphone(?=[A-Za-z ]*/[0-3]\.|.*\bbelle-sip/[01]\.)", re.IGNORECASE), _ANYONE),
    (re.compile(r"Ramal softphone|Linphone", re.IGNORECASE), _ASKED),
    (re.compile(r"baresip v([0-2]\.|3\.([0-9]|10)\.)", re.IGNORECASE), (Algorithm.MD5,)),
)
"""What a phone is asked for, by its User-Agent. Our softphone and Linphone choose by strength, but Linphone knew MD5 alone in its first
years; baresip gave up at the sight of SHA-256 until 3.11.
"""
_HEADERS: Final = ("authorization:", "proxy-authorization:")
_SESSION: Final = "-sess"
_NAMES: Final[dict[str, tuple[Algorithm, bool]]] = {
    **{name: (one, False) for one in Algorithm for name in (one.value, one.lower())},
    **{one + _SESSION.upper(): (one, True) for one in Algorithm},
}
"""What an algorithm is called, as phones write it and in upper case; and whether that is its session variant (RFC 7616 section 3.4.2)."""
_REMEMBERED: Final = 256
"""Characters: the hashes of methods and URIs up to this long are remembered, for the same few come again and again."""
_COUNT: Final = re.compile(r"[0-9A-Fa-f]{1,8}")


def _habit(user_agent: str) -> tuple[Algorithm, ...]:
    return next((order for pattern, order in _HABITS if pattern.match(user_agent)), _ANYONE)


@dataclass(slots=True, frozen=True)
class HA1s:
    """What is stored of a password: H(username:realm:password), by both algorithms. The password cannot be had back."""

    md5: str
    sha256: str

    @classmethod
    def derive(cls, username: str, realm: str, password: str) -> HA1s:
        """Make them from a password."""
        text = f"{username}:{realm}:{password}"
        return cls(Algorithm.MD5.hash(text), Algorithm.SHA_256.hash(text))

    def of(self, algorithm: Algorithm) -> str:
        """Return the one for this algorithm."""
        return self.sha256 if algorithm is _SHA_256 else self.md5


@dataclass(slots=True, frozen=True)
class Verified:
    """The request comes from this user."""

    username: str


@dataclass(slots=True, frozen=True)
class Stale:
    """The nonce is not usable, whatever the password may be: challenge again with `stale`."""

    username: str


@dataclass(slots=True, frozen=True)
class Denied:
    """The credentials are wrong, for a nonce that was made for their sender. Why is not told; `username` is what was claimed."""

    username: str


@dataclass(slots=True, frozen=True)
class Missing:
    """The request carries no credentials for this realm: challenge it."""


_MISSING: Final = Missing()
Verdict = Verified | Stale | Denied
Lookup = Callable[[str], HA1s | None]


class DigestAuthenticator:
    """Checks who sent a request."""

    def __init__(
        self,
        realm: str,
        secret: bytes,
        algorithms: Sequence[Algorithm] = _ASKED,
        *,
        nonce_seconds: int = 300,
        remembered_nonces: int = 100_000,
        since: datetime | None = None,
    ) -> None:
        """Set it up.

        Args:
            realm: what passwords are valid for.
            secret: the key that nonces are signed with; at least 16 random bytes.
            algorithms: what is taken, of MD5 and SHA-256; each phone is asked in the order that it copes with.
            nonce_seconds: how long a nonce may be used.
            remembered_nonces: of how many used nonces the counts are kept; when there are more, the oldest turn stale.
            since: when the server started; older nonces are stale, for how they were used is not known any more.
        """
        self.realm = realm
        self._algorithms = tuple(algorithms)
        first = int(since.timestamp()) if since is not None else 0
        self._nonces = Nonces(realm, secret, seconds=nonce_seconds, remembered=remembered_nonces, since=first)
        self._questions = lru_cache(maxsize=1024)(self._questions_for)

    def challenge(
        self, now: datetime, *, stale: bool = False, user_agent: str = "", host: str = "", browser: bool = False
    ) -> list[str]:
        """Return the values of WWW-Authenticate or Proxy-Authenticate, one for each algorithm that the sender copes with.

        Args:
            now: the time.
            stale: whether the sender only needs a new nonce.
            user_agent: the sender's User-Agent.
            host: the address it sent from; nobody elsewhere can use the nonce.
            browser: whether it came over a WebSocket. What phones in browsers are made of (JsSIP, SIP.js) takes the last of
                several challenges for the only one, and knows MD5.
        """
        nonce = self._nonces.make(network_of(host), int(now.timestamp()))
        suffix = ", stale=true" if stale else ""
        return [f"{before}{nonce}{after}{suffix}" for before, after in self._questions(user_agent[:64], browser)]

    def _questions_for(self, user_agent: str, browser: bool) -> list[tuple[str, str]]:
        """Return what stands before and after the nonce in each challenge of a sender."""
        algorithms = [one for one in _habit(user_agent) if one in self._algorithms] or self._algorithms
        if browser:
            algorithms = sorted(algorithms, key=lambda one: one is Algorithm.MD5)
        before = f'Digest realm="{self.realm}", nonce="'
        return [(before, f'", algorithm={algorithm}, qop="auth"') for algorithm in algorithms]

    def verify_request(
        self, request: Request, lookup: Lookup, now: datetime, *, proxy: bool = False, host: str = ""
    ) -> Verdict | Missing:
        """Check the credentials that a request carries for this realm.

        Args:
            request: whose Authorization (Proxy-Authorization with `proxy`) is read.
            lookup: gives what is stored for a username, or None.
            now: the time.
            proxy: whether the answer to a 407 is looked for instead of that to a 401.
            host: the address it was sent from.
        """
        for value in request.get_all("Proxy-Authorization" if proxy else "Authorization"):
            pairs = _credentials(value)
            if pairs is not None and pairs.get("realm") == self.realm:
                return self._verify(pairs, request.method, request.uri, lookup, now, host)
        return _MISSING

    def verify(
        self, authorization: str, method: str, uri: Uri, lookup: Lookup, now: datetime, host: str = ""
    ) -> Verdict:
        """Check one Authorization header against the method and Request-URI that it came with."""
        pairs = _credentials(authorization)
        if pairs is None or pairs.get("realm") != self.realm:
            return Denied("")
        return self._verify(pairs, method, uri, lookup, now, host)

    def _verify(
        self, pairs: dict[str, str], method: str, uri: Uri, lookup: Lookup, now: datetime, host: str
    ) -> Verdict:
        username = _username(pairs)
        algorithm, in_session = _algorithm(pairs)
        nonce, digest_uri, qop = pairs.get("nonce", ""), pairs.get("uri", ""), pairs.get("qop", "").lower()
        second = int(now.timestamp())
        # The nonce first, whatever the password: nobody can try passwords, or have others banned, with a nonce that was not
        # given to them at the address they send from.
        stamp = self._nonces.fresh(nonce, network_of(host), second)
        if not stamp:
            return Stale(username)
        if algorithm not in self._algorithms or in_session or qop not in ("", "auth"):
            return Denied(username)
        stored = lookup(username)
        # An unknown user costs the same work, against a digest that nobody can know.
        ha1 = stored.of(algorithm) if stored is not None else self._nonces.unknowable(username)
        expected, told = _response(algorithm, ha1, pairs, method, digest_uri, qop), pairs.get("response", "").lower()
        right = told.isascii() and hmac.compare_digest(expected, told)
        if not right or stored is None or not _same_user(digest_uri, uri):
            return Denied(username)
        count = _nonce_count(pairs.get("nc", "")) if qop else 1
        if count is None:
            return Denied(username)
        return Verified(username) if self._nonces.use(stamp, count, second) else Stale(username)


def authorise(
    challenges: Sequence[str],
    username: str,
    password: str,
    method: str,
    uri: Uri | str,
    body: bytes = b"",
    *,
    nonce_count: int = 1,
    cnonce: str | None = None,
) -> str:
    """Answer a 401 or 407: return the value of Authorization or Proxy-Authorization.

    Args:
        challenges: the values of all WWW-Authenticate or Proxy-Authenticate headers; the strongest is answered, which is a
            choice of ours: RFC 8760 section 2.4 would have the first that is known, unless there is a policy.
        username: who we are.
        password: our password.
        method: of the request that is sent again.
        uri: its Request-URI.
        body: its body, for peers that insist on `qop=auth-int`.
        nonce_count: how often this nonce was used, this time included.
        cnonce: our own nonce; random when None.

    Raises:
        UnusableChallengeError: no challenge can be read, or none is of an algorithm that is spoken here.
    """
    algorithm, in_session, pairs = _strongest(challenges)
    offered = _offered(pairs)
    qop = ("auth" if "auth" in offered else "auth-int") if offered else ""
    realm, nonce, target = pairs.get("realm", ""), pairs.get("nonce", ""), str(uri)
    answer = {"nonce": nonce, "nc": f"{nonce_count:08x}", "cnonce": cnonce or secrets.token_hex(8)}
    ha1 = algorithm.hash(f"{username}:{realm}:{password}")
    if in_session:
        ha1 = algorithm.hash(f"{ha1}:{nonce}:{answer['cnonce']}")
    answer["response"] = _response(algorithm, ha1, answer, method, target, qop, body)
    hidden = pairs.get("userhash", "").lower() == "true"
    name = algorithm.hash(f"{username}:{realm}") if hidden else username
    fields = [f"username={_quote(name)}", f"realm={_quote(realm)}", f"nonce={_quote(nonce)}", f"uri={_quote(target)}"]
    return f"Digest {', '.join(fields)}, {_proof(algorithm, pairs, answer, qop, in_session=in_session, hidden=hidden)}"


def _proof(
    algorithm: Algorithm, pairs: dict[str, str], answer: dict[str, str], qop: str, *, in_session: bool, hidden: bool
) -> str:
    """Write what proves that we know the password, and what the challenge wants to have back."""
    fields = [f'response="{answer["response"]}"']
    if "algorithm" in pairs:
        fields.append(f"algorithm={algorithm}{_SESSION if in_session else ''}")
    if qop or in_session:
        fields.append(f'cnonce="{answer["cnonce"]}"')
    if qop:
        fields += [f"qop={qop}", f"nc={answer['nc']}"]
    if "opaque" in pairs:
        fields.append(f"opaque={_quote(pairs['opaque'])}")
    if hidden:
        fields.append("userhash=true")
    return ", ".join(fields)


def realm_of(challenge: str) -> str | None:
    """Return the realm of a Digest challenge, or None when it cannot be read."""
    pairs = _credentials(challenge)
    return None if pairs is None else pairs.get("realm")


def _strongest(challenges: Sequence[str]) -> tuple[Algorithm, bool, dict[str, str]]:
    """Return the algorithm that is answered, whether in its session variant, and its challenge: the first of the strongest."""
    usable: dict[Algorithm, tuple[bool, dict[str, str]]] = {}
    for value in challenges:
        pairs = _credentials(value)
        if pairs is None:
            continue
        algorithm, in_session = _algorithm(pairs)
        offered = _offered(pairs)
        if algorithm is not None and (not offered or "auth" in offered or "auth-int" in offered):
            usable.setdefault(algorithm, (in_session, pairs))
    for algorithm in Algorithm:
        if algorithm in usable:
            return algorithm, *usable[algorithm]
    raise UnusableChallengeError(
        "The peer asks for credentials by no algorithm and quality of protection that are known here."
    )


def _offered(pairs: dict[str, str]) -> list[str]:
    """Return the qualities of protection that a challenge offers; none: it is answered as in RFC 2069."""
    return [item.strip().lower() for item in pairs.get("qop", "").split(",") if item.strip()]


def _response(
    algorithm: Algorithm, ha1: str, pairs: dict[str, str], method: str, uri: str, qop: str, body: bytes = b""
) -> str:
    """Return the digest of RFC 7616 section 3.4.1; without qop that of RFC 2069."""
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += ":" + algorithm.hash_bytes(body)
    middle = f"{pairs.get('nc', '')}:{pairs.get('cnonce', '')}:{qop}:" if qop else ""
    tail = _remembered_hash(algorithm, a2) if len(a2) <= _REMEMBERED else algorithm.hash(a2)
    return algorithm.hash(f"{ha1}:{pairs.get('nonce', '')}:{middle}{tail}")


@lru_cache(maxsize=1024)
def _remembered_hash(algorithm: Algorithm, text: str) -> str:
    return algorithm.hash(text)


def _credentials(value: str) -> dict[str, str] | None:
    """Read a Digest challenge or credentials; None for another scheme or what cannot be read."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() in _HEADERS:
        # Scripts write the name of the header before a word of SIPp's that brings its own.
        scheme, _, rest = rest.lstrip().partition(" ")
    if scheme.lower() != "digest":
        return None
    try:
        return parse_pairs(rest)
    except MalformedMessageError:
        return None


def _username(pairs: dict[str, str]) -> str:
    username = pairs.get("username")
    if username is not None:
        return username
    encoding, _, rest = pairs.get("username*", "").partition("'")
    return unquote(rest.partition("'")[2]) if encoding.lower() == "utf-8" else ""


def _algorithm(pairs: dict[str, str]) -> tuple[Algorithm | None, bool]:
    """Return the algorithm, None where it is not known, and whether it is its session variant."""
    name = pairs.get("algorithm", "MD5")
    return _NAMES.get(name) or _NAMES.get(name.upper()) or (None, False)


def _nonce_count(text: str) -> int | None:
    """Read `nc`: eight hex digits (RFC 7616 section 3.4), of which some phones leave out the leading zeros."""
    return int(text, 16) if _COUNT.fullmatch(text) else None


def _same_user(digest_uri: str, request_uri: Uri) -> bool:
    """Whether the credentials were made for who is called now; proxies may rewrite the rest of the Request-URI."""
    try:
        user = Uri.parse(digest_uri).user
    except MalformedMessageError:
        # SIPp writes an IPv6 address without its brackets.
        scheme, _, rest = digest_uri.partition(":")
        if scheme.lower() not in ("sip", "sips"):
            return False
        user = rest.rpartition("@")[0]
    # SIPp signs the server's bare address, whomever it calls.
    return user in ("", request_uri.user)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
