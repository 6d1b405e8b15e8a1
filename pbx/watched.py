"""Who may watch what, as all event packages see it: users of the company watch its extensions."""

from __future__ import annotations

from pbx.snapshot import Snapshot
from sip.event_package import Standing
from sip.uri import Uri, without_parameters


def extension_named(snapshot: Snapshot, user: str) -> str:
    """Return the extension that the user part of a URI means: its number, or the login of one of its phones; else ""."""
    user = without_parameters(user)
    if user in snapshot.extensions:
        return user
    login = snapshot.logins.get(user)
    return login.extension if login is not None else ""


def standing(snapshot: Snapshot, extension: str, watcher: str) -> Standing:
    """Tell what a SIP user may see of an extension: everyone may, as long as both are enabled."""
    if watcher not in snapshot.logins:
        return Standing.FORBIDDEN
    entry = snapshot.extensions.get(extension)
    if entry is None:
        return Standing.UNKNOWN
    return Standing.GRANTED if entry.enabled else Standing.WITHHELD


def entity(uri: Uri) -> str:
    """Return the name of what is watched as the watcher wrote it: phones look for the one they asked for."""
    return str(Uri(uri.scheme, uri.user, uri.host, uri.port))
