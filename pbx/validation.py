"""The rules that entries of the directory keep; a breach names the field and says what is wanted."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Final

from core import phone_numbers
from pbx import hours, patterns
from pbx.entries import (
    ABROAD,
    CallerIdPolicy,
    DestinationKind,
    Encryption,
    KeyWay,
    Network,
    NumberFormat,
    Transport,
    network,
    split_server,
)
from pbx.errors import InvalidEntryError
from pbx.outcomes import ENDINGS
from sip.codecs import KNOWN_CODECS

_EXTENSION: Final = re.compile(r"[0-9]{2,8}")
_USERNAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|[0-9A-Fa-f:]+")
_DIGITS: Final = re.compile(r"\+?[0-9]{0,19}")
_PIN: Final = re.compile(r"[0-9]{4,12}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_LANGUAGES: Final = ("", "en", "pt-BR", "ru")
_MAX_TRUNKS: Final = 16
_MAX_NETWORKS: Final = 64
_WIDEST: Final = {4: 8, 6: 19}
"""The shortest prefix of a network that can be a carrier's, by the version of IP: the largest that is given to one holder."""
_SHORTEST_PASSWORD: Final = 8
_MAX_HOSTS: Final = 8
_MAX_RESPONSES: Final = 64
_MAX_SPANS: Final = 32
_MAX_EXTENSIONS: Final = 256
_CODECS: Final = tuple(codec.label for codec in KNOWN_CODECS)
_STATUS: Final = re.compile(r"[3-6]([0-9]{2}|xx)")
NEXT_TRUNK: Final = "next"
"""What a trunk's status means when the next trunk is to be tried."""


def extension_number(text: str) -> str:
    """Accept 2 to 8 digits."""
    if not _EXTENSION.fullmatch(text):
        raise InvalidEntryError(f"number: “{text[:20]}” is no extension; take 2 to 8 digits.")
    return text


def plain_text(field: str, text: str, *, longest: int, required: bool = True) -> str:
    """Accept one line of text without control characters, and trim it."""
    text = text.strip()
    if required and not text:
        raise InvalidEntryError(f"{field}: must not be empty.")
    if len(text) > longest or not text.isprintable():
        raise InvalidEntryError(f"{field}: at most {longest} printable characters.")
    return text


def password(text: str) -> str:
    """Accept a password of 8 to 128 printable characters."""
    if not _SHORTEST_PASSWORD <= len(text) <= 128 or not text.isprintable():
        raise InvalidEntryError("password: 8 to 128 printable characters.")
    return text


def username(text: str, field: str = "username") -> str:
    """Accept a SIP login, or another name of that kind, that needs no quoting anywhere."""
    if not _USERNAME.fullmatch(text):
        raise InvalidEntryError(f"{field}: letters, digits, dot, dash and underscore, at most 64.")
    return text


def email(text: str) -> str:
    """Accept an e-mail address or nothing."""
    if text and not _EMAIL.fullmatch(text):
        raise InvalidEntryError(f"email: “{text[:60]}” is not an e-mail address.")
    return text


def language(text: str) -> str:
    """Accept a language that prompts are spoken in, or nothing."""
    if text not in _LANGUAGES:
        raise InvalidEntryError(f"language: one of {', '.join(_LANGUAGES[1:])}, or empty for the company's.")
    return text


def host(text: str, field: str = "host") -> str:
    """Accept a host name or an address."""
    if not _HOST.fullmatch(text):
        raise InvalidEntryError(f"{field}: “{text[:60]}” is no host name or address.")
    return text


def port(value: int) -> int:
    """Accept a port, or 0 for the one the DNS or the transport says."""
    if not 0 <= value <= 65535:
        raise InvalidEntryError("port: 1 to 65535, or none for what the DNS says.")
    return value


def servers(texts: Iterable[str]) -> list[str]:
    """Accept further hosts of a trunk, each with a port or without."""
    accepted = [text.strip() for text in texts]
    for text in accepted:
        try:
            name, number = split_server(text)
        except ValueError:
            name, number = "", 0
        if not _HOST.fullmatch(name) or number > 65535:
            raise InvalidEntryError(f"backup_hosts: “{text[:60]}” is no host or host:port.")
    if len(accepted) > _MAX_HOSTS or len(set(accepted)) != len(accepted):
        raise InvalidEntryError(f"backup_hosts: at most {_MAX_HOSTS}, each one once.")
    return accepted


