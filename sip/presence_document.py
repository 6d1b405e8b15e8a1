"""Presence as `application/pidf+xml`: made for those who watch, and read from phones that publish theirs.

PIDF is RFC 3863; what a person does stands in the person element of RFC 4479 with the activities of RFC 4480.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sip.errors import MalformedMessageError
from sip.xml import escape, parse_xml

CONTENT_TYPE: Final = "application/pidf+xml"
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\r\n<presence xmlns="urn:ietf:params:xml:ns:pidf"'
    ' xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"'
)
_ACTIVITIES: Final = frozenset(
    ("appointment", "away", "breakfast", "busy", "dinner", "holiday", "in-transit", "lunch", "meal", "meeting",
     "on-the-phone", "performance", "permanent-absence", "playing", "presentation", "shopping", "sleeping", "spectator",
     "steering", "travel", "tv", "vacation", "working", "worship")
)  # fmt: skip
"""The activities of RFC 4480 section 3.2 that say something."""
_LONGEST_NOTE: Final = 200


@dataclass(slots=True, frozen=True)
class PresenceState:
    """Whether someone can be reached, and what they do."""

    open: bool
    activity: str = ""
    """An activity of RFC 4480, such as `on-the-phone` or `away`; empty when nothing is known."""
    note: str = ""


def presence_document(entity: str, state: PresenceState) -> bytes:
    """Return the document of a presentity, which is a URI."""
    basic = "open" if state.open else "closed"
    lines = [
        f'{_HEAD} entity="{escape(entity)}">',
        f'<tuple id="ramal"><status><basic>{basic}</basic></status><contact>{escape(entity)}</contact></tuple>',
    ]
    if state.note:
        lines.append(f"<note>{escape(state.note)}</note>")
    if state.activity or state.note:
        activity = f"<rpid:activities><rpid:{state.activity}/></rpid:activities>" if state.activity else ""
        note = f"<dm:note>{escape(state.note)}</dm:note>" if state.note else ""
        lines.append(f'<dm:person id="person">{activity}{note}</dm:person>')
    lines.append("</presence>\r\n")
    return "\r\n".join(lines).encode()


def parse_presence(body: bytes) -> PresenceState:
    """Read a document that a phone publishes.

    Raises:
        MalformedMessageError: it is no PIDF.
    """
    root = parse_xml(body)
    if root.name != "presence":
        raise MalformedMessageError("The document is no PIDF.")
    statuses = [basic.text.strip().lower() for basic in root.all("basic")]
    activities = root.first("activities")
    names = [child.name for child in activities.children if child.name in _ACTIVITIES] if activities is not None else []
    notes = [" ".join(note.text.split())[:_LONGEST_NOTE] for note in root.all("note")]
    return PresenceState(
        open=not statuses or "open" in statuses,
        activity=names[0] if names else "",
        note=next((note for note in notes if note), ""),
    )
