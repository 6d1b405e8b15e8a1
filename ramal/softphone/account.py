"""What the softphone is told to be, checked before anything is started for it."""

from __future__ import annotations

from typing import Final

from core.errors import InvalidInputError
from sip.errors import MalformedMessageError
from sip.uri import Uri

_NOT_IN_A_USER: Final = frozenset(' "<>@:;/?#\\')


def check_account(server: str, extension: str) -> None:
    """Refuse an extension or a server that no SIP address can hold.

    Raises:
        InvalidInputError: which of them, and what it must be.
    """
    if not (extension.isascii() and extension.isprintable() and extension) or set(extension) & _NOT_IN_A_USER:
        raise InvalidInputError(f"“{extension[:40]}” is no extension.", hint="Say --extension 1001, or as yours is.")
    try:
        uri = Uri.parse(f"sip:{server}")
    except MalformedMessageError:
        uri = None
    if uri is None or uri.user or not uri.host:
        raise InvalidInputError(f"“{server[:60]}” is no server.", hint="Say --server host, or host:port.")
