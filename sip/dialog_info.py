"""The calls of an extension as `application/dialog-info+xml`, for the lamps of its colleagues (RFC 4235)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sip.xml import escape

CONTENT_TYPE: Final = "application/dialog-info+xml"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\r\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"'


class DialogState(enum.StrEnum):
    """Where a dialog stands (RFC 4235 section 3.7.1)."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class DialogDirection(enum.StrEnum):
    """Who began a dialog, seen from the one it is told of."""

    INITIATOR = "initiator"
    RECIPIENT = "recipient"


@dataclass(slots=True, frozen=True)
class WatchedParty:
    """One end of a dialog."""

    uri: str
    name: str = ""
    holds: bool = False
    """Whether this end has put the other on hold."""


@dataclass(slots=True, frozen=True)
class WatchedDialog:
    """One dialog as it is told. `call_id` and the tags are what a Replaces that picks the call up names; empty: not told."""

    id: str
    state: DialogState
    direction: DialogDirection | None = None
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    local: WatchedParty | None = None
    remote: WatchedParty | None = None


def dialog_info(entity: str, version: int, dialogs: Iterable[WatchedDialog]) -> bytes:
    """Return the full state.

    Args:
        entity: the URI of the one whose dialogs they are.
        version: counts the documents of one subscription from 0 (RFC 4235 section 4.1).
        dialogs: all that there are.
    """
    lines = [f'{_HEAD} version="{version}" state="full" entity="{escape(entity)}">']
    for dialog in dialogs:
        lines += _dialog(dialog)
    lines.append("</dialog-info>\r\n")
    return "\r\n".join(lines).encode()


def _dialog(dialog: WatchedDialog) -> list[str]:
    attributes = {
        "id": dialog.id,
        "call-id": dialog.call_id,
        "local-tag": dialog.local_tag,
        "remote-tag": dialog.remote_tag,
        "direction": dialog.direction or "",
    }
    text = "".join([f' {name}="{escape(value)}"' for name, value in attributes.items() if value])
    lines = [f"<dialog{text}>", f"<state>{dialog.state}</state>"]
    if dialog.local is not None:
        lines += _party("local", dialog.local)
    if dialog.remote is not None:
        lines += _party("remote", dialog.remote)
    return [*lines, "</dialog>"]


def _party(element: str, party: WatchedParty) -> list[str]:
    name = f' display="{escape(party.name)}"' if party.name else ""
    uri = escape(party.uri)
    # "sip.rendering" is how a party says that it does not listen: it holds (RFC 4235 section 5.2).
    holding = '<param pname="+sip.rendering" pvalue="no"/>' if party.holds else ""
    target = f'<target uri="{uri}">{holding}</target>' if holding else f'<target uri="{uri}"/>'
    return [f"<{element}>", f"<identity{name}>{uri}</identity>", target, f"</{element}>"]
