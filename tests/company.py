"""A company that signs logins with real keys, and tells of them in a file or on a real port. A pytest plugin.

With it a house that takes its logins.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.helpers import free_port, until
from tests.houses import FakeHouse, HandClock, fake_house

ISSUER, AUDIENCE = "https://login.example.com/", "podkeeper"
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}
RSA, OTHER_RSA = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
"""Made once: they take long."""


@dataclass
class Key:
    """One of its keys."""

    kid: str
    algorithm: str = "RS256"
    private: Any = None

    def __post_init__(self) -> None:
        if self.private is None:
            if self.algorithm in _CURVES:
                self.private = ec.generate_private_key(_CURVES[self.algorithm])
            elif self.algorithm == "EdDSA":
                self.private = ed25519.Ed25519PrivateKey.generate()
            else:
                self.private = RSA

    @property
    def jwk(self) -> dict[str, Any]:
        """Its public half."""
        public = self.private.public_key()
        made = jwt.get_algorithm_by_name(self.algorithm).to_jwk(public, as_dict=True)
        return {**made, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def pem(self) -> bytes:
        """Its public half as a file that people pass around."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Company:
    """`jwks` is what it tells of its keys."""

    clock: HandClock
    key: Key = field(default_factory=lambda: Key("k1"))
    jwks: Any = None
    asked: int = 0
    """How often its set was fetched."""
    status: int = 200
    gate: asyncio.Event | None = None
    """What an answer waits for."""
    drips: bool = False
    """While it waits it says a little all the time."""

    def __post_init__(self) -> None:
        self.tell(self.key)

    def tell(self, *keys: Key) -> None:
        """From now on its set holds these."""
        self.jwks = {"keys": [key.jwk for key in keys]}

    def write(self, path: Path) -> Path:
        """Its set as a file."""
        path.write_text(json.dumps(self.jwks))
        return path

    def claims(self, subject: str | None = "ann", **more: Any) -> dict[str, Any]:
        """Those of a login of now, good for an hour; what is None is left out."""
        now = self.clock()
        plain = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + timedelta(hours=1)}
        return {name: value for name, value in {**plain, **more}.items() if value is not None}

    def login(self, subject: str | None = "ann", key: Key | None = None, **more: Any) -> str:
        """A signed JWT."""
        key = key or self.key
        headers = {"kid": key.kid} if key.kid else {}
        return jwt.encode(self.claims(subject, **more), key.private, key.algorithm, headers=headers)

    def raw(self, header: dict[str, Any], secret: bytes | None, payload: bytes | None = None) -> str:
        """Put together by hand: signed with HMAC, or with no signature at all."""
        claims = self.claims() | {name: int(self.claims()[name].timestamp()) for name in ("iat", "exp")}
        parts = [_base64(json.dumps(header).encode()), _base64(payload or json.dumps(claims).encode())]
        signed = ".".join(parts)
        signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret is not None else b""
        return f"{signed}.{_base64(signature)}"

    async def _drops(self) -> AsyncIterator[bytes]:
        while self.gate is not None and not self.gate.is_set():
            yield b" "
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The address of its set."""

        async def answer(_: Request) -> Response:
            self.asked += 1
            if self.drips:
                return StreamingResponse(self._drops())
            if self.gate is not None:
                await self.gate.wait()
            if self.status in (302, 307):
                return RedirectResponse("/elsewhere", self.status)
            body = self.jwks if isinstance(self.jwks, bytes) else json.dumps(self.jwks).encode()
            return Response(body, self.status, media_type="application/json")

        port = free_port()
        app = Starlette(routes=[Route("/keys", answer), Route("/elsewhere", answer)])
        config = uvicorn.Config(app, port=port, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        try:
            await until(lambda: server.started)
            yield f"http://127.0.0.1:{port}/keys"
        finally:
            if self.gate is not None:
                self.gate.set()
            server.should_exit = True
            await task


def settings(jwks: str | Path) -> dict[str, Any]:
    """Those of a service that takes its logins."""
    return {"login_issuer": ISSUER, "login_audience": AUDIENCE, "login_jwks": str(jwks)}


@pytest.fixture
def company() -> Company:
    """Its clock is not yet that of a house."""
    return Company(HandClock())


@pytest.fixture
async def company_home(company: Company, tmp_path: Path) -> AsyncIterator[FakeHouse]:
    """A house that takes the company's logins, by its set in the file `keys.json`."""
    async with fake_house(tmp_path / "data", **settings(company.write(tmp_path / "keys.json"))) as home:
        company.clock = home.clock
        yield home


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
