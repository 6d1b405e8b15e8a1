"""What this stack understands, as it tells it to its peers."""

from __future__ import annotations

ALLOWED_METHODS = (
    "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY",
    "SUBSCRIBE", "PUBLISH", "MESSAGE",
)  # fmt: skip
"""Methods that are carried out: 501 answers all others."""
SUPPORTED_OPTIONS = frozenset(("replaces", "norefersub", "path", "outbound", "100rel", "timer", "tdialog"))
"""Option tags that a peer may require (420 answers the others)."""

ALLOW = ", ".join(ALLOWED_METHODS)
SUPPORTED = "replaces, norefersub, path, outbound, 100rel, timer, tdialog"
SESSION_HEADERS = (("Allow", ALLOW), ("Supported", SUPPORTED))
"""What INVITE and its 2xx carry."""
ACCEPT_HEADERS = (
    ("Accept", "application/sdp, multipart/mixed, multipart/alternative"),
    ("Accept-Encoding", "identity"),
)
"""Which bodies of an INVITE are understood."""
CAPABILITY_HEADERS = (*SESSION_HEADERS, *ACCEPT_HEADERS, ("Accept-Language", "en"))
"""What the answer to OPTIONS carries (RFC 3261 section 11.2)."""
