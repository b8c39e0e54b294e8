"""What `podkeeper up` says when it is ready: where everything is, and what to do next."""

import json
import os
import shlex
import sys
from pathlib import Path

from cli.serve import Faces
from core.app import House
from core.settings import Settings

SHARED = ("PODKEEPER_DATA_DIR", "PODKEEPER_LISTEN", "PODKEEPER_URL")


async def banner(house: House, settings: Settings, faces: Faces) -> str:
    """A screenful for a newcomer."""
    url, command, shared = settings.service_url, _command(), _shared()
    here = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in shared.items()), shlex.quote(command)])
    authorization = f"Authorization: Bearer $({here} token)"
    scheme, port = settings.public_proxy
    lines = [
        "",
        "Podkeeper is running.",
        "",
        f"  pods are reached at  {scheme}://POD-PORT.{settings.proxy_domain}{port}",
        f"  MCP                  {url}/mcp",
        f"  RunPod's API         {url}/v2/docs",
        *(f"  {line}" for line in await house.describe()),
        "",
        f"Start a first pod, in a second terminal{_price(settings)}:",
        f"  {here} pod start hello",
        "",
        "Connect an assistant:",
        f'  Claude Code     claude mcp add --transport http podkeeper {url}/mcp --header "{authorization}"',
        f"  Claude Desktop  {_stdio(command, shared)}",
        "",
        *_slack(settings, faces),
        *(f"Left out: {problem}" for problem in house.problems),
        "Ctrl-C stops the service; pods keep running.",
        "",
    ]
    return "\n".join(lines)


def _price(settings: Settings) -> str:
    """Said where the machines are somebody else's."""
    return " (RunPod charges for it while it runs)" if settings.engine == "runpod" else ""


def _slack(settings: Settings, faces: Faces) -> list[str]:
    if faces.slack is None:
        return ["Slack: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN to get /pod; docs/slack.md shows how.", ""]
    here_only = this_machine_only(settings)
    return [faces.slack.describe(), *([f"  {here_only}"] if here_only else []), ""]


def this_machine_only(settings: Settings) -> str | None:
    """Said where Slack is set up: its people sit elsewhere. None when pods have addresses that may lead here."""
    if settings.proxy_domain.rpartition(".")[2] != "localhost":
        return None
    return (
        f"Pod addresses under {settings.proxy_domain} open on this machine only. For others set PODKEEPER_PROXY_DOMAIN "
        "to a domain whose wildcard leads here, and PODKEEPER_GATEWAY_LISTEN to an address they reach (0.0.0.0:8080)."
    )


def _stdio(command: str, shared: dict[str, str]) -> str:
    """What Claude Desktop, Cursor and others, which start their servers themselves, want in their settings."""
    entry: dict[str, object] = {"command": command, "args": ["mcp"], **({"env": shared} if shared else {})}
    return json.dumps({"mcpServers": {"podkeeper": entry}}, ensure_ascii=False)


def _command() -> str:
    """This installation's command by its full path: an assistant has another PATH than this shell."""
    beside = Path(sys.executable).with_name("podkeeper")
    return str(beside if beside.exists() else Path(sys.argv[0]).resolve())


def _shared() -> dict[str, str]:
    """Settings that another process on this machine needs as well to find this service; no secrets."""
    return {name: os.environ[name] for name in SHARED if os.environ.get(name)}
