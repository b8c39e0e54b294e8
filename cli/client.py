"""The terminal's way to the running service: over MCP, as every other assistant."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cli.output import Failed
from mcp_server.client import NotServing, OnQuestion, PodClient, ToolFailed, connect

if TYPE_CHECKING:
    from core.settings import Settings

T = TypeVar("T")


def door(settings: "Settings") -> tuple[str, str]:
    """Address and token of the running service. Failed when there is no token, since then nothing has run here yet."""
    if settings.token is not None:
        return settings.service_url, settings.token.get_secret_value()
    try:
        return settings.service_url, settings.token_file.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        raise Failed(
            f"No Podkeeper has run with the data directory {settings.data_dir} yet. Start it with `make up` or "
            f"`podkeeper up`; for one with another data directory set PODKEEPER_DATA_DIR, for one elsewhere "
            f"PODKEEPER_URL and PODKEEPER_TOKEN."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no text"
        raise Failed(
            f"The token file {settings.token_file} cannot be read ({reason}). Run this as the user who runs "
            f"Podkeeper, or set PODKEEPER_TOKEN."
        ) from None


async def is_ours(url: str) -> bool:
    """Whether a Podkeeper answers there."""
    import httpx

    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            return (await client.get(f"{url}/healthz")).json() == {"status": "alive"}
    except (httpx.HTTPError, ValueError):
        return False


async def with_service(work: Callable[[PodClient], Awaitable[T]], on_question: OnQuestion | None = None) -> T:
    """Connect, work, and turn what goes wrong into Failed."""
    from core.settings import Settings

    url, token = door(Settings.load())
    try:
        async with connect(url, token, on_question=on_question) as client:
            return await work(client)
    except (NotServing, ToolFailed) as error:
        raise Failed(str(error)) from None


async def ask(tool: str, arguments: Mapping[str, Any], on_question: OnQuestion | None = None) -> dict[str, Any]:
    """Call one tool; arguments that are None are left out."""
    given = {name: value for name, value in arguments.items() if value is not None}

    async def work(client: PodClient) -> dict[str, Any]:
        return await client.call(tool, given)

    return await with_service(work, on_question)
