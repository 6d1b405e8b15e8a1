"""Where recordings are kept: a local folder by default, any store that fsspec knows when it grows.

A recording is named by a relative URL such as `2026/03/02/019f….wav`, never by a path of the machine. The methods block; they are
called in threads.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from recordings.errors import AudioMissingError, BadLocationError, StoreUnavailableError

_SEGMENT: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,128}")
_LONGEST: Final = 512
_BLOCK: Final = 1 << 20
MARKER: Final = "RECORDINGS"
"""A file that tells a folder of recordings from the empty place where it should be mounted."""


class RecordingStore:
    """One store of recordings."""

    def __init__(self, url: str | Path) -> None:
        """Name the store, without touching it.

        Args:
            url: a folder, or a URL such as `s3://bucket/recordings`.
        """
        text = str(url.absolute() if isinstance(url, Path) else url)
        self._files, root = fsspec.core.url_to_fs(text)
        self._root: str = root.rstrip("/")
        self.url = text

    def prepare(self) -> None:
        """Create the store where there is none.

        Raises:
            StoreUnavailableError: it cannot be created.
        """
        with self._translated():
            self._files.makedirs(self._root, exist_ok=True)
            if not self._files.exists(self._path(MARKER)):
                with self._files.open(self._path(MARKER), "wb") as file:
                    file.write(b"The recordings of Ramal. This file tells that they are mounted here.\n")

    def check(self) -> None:
        """See that the store is there.

        Raises:
            StoreUnavailableError: it is not.
        """
        with self._translated():
            # Other instances and other programs change the store: what was listed before says nothing now.
            self._files.invalidate_cache()
            there = self._files.exists(self._path(MARKER))
        if not there:
            raise StoreUnavailableError(
                f"The recordings are not at {self.url}.",
                hint=f"Mount them there; or, if they are lost, create an empty file {MARKER} there to say so.",
            )

    def size(self, location: str) -> int:
        """Return a file's size in bytes.

        Raises:
            BadLocationError: the location is none.
            AudioMissingError: there is no such file.
            StoreUnavailableError: the store does not answer.
        """
        with self._translated(location):
            return int(self._files.size(self._path(location)))

    @contextlib.contextmanager
    def open(self, location: str) -> Iterator[IO[bytes]]:
        """Open a file for reading; errors as of `size`, also those of reading inside the context."""
        with self._translated(location), self._files.open(self._path(location), "rb") as file:
            yield file

    @contextlib.contextmanager
    def local_file(self, location: str) -> Iterator[Path]:
        """Give the file as one of this machine, copied for the time of the context where the store is elsewhere."""
        if isinstance(self._files, LocalFileSystem):
            self.size(location)
            yield Path(self._path(location))
            return
        with tempfile.TemporaryDirectory(prefix="ramal-audio-") as folder:
            copy = Path(folder) / Path(location).name
            with self.open(location) as source, copy.open("wb") as target:
                while block := source.read(_BLOCK):
                    target.write(block)
            yield copy

    def list(self) -> Iterator[str]:
        """Give the locations of all sound files in the store.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._translated():
            for folder, _folders, files in self._files.walk(self._root):
                below = folder[len(self._root) :].strip("/")
                for name in sorted(files):
                    if name.endswith(".wav"):
                        yield f"{below}/{name}" if below else name

    def delete(self, location: str) -> None:
        """Delete a file; one that is gone already is no error."""
        with contextlib.suppress(AudioMissingError), self._translated(location):
            self._files.rm_file(self._path(location))

    def _path(self, location: str) -> str:
        path = f"{self._root}/{checked_location(location)}"
        if isinstance(self._files, LocalFileSystem):
            real_root = os.path.realpath(self._root)
            if os.path.commonpath((real_root, os.path.realpath(path))) != real_root:
                raise BadLocationError(f"The location “{location}” leads out of the recordings folder.")
        return path

    @contextlib.contextmanager
    def _translated(self, location: str = "") -> Iterator[None]:
        """Turn the errors of files and stores into ours; without a location it is the store itself that is worked on."""
        try:
            yield
        except OSError as error:
            if location and isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
                raise AudioMissingError(f"The file {location} is not in the recordings at {self.url}.") from error
            raise StoreUnavailableError(
                f"The recordings at {self.url} cannot be used: {error.strerror or error}.",
                hint="Give the server's user access to them, or free some disk space.",
            ) from error


def checked_location(location: str) -> str:
    """Return a location that is a plain relative URL.

    Raises:
        BadLocationError: it is empty, absolute, too long, or has other signs or dots than names of files have.
    """
    segments = location.split("/")
    if len(location) > _LONGEST or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise BadLocationError(f"“{location[:80]}” is not the location of a recording.")
    return location


def read_blocks(file: IO[bytes], block: int = _BLOCK) -> Iterator[bytes]:
    """Give the rest of a file in blocks."""
    while data := file.read(block):
        yield data
