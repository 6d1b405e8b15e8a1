"""The node's data folder: made on first start, checked at every start, used by one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from core.errors import StorageError

TRACE_FOLDER: Final = "trace"
"""Where the SIP messages of calls are, in the data folder."""


class DataFolder:
    """The folder and where things are in it."""

    def __init__(self, root: Path) -> None:
        """Make or check the folder and take it for this process.

        Raises:
            StorageError: it cannot be made, read or written, or another server uses it.
        """
        self.root = root.absolute()
        self.journal = self.root / "journal"
        self.recordings = self.root / "recordings"
        self.prompts = self.root / "prompts"
        self.keys = self.root / "keys"
        self.trace = self.root / TRACE_FOLDER
        if self.root.is_file():
            raise StorageError(
                f"The data folder {self.root} cannot be used: it is a file.", hint="Name a folder with --data."
            )
        try:
            for folder in (self.root, self.recordings, self.prompts, self.keys):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                f"The data folder {self.root} cannot be used: {error.strerror}.",
                hint="Give this user read and write access to it, or choose another with --data.",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StorageError(
                f"Another Ramal runs on the data folder {self.root}.", hint="Stop it, or choose another with --data."
            ) from error

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes that stay the same for this folder.

        Raises:
            StorageError: the key file cannot be read or written.
        """
        file = self.keys / name
        try:
            if not file.exists():
                with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
                    new.write(os.urandom(32))
            return file.read_bytes()
        except OSError as error:
            raise StorageError(f"The key {file} cannot be used: {error.strerror}.") from error

    def close(self) -> None:
        """Give the folder free."""
        os.close(self._lock)
