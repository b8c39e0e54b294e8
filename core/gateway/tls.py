"""The gateway's certificate: checked, handed to Envoy in one piece, and again whenever its files change."""

import asyncio
import json
import logging
import os
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from core.errors import Unavailable
from core.gateway.listeners import TLS_FILE
from core.gateway.resources import TYPES

log = logging.getLogger(__name__)

CERT, KEY = "PODKEEPER_TLS_CERT", "PODKEEPER_TLS_KEY"
LOOK_SECONDS = 1.0
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
"""Envoy refuses all others, and only its log says so."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Certificate:
    """The two files that a person names.

    Envoy could watch them itself, but would miss those that are written in place or reached by a new symbolic link,
    and could meet a certificate whose key is not there yet. So both go to it in one file, when they fit together.
    """

    def __init__(self, directory: Path, files: tuple[Path, Path]) -> None:
        self._directory = directory
        self._files = files
        self._seen: _Stamp = ()
        self._watching: asyncio.Task[None] | None = None

    def place(self) -> None:
        """Give Envoy what the files hold now; Unavailable says which of them cannot be used, and why."""
        self._seen = self._stamp()
        chain, key = _pair(*self._files)
        secret = {
            "@type": TYPES + "envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": "gateway",
            "tls_certificate": {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}},
        }
        text = json.dumps({"resources": [secret]})
        file = self._directory / TLS_FILE
        with suppress(OSError):
            if file.read_text() == text:
                return
        try:
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(text)
            new.replace(file)
        except OSError as error:
            raise Unavailable(
                f"The gateway cannot keep its certificate in {self._directory}: {error.strerror}. "
                "Make room there, or set PODKEEPER_DATA_DIR to another place."
            ) from None

    def watch(self) -> None:
        """From now on Envoy is given what the files come to hold."""
        self._watching = asyncio.create_task(self._look(), name="certificate")

    async def stop(self) -> None:
        """Look no more; Envoy keeps what it has."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if await asyncio.to_thread(self._stamp) == self._seen:
                continue
            try:
                await asyncio.to_thread(self.place)
            except Unavailable as error:
                log.warning("The gateway goes on with its former certificate. %s", error)
            else:
                log.info("The gateway has taken the new certificate")

    def _stamp(self) -> _Stamp:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _pair(cert_file: Path, key_file: Path) -> tuple[str, str]:
    """Certificate chain and key, which belong together."""
    chain, secret = _read(CERT, cert_file), _read(KEY, key_file)
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Unavailable(f"{CERT}: {cert_file} is not a certificate in PEM form.") from None
    try:
        key = load_pem_private_key(secret, None)
    except TypeError:
        raise Unavailable(f"{KEY}: {key_file} is locked with a password; give one without.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unavailable(f"{KEY}: {key_file} is not a private key in PEM form.") from None
    if not isinstance(key, rsa.RSAPrivateKey) and not (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES)
    ):
        raise Unavailable(f"{KEY}: {key_file} is a key of a kind that browsers do not take; use RSA or ECDSA on P-256.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < 2048:
        raise Unavailable(f"{KEY}: {key_file} has {key.key_size} bits; an RSA key needs at least 2048.")
    if key.public_key() != leaf:
        raise Unavailable(
            f"{KEY}: {key_file} does not belong to the first certificate in {CERT} ({cert_file}). "
            "Name the two files that were made together; the chain begins with the certificate of the host names."
        )
    # Beside the blocks there may be remarks in any encoding; Envoy wants text.
    return chain.decode("ascii", "ignore"), secret.decode("ascii", "ignore")


def _read(setting: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Unavailable(f"{setting}: {file} cannot be read: {(error.strerror or str(error)).lower()}.") from None