def codecs(names: Iterable[str]) -> list[str]:
    """Accept an ordered list of codecs that we decode or pass on, or none for all of them."""
    wanted = [name.upper() for name in names]
    for name in wanted:
        if name not in _CODECS:
            raise InvalidEntryError(f"codecs: there is no “{name[:20]}” here; there are {', '.join(_CODECS)}.")
    if len(set(wanted)) != len(wanted):
        raise InvalidEntryError("codecs: each one once.")
    return wanted


def encryption(text: str) -> Encryption:
    """Accept whether voice is encrypted."""
    try:
        return Encryption(text)
    except ValueError:
        raise InvalidEntryError(f"encryption: one of {', '.join(Encryption)}.") from None


def caller_id_policy(text: str) -> CallerIdPolicy:
    """Accept which number a trunk shows."""
    try:
        return CallerIdPolicy(text)
    except ValueError:
        raise InvalidEntryError(f"caller_id_policy: one of {', '.join(CallerIdPolicy)}.") from None


def key_way(text: str) -> KeyWay:
    """Accept how keys go to a party."""
    try:
        return KeyWay(text)
    except ValueError:
        raise InvalidEntryError(f"dtmf: one of {', '.join(KeyWay)}.") from None


def caller_id_format(text: str) -> NumberFormat:
    """Accept how a trunk's numbers are written."""
    try:
        return NumberFormat(text)
    except ValueError:
        raise InvalidEntryError(f"caller_id_format: one of {', '.join(NumberFormat)}.") from None


def responses(rules: Mapping[str, str]) -> dict[str, str]:
    """Accept what a trunk's final statuses mean."""
    if len(rules) > _MAX_RESPONSES:
        raise InvalidEntryError(f"responses: at most {_MAX_RESPONSES} rules.")
    known = sorted({str(ending.status) for ending in ENDINGS.values()})
    for status, meaning in rules.items():
        if not _STATUS.fullmatch(status):
            raise InvalidEntryError(f"responses: “{status[:10]}” is no final status; write 404 or 5xx.")
        if meaning != NEXT_TRUNK and meaning not in known:
            raise InvalidEntryError(
                f"responses: “{meaning[:10]}” for {status} is neither {NEXT_TRUNK} nor one of {', '.join(known)}."
            )
    return dict(rules)


def limit(field: str, value: int, most: int = 100_000) -> int:
    """Accept a limit; 0 is none."""
    if not 0 <= value <= most:
        raise InvalidEntryError(f"{field}: 0 (no limit) to {most}.")
    return value


def ping_seconds(value: int) -> int:
    """Accept an interval of OPTIONS, or 0 for none."""
    if value and not 5 <= value <= 3600:
        raise InvalidEntryError("ping_seconds: 5 to 3600, or 0 for none.")
    return value


def number_or_pattern(field: str, text: str, country: str) -> str:
    """Return a public number in E.164, or a pattern of such numbers."""
    if not patterns.is_pattern(text):
        return public_number(field, text, country)
    if not text.startswith("+"):
        raise InvalidEntryError(f"{field}: a pattern of public numbers begins with +, such as +749511122XX.")
    return pattern(field, text)


def pattern(field: str, text: str) -> str:
    """Accept a pattern of numbers."""
    try:
        return patterns.parse(text).text
    except ValueError as error:
        raise InvalidEntryError(f"{field}: {error}.") from None


def route_pattern(text: str) -> str:
    """Accept a pattern of the E.164 numbers a route is for."""
    if not text.startswith(("+", "*")):
        raise InvalidEntryError("pattern: begins with +, as E.164 numbers do, such as +7495XXXXXXX.")
    return pattern("pattern", text)


def spans(texts: Iterable[str]) -> list[str]:
    """Accept times of the week."""
    wanted = [" ".join(text.lower().split()) for text in texts]
    try:
        for text in wanted:
            hours.parse(text)
    except ValueError as error:
        raise InvalidEntryError(f"hours: {error}.") from None
    if len(wanted) > _MAX_SPANS:
        raise InvalidEntryError(f"hours: at most {_MAX_SPANS}.")
    return wanted


def allowed_extensions(texts: Iterable[str]) -> list[str]:
    """Accept extensions and patterns of them."""
    wanted = [pattern("extensions", text.strip()) for text in texts]
    if len(wanted) > _MAX_EXTENSIONS:
        raise InvalidEntryError(f"extensions: at most {_MAX_EXTENSIONS}; patterns such as 10XX say more.")
    return wanted


def transport(text: str) -> Transport:
    """Accept a transport that trunks can use."""
    try:
        return Transport(text.lower())
    except ValueError:
        raise InvalidEntryError(f"transport: one of {', '.join(Transport)}.") from None


