"""The key that stored secrets are encrypted with: one file, mode 0600, beside the data and never in the database."""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from core.errors import InvalidInput, Unavailable


class Vault:
    """Encrypts, decrypts and signs; its key is in no repr."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)
        self._signing = hashlib.sha256(b"podkeeper signatures" + key).digest()

    @classmethod
    def open(cls, path: Path) -> "Vault":
        """Read the key file, making it when there is none.

        InvalidInput when others may read it or it holds no key; Unavailable when it cannot be read or written.
        Processes that make it at the same time end up with the same key.
        """
        try:
            if not path.exists():
                _make(path)
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                key = file.read(1024).strip()
        except OSError as error:
            raise Unavailable(
                f"The key file {path} cannot be read or made: {error.strerror}. Registry passwords are encrypted with "
                "it, so Podkeeper does not start without it. Make it readable for the user that Podkeeper runs as."
            ) from error
        if mode & 0o077:
            raise InvalidInput(
                f"The key file {path} has mode {mode:04o}: others may read it, and with it the stored registry "
                f"passwords. Run `chmod 600 {path}`; if somebody may have read it, add the registries again afterwards."
            )
        try:
            return cls(key)
        except ValueError:
            raise InvalidInput(
                f"The key file {path} holds no key that Podkeeper made. Put the right file back from a backup; or "
                "remove it, start again, and add the registries anew with `podkeeper registry add`."
            ) from None

    def seal(self, secret: str) -> str:
        """The secret, encrypted."""
        return self._fernet.encrypt(secret.encode()).decode()

    def sign(self, purpose: str, text: str) -> str:
        """40 hex digits that only this key makes of a text, for this purpose."""
        return hmac.new(self._signing, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()[:40]

    def unseal(self, sealed: str) -> str | None:
        """The secret; None when it was sealed with another key."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears with its whole content, and not at all when another process was first.
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink()
