"""The real parts that settings name: the engine, the gateway, the data directory and the token in it."""

import contextlib
import os
import secrets
from pathlib import Path

from core.engines.base import Engine
from core.engines.docker import DockerEngine
from core.engines.runpod import Account, RunPodEngine
from core.errors import Unavailable
from core.gateway.base import Gateway
from core.gateway.envoy import EnvoyGateway
from core.settings import Settings


def named_engine(settings: Settings) -> Engine:
    """The engine that `PODKEEPER_ENGINE` names."""
    if settings.engine == "docker" or settings.runpod_api_key is None:
        return DockerEngine()
    return RunPodEngine(runpod_account(settings, settings.runpod_api_key.get_secret_value()))


def runpod_account(settings: Settings, key: str) -> Account:
    """The RunPod account of these settings."""
    return Account(
        key=key,
        base_url=settings.runpod_api_base_url,
        proxy=settings.runpod_proxy_url,
        data_centers=settings.runpod_data_centers,
        cloud=settings.runpod_cloud,
    )


def envoy_gateway(settings: Settings) -> Gateway:
    """The gateway of these settings."""
    return EnvoyGateway(
        directory=settings.data_dir / "gateway",
        listen=settings.gateway_listen,
        domain=settings.proxy_domain,
        public=settings.public_proxy,
        binary=settings.envoy,
        tls=(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None,
        ca=settings.upstream_ca,
    )


def make_data_dir(path: Path) -> None:
    """The data directory, for this account only; Unavailable when it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(
            f"The data directory {path} cannot be made: {error.strerror}. Name another one in PODKEEPER_DATA_DIR."
        ) from None


def local_token(settings: Settings) -> str:
    """The token that the terminal and local assistants use: `PODKEEPER_TOKEN`, or the token file, made when missing.

    Unavailable when the file cannot be read or made, or is empty.
    """
    if settings.token is not None:
        return settings.token.get_secret_value()
    path = settings.token_file
    make_data_dir(path.parent)
    try:
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(f"pk_{secrets.token_urlsafe(32)}\n")
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no text"
        raise Unavailable(
            f"The token file {path} cannot be read or made: {reason}. Mend that, or set PODKEEPER_TOKEN."
        ) from None
    if not token:
        raise Unavailable(f"The token file {path} is empty. Remove it: then a new one is made.")
    return token
