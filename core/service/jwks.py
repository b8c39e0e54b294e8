"""The public keys of a company's identity provider (a JWK Set, RFC 7517): from a file, or fetched and kept a while."""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from jwt import PyJWK, PyJWTError

from core.errors import Unavailable
from core.settings import is_loopback
from core.store.whole import whole

log = logging.getLogger("podkeeper.logins")

PATIENCE = 5.0
"""Seconds that fetching may take in all."""
MOST = 256 * 1024
"""Bytes of a set; that of a provider with a dozen keys has 10,000."""
AGAIN = timedelta(minutes=1)
"""No more often than this, whatever keys are asked for."""
FRESH = timedelta(hours=1)
"""A set that is older is fetched again, so that a key that was taken back stops counting."""

_FITS = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Key type and curve -> what such a key may sign with. Nothing here takes a shared secret for a key."""
ALGORITHMS = frozenset(name for names in _FITS.values() for name in names)

Keys = Mapping[tuple[str, str], PyJWK]
"""By key id and algorithm."""


class _Unusable(Exception):
    """In words for the log."""


class KeySet:
    """Keys by id and algorithm. What cannot be read is logged once, and the last good set stays."""

    def __init__(self, where: str, now: Callable[[], datetime]) -> None:
        """`where`: a file, or an address, as `PODKEEPER_LOGIN_JWKS` has it."""
        self._where = where
        self._now = now
        self._keys: Keys = {}
        self._turn = asyncio.Lock()
        self._asked: datetime | None = None
        """When it was fetched last, or was tried to."""
        self._stamp: tuple[int, int, int] | None = None
        """Which state of the file was read last."""
        self._trouble = ""
        """What has been logged and is still so."""

    async def key(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key of that id when it is for that algorithm; None: there is none.

        Waits for the file, or for the network (`PATIENCE`) when the set is old, or has no key of that id. Never fails.
        """
        if "://" not in self._where:
            async with self._turn:
                await asyncio.to_thread(self._look)
        elif self._due(kid):
            async with self._turn:  # whoever comes meanwhile waits for the same answer
                if self._due(kid):
                    await self._fetch()
        return self._keys.get((kid, algorithm))

    async def check(self) -> int:
        """How many keys there are, read anew. Unavailable, in words, when they cannot be read."""
        async with self._turn:
            await (self._fetch() if "://" in self._where else asyncio.to_thread(self._look))
        if self._trouble:
            raise Unavailable(f"The keys at PODKEEPER_LOGIN_JWKS cannot be read: {self._trouble}.")
        return len({kid for kid, _ in self._keys})

    def _due(self, kid: str) -> bool:
        pause = FRESH if any(kid == known for known, _ in self._keys) else AGAIN
        return self._asked is None or not timedelta() <= self._now() - self._asked < pause

    def _look(self) -> None:
        """Read the file if it is another than the one that was read."""
        try:
            with Path(self._where).open("rb") as file:
                state = os.fstat(file.fileno())
                stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
                if stamp == self._stamp:
                    return
                self._stamp = stamp
                self._take(file.read(MOST + 1))
        except OSError as error:
            self._stamp = None
            self._complain(error.strerror or type(error).__name__)
        except _Unusable as error:
            self._complain(str(error))

    @whole
    async def _fetch(self) -> None:
        """Brought to its end although whoever asked has left: else leaving early could keep everybody out."""
        self._asked = self._now()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(PATIENCE),
                httpx.AsyncClient(timeout=PATIENCE, trust_env=not is_loopback(self._where)) as client,
                client.stream("GET", self._where, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    raise _Unusable(f"it answers {answer.status_code}")
                body = b""
                async for part in answer.aiter_raw():
                    body += part
                    if len(body) > MOST:
                        break
            await asyncio.to_thread(self._take, body)
        except TimeoutError:
            self._complain(f"no answer within {PATIENCE:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            self._complain(f"it does not answer ({type(error).__name__})")
        except _Unusable as error:
            self._complain(str(error))

    def _take(self, body: bytes) -> None:
        if len(body) > MOST:
            raise _Unusable(f"it is longer than {MOST // 1024} kB")
        try:
            said: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise _Unusable("it is no JSON") from None
        found = cast(dict[str, Any], said).get("keys") if isinstance(said, dict) else None
        keys: dict[tuple[str, str], PyJWK] = {}
        for one in cast(list[Any], found) if isinstance(found, list) else []:
            if isinstance(one, dict):
                keys.update(_usable(cast(dict[str, Any], one)))
        if not keys:
            raise _Unusable("it holds no public key with an id (kid) that logins may be signed with")
        self._keys = keys
        self._trouble = ""

    def _complain(self, reason: str) -> None:
        if reason != self._trouble:
            kept = "the keys from before stay" if self._keys else "no company login is let in"
            log.warning("the keys at PODKEEPER_LOGIN_JWKS cannot be read: %s; meanwhile %s", reason, kept)
        self._trouble = reason


def _usable(jwk: dict[str, Any]) -> dict[tuple[str, str], PyJWK]:
    """The key for each algorithm it may be used with; empty for one that is not for checking signatures."""
    kid, operations = jwk.get("kid"), jwk.get("key_ops")
    checks = jwk.get("use", "sig") == "sig" and (operations is None or "verify" in str(operations))
    if not isinstance(kid, str) or not checks or "d" in jwk:
        return {}
    keys: dict[tuple[str, str], PyJWK] = {}
    for algorithm in next((names for kind, names in _FITS.items() if kind == (jwk.get("kty"), jwk.get("crv"))), ()):
        if jwk.get("alg", algorithm) == algorithm:
            try:
                keys[kid, algorithm] = PyJWK(jwk, algorithm)
            except (PyJWTError, UnsupportedAlgorithm):
                return {}  # of a kind that only looks like one; its neighbours are good all the same
    return keys
