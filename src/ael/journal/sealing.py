"""Sealing: rows of executions that hold secrets are encrypted, with a key outside the database.

ChaCha20-Poly1305 (RFC 8439); the row's place in the journal is authenticated with it, so rows cannot be moved.
`cryptography` is imported when the first such row is written or read.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from ael.errors import JournalUnavailable

_KEY_SIZE, _NONCE_SIZE = 32, 12


class Seal:
    """Seals and opens rows with the key of one journal."""

    def __init__(self, key_file: Path) -> None:
        self._file = key_file
        self._cipher: Any = None

    def close(self, place: str, data: bytes) -> bytes:
        """Return sealed data; makes the key file when there is none."""
        nonce = secrets.token_bytes(_NONCE_SIZE)
        sealed: bytes = self._ready(create=True).encrypt(nonce, data, place.encode())
        return nonce + sealed

    def open(self, place: str, data: bytes) -> bytes:
        """Return the data that was sealed; raises `JournalUnavailable`."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 # see the module

        try:
            opened: bytes = self._ready(create=False).decrypt(data[:_NONCE_SIZE], data[_NONCE_SIZE:], place.encode())
        except InvalidTag as error:
            raise JournalUnavailable(
                f"a record with secrets cannot be opened with the key {self._file}",
                suggestion="Bring back the key file that belongs to this journal.",
            ) from error
        return opened

    def _ready(self, *, create: bool) -> Any:  # noqa: ANN401 # the cipher's module is imported late
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415 # see the module

            self._cipher = ChaCha20Poly1305(self._key(create=create))
        return self._cipher

    def _key(self, *, create: bool) -> bytes:
        try:
            return self._read()
        except FileNotFoundError:
            if not create:
                raise JournalUnavailable(
                    f"the key {self._file} is missing, and records with secrets cannot be opened without it",
                    suggestion="Bring back the key file that belongs to this journal.",
                ) from None
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_SIZE))
            file.flush()
            os.fsync(descriptor)
        # A link fails where another process was first, whose key then counts.
        with suppress(FileExistsError):
            os.link(temporary, self._file)
        temporary.unlink()
        return self._read()

    def _read(self) -> bytes:
        with self._file.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise JournalUnavailable(f"others may read the key {self._file}", suggestion="Run chmod 600 on it.")
            key = file.read(_KEY_SIZE + 1)
        if len(key) != _KEY_SIZE:
            raise JournalUnavailable(f"{self._file} is no key: it has not {_KEY_SIZE} bytes")
        return key
