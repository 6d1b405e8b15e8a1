"""Templates at rest: sealed with a key that stays in the data folder, readable by the server's user alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cryptography.fernet import Fernet, InvalidToken

from face_tracker.descriptor import Descriptor
from face_tracker.errors import FaceTrackerError


class TemplateVault:
    """Seals and opens face templates (AES-128-CBC with HMAC-SHA256, the Fernet format)."""

    def __init__(self, key_file: Path) -> None:
        """Read the key, or make one on first use.

        Raises:
            FaceTrackerError: the key file is not a key.
        """
        if not key_file.exists():
            key_file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key())
        try:
            self._fernet = Fernet(key_file.read_bytes())
        except ValueError as error:
            raise FaceTrackerError(f"{key_file} is not a template key.", hint="Restore it from a backup.") from error

    def seal(self, templates: Sequence[Descriptor]) -> bytes:
        """Return the sealed form of one person's descriptors."""
        return self._fernet.encrypt(np.stack(templates).astype(np.float32).tobytes())

    def open(self, sealed: bytes) -> list[Descriptor]:
        """Return the descriptors of a sealed form.

        Raises:
            FaceTrackerError: it was sealed with another key or is damaged.
        """
        try:
            plain = self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise FaceTrackerError("A face template cannot be opened: the key is another one.") from error
        return [row.astype(np.float64) for row in np.frombuffer(plain, np.float32).reshape(-1, 128)]
