"""Rules for what comes in from forms, star codes and other programs; every refusal names the field and the rule."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Iterable
from typing import Final

from core.errors import InvalidInputError
from core.phone_numbers import normalise
from crm_bridge.errors import CrmInputError

MAX_NAME: Final = 200
MAX_SHORT: Final = 64
MAX_NOTE: Final = 10_000
MAX_CHANNELS: Final = 20
"""Phones, or e-mail addresses, of one customer."""
MAX_TRANSCRIPT: Final = 1_000_000

_CALL_ID: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_EMAIL: Final = re.compile(r"[^\s@<>\"',;:\\()\[\]]{1,64}@[^\s@<>\"',;:\\()\[\]/]{1,189}")
_BREAKS: Final = frozenset("\n\r\t")


def line(field: str, text: str, longest: int = MAX_NAME) -> str:
    """Return one line of plain text without blanks around it.

    Raises:
        CrmInputError: too long, or with control characters.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if len(text) > longest:
        raise CrmInputError(f"“{field}” may have at most {longest} characters; this has {len(text)}.")
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text):
        raise CrmInputError(f"“{field}” may not have control characters or line breaks.")
    return text


def paragraphs(field: str, text: str, longest: int = MAX_NOTE) -> str:
    """Return plain text of any number of lines.

    Raises:
        CrmInputError: too long, or with control characters other than line breaks and tabs.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if len(text) > longest:
        raise CrmInputError(f"“{field}” may have at most {longest} characters; this has {len(text)}.")
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in _BREAKS for sign in text):
        raise CrmInputError(f"“{field}” may not have control characters.")
    return text


def cleaned(text: str, longest: int = MAX_NAME) -> str:
    """Return what is fit to be one line of text: for names that phones and carriers send, which nobody can be asked to correct."""
    if text.isascii() and text.isprintable():
        return text.strip()[:longest].rstrip()
    kept = "".join(sign for sign in text if unicodedata.category(sign) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", kept).strip()[:longest].rstrip()


def call_id(text: str) -> str | None:
    """Return a call's id, or None when none was given.

    Raises:
        CrmInputError: it cannot be one.
    """
    if not text:
        return None
    if not _CALL_ID.fullmatch(text):
        raise CrmInputError("“call_id” must be the id of a call: up to 64 letters, digits and . _ @ -")
    return text


def identifier(field: str, text: str) -> str:
    """Return an id in its usual form.

    Raises:
        CrmInputError: it is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise CrmInputError(f"“{field}” must be an id, such as 019f0c6e-7a1b-7c3d-9e4f-5a6b7c8d9e0f.") from None


def phones(texts: Iterable[str], country: str) -> tuple[str, ...]:
    """Return the numbers in E.164, each once, in their order.

    Raises:
        CrmInputError: one is no phone number, or they are too many.
    """
    return _each_once("phones", (phone(text, country) for text in texts))


def phone(text: str, country: str) -> str:
    """Return one number in E.164.

    Raises:
        CrmInputError: it is no phone number.
    """
    try:
        return normalise(text, country)
    except InvalidInputError as error:
        raise CrmInputError(
            f"“phones”: {error.message}", hint="Write it with its area code or with + and country."
        ) from None


def public_number(text: str, country: str) -> str:
    """Return the number of a call's party in E.164, or "" when it is hidden, an extension or no number at all."""
    try:
        return normalise(text, country)
    except InvalidInputError:
        return ""


def emails(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses in lower case, each once, in their order.

    Raises:
        CrmInputError: one is no e-mail address, or they are too many.
    """
    return _each_once("emails", (email(text) for text in texts))


def email(text: str) -> str:
    """Return one address in lower case.

    Raises:
        CrmInputError: it is no e-mail address.
    """
    address = text.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise CrmInputError(f"“emails”: “{address[:80]}” is not an e-mail address.")
    return line("emails", address, 254)


def folded(text: str) -> str:
    """Return text as it is compared in a search: without case and compatibility forms, at most 400 characters."""
    return unicodedata.normalize("NFKC", text).casefold()[:400]


def _each_once(field: str, values: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in values:
        found[value] = None
        if len(found) > MAX_CHANNELS:
            raise CrmInputError(f"“{field}” may have at most {MAX_CHANNELS} entries.")
    return tuple(found)
