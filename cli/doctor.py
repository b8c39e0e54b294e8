"""The front desk's doctor: looks at every part Podkeeper needs, and says how to mend what is wrong."""

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509

from cli.checks import Check
from cli.client import is_ours
from cli.doctor_slack import look_at_slack
from core.errors import PodError
from core.gateway.process import check_free, find_envoy, short_version, version
from core.gateway.tls import Certificate
from core.parts import make_data_dir, named_engine
from core.service.jwks import KeySet
from core.settings import Settings
from core.store import Store
from core.templates import Catalog


async def examine(settings: Settings) -> list[Check]:
    """Every check, in the order in which a person would mend things. Makes the data directory when there is none."""
    local = settings.model_copy(update={"url": None}).service_url
    up = await is_ours(local)
    checks = [_data_dir(settings), *_private_files(settings)]
    async with _store(settings, checks) as store:
        await _engine(settings, store, checks, up)
    checks.append(await _envoy(settings))
    checks += _ports(settings, up)
    checks.append(_tcp_ports(settings, up))
    checks.append(_certificate(settings))
    checks.append(await _service(local, up))
    checks += _templates(settings)
    checks += await look_at_slack(settings)
    if settings.login_jwks is not None:
        checks.append(await _logins(settings.login_jwks))
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


async def _engine(settings: Settings, store: Store | None, checks: list[Check], up: bool) -> None:
    if store is None:
        checks.append(Check("engine", False, "not looked at, because the database comes first."))
        return
    engine = named_engine(settings)
    try:
        await engine.open(store.installation)
        checks.append(Check("engine", True, await engine.check()))
        checks.append(_keepalive(await engine.inside(), settings.keepalive_port, up))
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
        name, reason = f"port {port}", None if up else _taken(host, port)
        if up:
            found.append(Check(name, True, f"{host}:{port} is Podkeeper's own, which is running"))
        elif reason is None:
            found.append(Check(name, True, f"{host}:{port} is free"))
        else:
            mend = f"Stop what uses it, or set {variable} to another ADDRESS:PORT."
            found.append(Check(name, False, f"{host}:{port} cannot be listened on: {reason}. {mend}"))
    return found


def _tcp_ports(settings: Settings, up: bool) -> Check:
    name, ports, host = "TCP ports", settings.tcp_ports, settings.gateway_listen[0]
    if settings.engine == "runpod":
        return Check(name, True, "pods at RunPod have theirs at addresses of RunPod's; those are not counted as use")
    if not ports:
        return Check(name, True, "PODKEEPER_TCP_PORTS is not set, so TCP ports of pods (22/tcp) have no address")
    span = f"{ports[0]}-{ports[-1]}"
    for variable, port in (("LISTEN", settings.listen[1]), ("GATEWAY_LISTEN", settings.gateway_listen[1])):
        if port in ports:
            text = (
                f"the range {span} holds {port}, the port of PODKEEPER_{variable}. Set one of them to something else."
            )
            return Check(name, False, text)
    if up:
        return Check(name, True, f"{span} at {host}, for the pods of the Podkeeper that is running")
    taken = {port: reason for port in ports if (reason := _taken(host, port)) is not None}
    if not taken:
        return Check(name, True, f"{span} at {host} are free")
    which = ", ".join(str(port) for port in list(taken)[:5]) + (f" and {len(taken) - 5} more" if len(taken) > 5 else "")
    mend = "Stop what uses them, or set PODKEEPER_TCP_PORTS to another range, for example 30000-30099."
    return Check(name, False, f"of {span} at {host}, {which} cannot be used: {next(iter(taken.values()))}. {mend}")


def _keepalive(inside: str | None, port: int, up: bool) -> Check:
    name = "keep-alive port"
    if inside is None:
        return Check(
            name, True, "pods of this engine cannot reach this machine, so they get no PODKEEPER_KEEPALIVE_URL"
        )
    if up:
        return Check(name, True, f"{inside}:{port} on the network of the pods, of the Podkeeper that is running")
    reason = _taken(inside, port)
    if reason is None:
        return Check(name, True, f"{inside}:{port} on the network of the pods is free")
    mend = "Stop what uses it, or set PODKEEPER_KEEPALIVE_PORT to another port."
    return Check(name, False, f"{inside}:{port} cannot be listened on: {reason}. {mend}")


def _taken(host: str, port: int) -> str | None:
    """Why that address cannot be listened on; None when it can."""
    try:
        check_free((host, port))
    except PodError as error:
        return re.sub(r"^.*?:\d+: ", "", str(error)).partition(".")[0]
    return None


def _certificate(settings: Settings) -> Check:
    name, domain = "certificate", settings.proxy_domain
    if settings.tls_cert is None or settings.tls_key is None:
        return Check(name, True, "PODKEEPER_TLS_CERT is not set, so the gateway itself speaks plain HTTP")
    try:
        # The gateway's own judgement: what it can place, Envoy can use.
        with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
            Certificate(Path(folder), (settings.tls_cert, settings.tls_key)).place()
    except PodError as error:
        return Check(name, False, str(error))
    except OSError:
        return Check(name, False, "not looked at, because the data directory comes first.")
    leaf = x509.load_pem_x509_certificates(settings.tls_cert.read_bytes())[0]
    names, now, until = _host_names(leaf), datetime.now(UTC), leaf.not_valid_after_utc
    if not leaf.not_valid_before_utc <= now < until:
        past = f"ended on {until:%Y-%m-%d}" if until <= now else f"begins on {leaf.not_valid_before_utc:%Y-%m-%d}"
        text = f"{settings.tls_cert} {past}, and browsers refuse it. Put a valid one there; it is taken at once."
        return Check(name, False, text)
    if f"*.{domain}" not in names:
        text = (
            f"{settings.tls_cert} is for {', '.join(sorted(names)[:5]) or 'no host name'} and not for *.{domain}, so "
            f"browsers refuse it. Get one for *.{domain}, or set PODKEEPER_PROXY_DOMAIN to the domain it is for."
        )
        return Check(name, False, text)
    soon = f"; renew it, only {(until - now).days} days are left" if until - now < timedelta(days=14) else ""
    return Check(name, True, f"for *.{domain} until {until:%Y-%m-%d}{soon}")


def _host_names(leaf: x509.Certificate) -> set[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {name.lower() for name in found.get_values_for_type(x509.DNSName)}


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
    catalog = Catalog.load(settings.templates_dir, settings.idle_timeout, settings.idle_warning)
    if not catalog.problems:
        return [Check("templates", True, ", ".join(template.name for template in catalog.list()))]
    return [Check("templates", False, problem) for problem in catalog.problems]


async def _logins(jwks: str) -> Check:
    try:
        keys = await KeySet(jwks, lambda: datetime.now(UTC)).check()
    except PodError as error:
        return Check("company logins", False, f"{error} Until they can be, no company login is let in.")
    return Check("company logins", True, f"keys at {jwks}: {keys}")
