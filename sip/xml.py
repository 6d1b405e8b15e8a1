"""XML as it comes in bodies: text escaped on the way out, and read strictly on the way in.

A document of a peer has no DTD, no entities of its own, and bounds of size, depth and number; so nothing in it can grow,
be fetched, or be executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from sip.errors import MalformedMessageError

MAX_BYTES: Final = 16_384
_MAX_DEPTH: Final = 16
_MAX_ELEMENTS: Final = 500
_FORBIDDEN: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document may hold."""
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})


def escape(text: str) -> str:
    """Return the text as it may stand in an element or a quoted attribute."""
    return _FORBIDDEN.sub("", text).translate(_ESCAPES)


@dataclass(slots=True)
class Element:
    """One element that was read."""

    namespace: str
    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> Iterator[Element]:
        """Give every element of this local name below this one, in any namespace, in the order of the document."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.all(name)

    def first(self, name: str) -> Element | None:
        """Return the first element of this local name below this one, or None."""
        return next(self.all(name), None)


def parse_xml(data: bytes) -> Element:
    """Read a document and return its root.

    Raises:
        MalformedMessageError: it is no XML, has a DTD, or is too large, too deep or too full.
    """
    if len(data) > MAX_BYTES:
        raise MalformedMessageError("The document is too large.", status=413)
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.UnparsedEntityDeclHandler = reader.doctype
    parser.ExternalEntityRefHandler = reader.doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise MalformedMessageError("The document is no XML that can be read.") from error
    if reader.root is None:
        raise MalformedMessageError("The document is empty.")
    return reader.root


class _Reader:
    """Builds the elements out of expat's events."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element inside the one that is open."""
        self._count += 1
        if self._count > _MAX_ELEMENTS or len(self._open) >= _MAX_DEPTH:
            raise MalformedMessageError("The document has too many elements.")
        namespace, _, local = name.rpartition(" ")
        element = Element(namespace, local, {key.rpartition(" ")[2]: value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        """Close the open element."""
        self._open.pop()

    def characters(self, text: str) -> None:
        """Add to the text of the open element."""
        if self._open:
            self._open[-1].text += text

    def doctype(self, *_arguments: object) -> int:
        """Refuse the document: entities could make it grow without end."""
        raise MalformedMessageError("The document has a DTD.")
