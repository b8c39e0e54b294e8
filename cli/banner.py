"""What `podkeeper up` says when it is ready: where everything is, and what to do next."""

import shutil
import sys
from pathlib import Path

from cli.serve import Faces
from core.app import House
from core.settings import Settings


async def banner(house: House, settings: Settings, faces: Faces) -> str:
    """A screenful for a newcomer."""
    url = settings.service_url
    command = _command()
    authorization = f"Authorization: Bearer $({command} token)"
    scheme, port = settings.public_proxy
    lines = [
        "",
        "Podkeeper is running.",
        "",
        f"  pods are reached at  {scheme}://POD-PORT.{settings.proxy_domain}{port}",
        f"  MCP                  {url}/mcp",
        *(f"  {line}" for line in await house.describe()),
        "",
        "Start a first pod, in a second terminal:",
        f"  {command} pod start hello",
        "",
        "Connect an assistant:",
        f'  Claude Code     claude mcp add --transport http podkeeper {url}/mcp --header "{authorization}"',
        f'  Claude Desktop  {{"mcpServers": {{"podkeeper": {{"command": "{command}", "args": ["mcp"]}}}}}}',
        "",
        *_slack(settings, faces),
        *(f"Left out: {problem}" for problem in house.problems),
        "Ctrl-C stops the service; pods keep running.",
        "",
    ]
    return "\n".join(lines)


def _slack(settings: Settings, faces: Faces) -> list[str]:
    if faces.slack is None:
        return ["Slack: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN to get /pod; docs/slack.md shows how.", ""]
    lines = [faces.slack.describe()]
    if settings.proxy_domain.endswith("localhost"):
        lines.append(
            f"  Addresses under {settings.proxy_domain} open on this machine only; "
            "set PODKEEPER_PROXY_DOMAIN for others."
        )
    return [*lines, ""]


def _command() -> str:
    """How this installation's command is called from another shell."""
    here = Path(sys.argv[0]).resolve()
    return "podkeeper" if shutil.which("podkeeper") else str(here)
