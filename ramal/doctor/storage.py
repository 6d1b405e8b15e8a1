"""Disk and folders: is there room, and are they this server's alone?"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ramal.doctor.findings import Finding, Severity, ok

_SUBJECT: Final = "storage"
_LITTLE: Final = 2 << 30
_ALMOST_NONE: Final = 200 << 20


@dataclass(slots=True, frozen=True)
class StorageFacts:
    """The data folder and its disk."""

    folder: Path
    exists: bool
    writable: bool = False
    mode: int = 0
    """Permission bits of the folder."""
    free_bytes: int = 0
    total_bytes: int = 0


def gather(folder: Path) -> StorageFacts:
    """Look at a data folder."""
    try:
        mode = folder.stat().st_mode & 0o777
        usage = shutil.disk_usage(folder)
    except OSError:
        return StorageFacts(folder, exists=False)
    writable = folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    return StorageFacts(
        folder, exists=True, writable=writable, mode=mode, free_bytes=usage.free, total_bytes=usage.total
    )


def examine(facts: StorageFacts) -> list[Finding]:
    """Tell whether recordings and the journal can go on."""
    folder = str(facts.folder)
    if not facts.exists:
        message = f"There is no data folder {folder} yet."
        return [
            Finding(
                _SUBJECT,
                Severity.NOTE,
                "no_folder",
                message,
                "The first start makes it; else name it with --data.",
                folder,
            )
        ]
    findings = []
    if not facts.writable:
        message = f"The data folder {folder} cannot be written by this user."
        advice = f"Run as the server's user, or give it the folder: chown -R USER {folder}."
        findings.append(Finding(_SUBJECT, Severity.PROBLEM, "folder_not_writable", message, advice, folder))
    if facts.mode & 0o007:
        message = (
            f"Other users of this machine may look into {folder} (mode {facts.mode:03o}): it holds recordings and keys."
        )
        findings.append(Finding(_SUBJECT, Severity.WARNING, "folder_open", message, f"Run chmod 700 {folder}.", folder))
    if facts.free_bytes < _LITTLE:
        severity = Severity.PROBLEM if facts.free_bytes < _ALMOST_NONE else Severity.WARNING
        message = f"The disk of {folder} has {_size(facts.free_bytes)} left of {_size(facts.total_bytes)}."
        advice = "Free some, or shorten how long recordings are kept: a call takes 2 MB a minute until it is sealed."
        findings.append(Finding(_SUBJECT, severity, "disk_full", message, advice, folder))
    return findings or [
        ok(_SUBJECT, "room_left", f"{folder} has {_size(facts.free_bytes)} left and is this user's alone.")
    ]


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MB"
