"""The front desk's doctor: looks at every part Podkeeper needs, and says how to mend what is wrong."""

import contextlib
import os
import re
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from cli.client import is_ours
from cli.output import plain
from core.app import make_data_dir, named_engine
from core.errors import PodError
from core.gateway.process import check_free, find_envoy, short_version, version
from core.settings import Settings
from core.store import Store
from core.templates import Catalog


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str
    """What was found; when it is wrong, also how to mend it."""

    def document(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        return plain(f"{'✓' if self.ok else '✗'} {self.name}: {self.text}")


async def examine(settings: Settings) -> list[Check]:
    """Every check, in the order in which a person would mend things. Makes the data directory when there is none."""
    local = settings.model_copy(update={"url": None}).service_url
    up = await is_ours(local)
    checks = [_data_dir(settings), *_private_files(settings)]
    async with _store(settings, checks) as store:
        await _engine(settings, store, checks)
    checks.append(await _envoy(settings))
    checks += _ports(settings, up)
    checks.append(await _service(local, up))
    checks += _templates(settings)
    checks += await _slack(settings)
    return checks


def _data_dir(settings: Settings) -> Check:
    path = settings.data_dir
    try:
        make_data_dir(path)
    except PodError as error:
        return Check("data directory", False, str(error))
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Check("data directory", False, f"{path} may not be written by this account. Mend its owner or rights.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check("data directory", False, f"others may look into {path} ({mode:04o}). Run `chmod 700 {path}`.")
    return Check("data directory", True, str(path))


def _private_files(settings: Settings) -> list[Check]:
    found: list[Check] = []
    for what, path in (("token", settings.token_file), ("key file", settings.data_dir / "registry.key")):
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            good = not mode & 0o077
            mend = f"{path} may be read by others ({mode:04o}). Run `chmod 600 {path}`."
            found.append(Check(what, good, f"{path}, for this account only" if good else mend))
    if settings.token is not None:
        found.append(Check("token", True, "PODKEEPER_TOKEN is set and counts"))
    elif not settings.token_file.exists():
        found.append(Check("token", True, "not there yet; the first `podkeeper up` makes it"))
    return found


@asynccontextmanager
async def _store(settings: Settings, checks: list[Check]) -> AsyncGenerator[Store | None]:
    kind = settings.database.partition("://")[0].partition("+")[0]
    try:
        store = await Store.open(settings.database, settings.data_dir / "registry.key")
    except PodError as error:
        checks.append(Check("database", False, str(error)))
        yield None
        return
    try:
        checks.append(Check("database", True, f"{kind}, up to date"))
        yield store
    finally:
        await store.close()


async def _engine(settings: Settings, store: Store | None, checks: list[Check]) -> None:
    if store is None:
        checks.append(Check("engine", False, "not looked at, because the database comes first."))
        return
    engine = named_engine(settings)
    try:
        await engine.open(store.installation)
        checks.append(Check("engine", True, await engine.check()))
    except PodError as error:
        checks.append(Check("engine", False, str(error)))
    finally:
        await engine.close()


async def _envoy(settings: Settings) -> Check:
    try:
        binary = find_envoy(settings.envoy)
        return Check("gateway binary", True, f"Envoy {short_version(await version(binary))} ({binary})")
    except PodError as error:
        return Check("gateway binary", False, str(error))


def _ports(settings: Settings, up: bool) -> list[Check]:
    found: list[Check] = []
    for variable, (host, port) in (
        ("PODKEEPER_LISTEN", settings.listen),
        ("PODKEEPER_GATEWAY_LISTEN", settings.gateway_listen),
    ):
        name = f"port {port}"
        if up:
            found.append(Check(name, True, f"{host}:{port} is Podkeeper's own, which is running"))
            continue
        try:
            check_free((host, port))
            found.append(Check(name, True, f"{host}:{port} is free"))
        except PodError as error:
            reason = re.sub(r"^.*?:\d+: ", "", str(error)).partition(".")[0]
            mend = f"Stop what uses it, or set {variable} to another ADDRESS:PORT."
            found.append(Check(name, False, f"{host}:{port} cannot be listened on: {reason}. {mend}"))
    return found


async def _service(local: str, up: bool) -> Check:
    if not up:
        return Check("service", True, "not running; `make up` or `podkeeper up` starts it")
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            missing = (await client.get(f"{local}/readyz")).json()["missing"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return Check("service", False, f"what answers at {local} does not say whether it is ready.")
    return Check("service", not missing, " ".join(missing) or f"running and ready at {local}")


def _templates(settings: Settings) -> list[Check]:
    catalog = Catalog.load(settings.templates_dir, settings.idle_timeout)
    if not catalog.problems:
        return [Check("templates", True, ", ".join(template.name for template in catalog.list()))]
    return [Check("templates", False, problem) for problem in catalog.problems]


async def _slack(settings: Settings) -> list[Check]:
    bot_token, app_token, secret = settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret
    if bot_token is None:
        if app_token is None and secret is None:
            return [Check("Slack", True, "not set, so there is no /pod; docs/slack.md shows how to set it")]
        return [Check("Slack", False, "SLACK_BOT_TOKEN is missing, so Slack is off; see docs/slack.md.")]
    found: list[Check] = []
    for name, token, prefix in (("SLACK_BOT_TOKEN", bot_token, "xoxb-"), ("SLACK_APP_TOKEN", app_token, "xapp-")):
        if token is not None and not token.get_secret_value().startswith(prefix):
            found.append(Check("Slack", False, f"{name} does not begin with {prefix}; it is another kind of token."))
    if app_token is None and secret is None:
        text = "neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set, so /pod cannot reach us; see docs/slack.md."
        found.append(Check("Slack", False, text))
    if not found:
        found.append(await _slack_answers(settings.slack_api_url, bot_token.get_secret_value()))
    if settings.proxy_domain.rpartition(".")[2] == "localhost":
        text = (
            f"addresses under {settings.proxy_domain} open in browsers on this machine only. For other people set "
            "PODKEEPER_PROXY_DOMAIN to a domain whose wildcard leads here, and PODKEEPER_GATEWAY_LISTEN."
        )
        found.append(Check("Slack addresses", True, text))
    return found


async def _slack_answers(base: str, token: str) -> Check:
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            url = f"{base.rstrip('/')}/auth.test"
            answer = (await client.post(url, headers={"Authorization": f"Bearer {token}"})).json()
    except (httpx.HTTPError, ValueError) as error:
        return Check("Slack", False, f"Slack does not answer at {base} ({type(error).__name__}).")
    if not answer.get("ok"):
        return Check("Slack", False, f"Slack refuses SLACK_BOT_TOKEN ({answer.get('error')}); see docs/slack.md.")
    return Check("Slack", True, f"connected as {answer.get('user')} in {answer.get('team')}")
