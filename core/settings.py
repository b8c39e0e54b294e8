"""Settings: everything that may be said from outside, by environment variable, typed."""

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import InvalidInput
from core.units import parse_duration


def _duration(value: object) -> object:
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except InvalidInput as error:
        raise ValueError(str(error).removeprefix("duration: ")) from None


def _names(value: object) -> object:
    return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _endpoint(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    try:
        address = str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        address = ""
    if not colon or not address or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"{value[:60]!r} is not ADDRESS:PORT, for example 127.0.0.1:8080")
    return (address, int(port))


def _ports(value: object) -> object:
    if not isinstance(value, str):
        return value
    first, dash, last = value.strip().partition("-")
    last = last if dash else first
    if not all(n.isascii() and n.isdigit() and 0 < int(n[:9]) < 65536 for n in (first, last)) or int(first) > int(last):
        raise ValueError(f"{value[:60]!r} is not a range of ports, for example 30000-30099")
    return tuple(range(int(first), int(last) + 1))


def is_loopback(url: str) -> bool:
    """Whether this address leads to this machine and nowhere else. ValueError when it is no address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _jwks(value: str) -> str:
    if "://" not in value:
        return value
    try:
        parts, local = urlsplit(value), is_loopback(value)
        known = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        known, parts, local = False, urlsplit(""), False
    if not known or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        # Not quoted: it may be the one with a password in it.
        raise ValueError(
            "write a file, or an address such as https://login.example.com/keys (http:// on this machine only, and "
            "without a name or password in it)"
        )
    return value


def _word(value: str) -> str:
    # With a | in it, one issuer with one subject could be written as another issuer with another subject.
    if not value.isprintable() or " " in value or "|" in value:
        raise ValueError("must be without spaces and without |")
    return value


def _safe_url(value: str) -> str:
    """An origin that a key may be sent to."""
    try:
        parts = urlsplit(value)
        local = is_loopback(value) or (parts.hostname or "").endswith(".localhost")
        known = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and parts.path in ("", "/")
    except ValueError:
        known, parts, local = False, urlsplit(""), False
    if (
        not known
        or parts.query
        or parts.fragment
        or not (parts.scheme == "https" or (parts.scheme == "http" and local))
    ):
        raise ValueError(
            "write an address such as https://api.runpod.io, without a path (http:// on this machine only)"
        )
    return value.rstrip("/")


def _list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_names)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)]
PortRange = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_ports)]
Endpoint = Annotated[tuple[str, int], NoDecode, BeforeValidator(_endpoint)]
Word = Annotated[str, AfterValidator(_word)]


class Settings(BaseSettings):
    """Everything from the environment; `Settings.load` turns a mistake into an InvalidInput that names the variable."""

    # An empty value is an unset one: as a token or as a secret it would be known to everyone.
    model_config = SettingsConfigDict(
        env_prefix="PODKEEPER_", env_ignore_empty=True, frozen=True, extra="ignore", populate_by_name=True
    )

    engine: Literal["docker", "runpod"] = "docker"
    runpod_api_key: SecretStr | None = Field(default=None, validation_alias=AliasChoices("RUNPOD_API_KEY"))
    runpod_api_base_url: Annotated[str, AfterValidator(_safe_url)] = Field(
        default="https://api.runpod.io", validation_alias=AliasChoices("RUNPOD_API_BASE_URL")
    )
    runpod_proxy_url: Annotated[str, AfterValidator(_safe_url)] = Field(
        default="https://proxy.runpod.net", validation_alias=AliasChoices("RUNPOD_PROXY_URL")
    )
    runpod_data_centers: Words = Field(default=(), validation_alias=AliasChoices("RUNPOD_DATA_CENTERS"))
    runpod_cloud: Literal["SECURE", "COMMUNITY"] = Field(
        default="SECURE", validation_alias=AliasChoices("RUNPOD_CLOUD")
    )
    upstream_ca: Path | None = None
    data_dir: Path = Field(default_factory=lambda: user_data_path("podkeeper"))
    database_url: SecretStr | None = None
    listen: Endpoint = ("127.0.0.1", 8700)
    gateway_listen: Endpoint = ("127.0.0.1", 8080)
    proxy_domain: str = Field(default="proxy.localhost", pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    proxy_url: str | None = Field(default=None, pattern=r"^https?://[^/]+$")
    envoy: Path | None = None
    templates_dir: Path | None = None
    idle_timeout: Duration = timedelta(minutes=30)
    idle_warning: Duration = timedelta(minutes=5)
    drain: Duration = timedelta(seconds=10)
    forget_after: Duration = timedelta(days=14)
    tcp_ports: PortRange = ()
    keepalive_port: int = Field(default=8701, ge=1, le=65535)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    reaper_interval: Duration = timedelta(seconds=30)
    token: SecretStr | None = None
    url: str | None = None
    admins: Names = frozenset()
    allowed_users: Names = frozenset()
    login_issuer: Word | None = None
    login_audience: Word | None = None
    login_jwks: Annotated[str, AfterValidator(_jwks)] | None = None
    login_claim: Word = "sub"
    max_pods_per_user: int = Field(default=5, ge=1)
    confirm_cost_per_hour: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    mcp_max_sessions: int = Field(default=2000, ge=1, le=100_000)
    mcp_idle_timeout: Duration = timedelta(minutes=30)
    network_volume_stop: Literal["refuse", "allow"] = "refuse"
    slack_bot_token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("SLACK_BOT_TOKEN"))
    slack_app_token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("SLACK_APP_TOKEN"))
    slack_signing_secret: SecretStr | None = Field(default=None, validation_alias=AliasChoices("SLACK_SIGNING_SECRET"))
    slack_admin_channel: str | None = Field(
        default=None, pattern=r"^[CG][A-Z0-9]{2,30}$", validation_alias=AliasChoices("SLACK_ADMIN_CHANNEL")
    )
    slack_api_url: str = Field(default="https://slack.com/api/", validation_alias=AliasChoices("SLACK_API_URL"))

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.reaper_interval:
            raise ValueError("PODKEEPER_REAPER_INTERVAL must be longer than 0, for example 30s")
        own = {
            "PODKEEPER_LISTEN": self.listen[1],
            "PODKEEPER_GATEWAY_LISTEN": self.gateway_listen[1],
            "PODKEEPER_KEEPALIVE_PORT": self.keepalive_port,
        }
        for name, port in own.items():
            if port in self.tcp_ports:
                raise ValueError(f"PODKEEPER_TCP_PORTS must not hold {port}, which is the port of {name}")
        if not self.mcp_idle_timeout:
            raise ValueError("PODKEEPER_MCP_IDLE_TIMEOUT must be longer than 0, for example 30m")
        if self.engine == "runpod" and self.runpod_api_key is None:
            raise ValueError("PODKEEPER_ENGINE=runpod needs RUNPOD_API_KEY: a key that may read and write pods")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("PODKEEPER_TLS_CERT and PODKEEPER_TLS_KEY belong together: set both, or neither")
        login = {"ISSUER": self.login_issuer, "AUDIENCE": self.login_audience, "JWKS": self.login_jwks}
        lacking = [f"PODKEEPER_LOGIN_{name}" for name, value in login.items() if value is None]
        if 0 < len(lacking) < len(login):
            raise ValueError(
                "PODKEEPER_LOGIN_ISSUER, PODKEEPER_LOGIN_AUDIENCE and PODKEEPER_LOGIN_JWKS belong together: set all of "
                f"them, or none. Not set: {', '.join(lacking)}"
            )
        return self

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment; `given` (by field name) wins over it. InvalidInput names the variable at fault."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise InvalidInput(_explain(cls, error)) from None

    @property
    def database(self) -> str:
        """The database's URL, with its password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir / 'podkeeper.db'}"

    @property
    def token_file(self) -> Path:
        """Where the local token is kept, mode 0600."""
        return self.data_dir / "token"

    @property
    def service_url(self) -> str:
        """Where the service is reached by the terminal and by the stdio bridge."""
        if self.url is not None:
            return self.url.rstrip("/")
        host, port = self.listen
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def public_proxy(self) -> tuple[str, str]:
        """Scheme and `:port` (or nothing) of pod addresses as shown to people."""
        if self.proxy_url is not None:
            scheme, _, rest = self.proxy_url.partition("://")
            _, colon, port = rest.rpartition(":")
            return scheme, f":{port}" if colon else ""
        port, scheme = self.gateway_listen[1], "http" if self.tls_cert is None else "https"
        return scheme, "" if port == {"http": 80, "https": 443}[scheme] else f":{port}"


def _explain(cls: type[Settings], error: ValidationError) -> str:
    lines: list[str] = []
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(found["loc"][0]) if found["loc"] else ""
        variable = name if name.isupper() else f"PODKEEPER_{name.upper()}"
        message = found["msg"].removeprefix("Value error, ")
        lines.append(f"{variable}: {message}" if name else message)
    return (
        "The settings are not right. "
        + " ".join(line.rstrip(".") + "." for line in lines)
        + " See docs/settings.md for all of them."
    )