def destination_kind(text: str) -> DestinationKind:
    """Accept what an inbound number may lead to."""
    try:
        return DestinationKind(text)
    except ValueError:
        raise InvalidEntryError(f"destination: kind is one of {', '.join(DestinationKind)}.") from None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse networks in CIDR notation; a single address is a network of one."""
    parsed: list[Network] = []
    for text in texts:
        try:
            parsed.append(network(text))
        except ValueError as error:
            raise InvalidEntryError(f"allow_from: {error}; write networks like 203.0.113.0/24.") from error
        if parsed[-1].prefixlen < _WIDEST[parsed[-1].version]:
            # Whoever is in there needs no password, is never banned and never held back.
            raise InvalidEntryError(f"allow_from: {text.strip()} is more than one carrier has; name its networks.")
    if len(parsed) > _MAX_NETWORKS:
        raise InvalidEntryError(f"allow_from: at most {_MAX_NETWORKS} networks.")
    return tuple(parsed)


def public_number(field: str, text: str, country: str) -> str:
    """Return a public number in E.164."""
    try:
        return phone_numbers.normalise(text, country)
    except phone_numbers.InvalidNumberError as error:
        raise InvalidEntryError(f"{field}: {error.message}") from error


def target_number(field: str, text: str, country: str, extensions: Container[str]) -> str:
    """Accept where calls are sent on to: one of the extensions or a public number (returned in E.164), or nothing.

    What is as short as an extension and is none must be a number that is in use, as some countries have them of eight digits.
    Premium numbers are not accepted: whoever gets hold of one phone would have the company pay for each call that comes in.
    """
    text = text.strip()
    if not text or text in extensions:
        return text
    if _EXTENSION.fullmatch(text) and not phone_numbers.is_assigned(text, country):
        raise InvalidEntryError(
            f"{field}: there is no extension “{text}”.",
            hint="Create it first, or write a public number with + and the code of its country.",
        )
    number = public_number(field, text, country)
    if phone_numbers.classify(number, country) is phone_numbers.NumberKind.PREMIUM:
        raise InvalidEntryError(f"{field}: {number} is a premium number; calls are not sent on to those.")
    return number


def conference_pin(text: str) -> str:
    """Accept 4 to 12 digits, or nothing."""
    if text and not _PIN.fullmatch(text):
        raise InvalidEntryError("pin: 4 to 12 digits, or empty for none.")
    return text


def conference_size(value: int) -> int:
    """Accept how many may be in a room at once."""
    if not 2 <= value <= 200:
        raise InvalidEntryError("max_members: 2 to 200.")
    return value


def ring_seconds(value: int) -> int:
    """Accept how long phones ring before a call is sent on; 0 is for the company's time."""
    if value != 0 and not 3 <= value <= 300:
        raise InvalidEntryError("forward_no_answer_seconds: 3 to 300, or 0 for the company's.")
    return value


def dial_digits(field: str, text: str) -> str:
    """Accept a prefix or digits to prepend: an optional plus and up to 19 digits."""
    if not _DIGITS.fullmatch(text):
        raise InvalidEntryError(f"{field}: an optional + and at most 19 digits.")
    return text


def route_prefix(text: str) -> str:
    """Return how the numbers of a route begin, in E.164 (`+7495` of `7495` or `007495`), or `ABROAD`, or an empty text for all."""
    if dial_digits("prefix", text) in ("", "+", ABROAD):
        return text
    digits = text.removeprefix("+").removeprefix(ABROAD)
    if digits.startswith("0"):
        raise InvalidEntryError(
            "prefix: numbers are routed in their international form, which never begins with 0.",
            hint="Write + and the country's code, such as +7495, or 00 for all numbers abroad.",
        )
    return f"+{digits}"


def strip(value: int) -> int:
    """Accept how many characters to take away."""
    if not 0 <= value <= 19:
        raise InvalidEntryError("strip: 0 to 19.")
    return value


def priority(value: int) -> int:
    """Accept a priority."""
    if not 0 <= value <= 1000:
        raise InvalidEntryError("priority: 0 to 1000.")
    return value


def trunk_list(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Accept an ordered list of known trunks, each once."""
    wanted = list(names)
    present = set(known)
    if not wanted or len(wanted) > _MAX_TRUNKS:
        raise InvalidEntryError(f"trunks: 1 to {_MAX_TRUNKS} of them.")
    for name in wanted:
        if name not in present:
            raise InvalidEntryError(f"trunks: there is no trunk “{name[:64]}”.", hint="Create it first.")
    if len(set(wanted)) != len(wanted):
        raise InvalidEntryError("trunks: each one once.")
    return wanted
