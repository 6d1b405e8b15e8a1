"""The rules that entries of the directory keep; a breach names the field and says what is wanted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from core import phone_numbers
from pbx.entries import DestinationKind, Network, Transport
from pbx.errors import InvalidEntryError

_EXTENSION: Final = re.compile(r"[0-9]{2,8}")
_USERNAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|[0-9A-Fa-f:]+")
_DIGITS: Final = re.compile(r"\+?[0-9]{0,19}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_LANGUAGES: Final = ("", "en", "pt-BR", "ru")
_MAX_TRUNKS: Final = 16
_MAX_NETWORKS: Final = 64
_SHORTEST_PASSWORD: Final = 8


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


def host(text: str) -> str:
    """Accept a host name or an address."""
    if not _HOST.fullmatch(text):
        raise InvalidEntryError(f"host: “{text[:60]}” is no host name or address.")
    return text


def port(value: int) -> int:
    """Accept a port."""
    if not 1 <= value <= 65535:
        raise InvalidEntryError("port: 1 to 65535.")
    return value


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
            parsed.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise InvalidEntryError(f"allow_from: {error}; write networks like 203.0.113.0/24.") from error
    if len(parsed) > _MAX_NETWORKS:
        raise InvalidEntryError(f"allow_from: at most {_MAX_NETWORKS} networks.")
    return tuple(parsed)


def public_number(field: str, text: str, country: str) -> str:
    """Return a public number in E.164."""
    try:
        return phone_numbers.normalise(text, country)
    except phone_numbers.InvalidNumberError as error:
        raise InvalidEntryError(f"{field}: {error.message}") from error


def target_number(field: str, text: str, country: str) -> str:
    """Accept an extension's number or a public one (returned in E.164), or nothing."""
    text = text.strip()
    return text if not text or _EXTENSION.fullmatch(text) else public_number(field, text, country)


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
