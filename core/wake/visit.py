"""What a request to the wake room says: who asks for what, whether that is a visit, and the form of its page."""

import asyncio
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from core.errors import InvalidInput
from core.model import Ignore

OURS = "/.podkeeper/"
LONGEST_PATH = 8_000
LONGEST_TICKET = 60
LONGEST_FORM = 32_000
FORM_SECONDS = 10
_FORM = "application/x-www-form-urlencoded"
_PAGE_AGAIN = "Load the address again and use the button on its page."


def browser(request: Request) -> bool:
    """It wants a page."""
    return "text/html" in request.headers.get("accept", "")


def peer(request: Request) -> str:
    """The address of whoever asks: Envoy writes it, and takes off what a visitor sends under this name."""
    return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()


def target(request: Request) -> str:
    """Path and query as they were asked for, to go on to later; `/` when they are nothing to go to."""
    path = request.scope["raw_path"].decode("ascii", "replace")
    query = request.scope["query_string"].decode("ascii", "replace")
    whole = f"{path}?{query}" if query else path
    return whole if _own_path(whole) else "/"


def is_visit(request: Request, ignore: Ignore) -> bool:
    """Somebody wants the pod: a person who goes to its address, or a program.

    Not what a browser does by itself (prefetching, parts of other pages, a page that loads itself again), not a
    question whether something may be asked, and not what is no use of the pod when it runs (`ignore`).
    """
    headers = request.headers
    if request.method == "OPTIONS" or "prefetch" in headers.get("sec-purpose", headers.get("purpose", "")):
        return False
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode", "navigate")
    # Node's own fetch says `cors` and nothing else.
    if mode != "navigate" and not (mode == "cors" and site is None):
        return False
    if site == "same-origin" and "sec-fetch-user" not in headers:
        return False
    return not _ignored(request, ignore)


def from_here(request: Request) -> bool:
    """The form is not sent from a page of another site; those that say nothing of it are no browsers of today."""
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        sender = urlsplit(origin).hostname
    except ValueError:
        return False
    # Envoy takes the port off the host.
    return sender is not None and sender == request.headers.get("host", "").partition(":")[0].lower()


async def read_form(request: Request) -> tuple[str, str]:
    """The form's ticket and path; InvalidInput when it is not the form of our page."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise InvalidInput(f"This is not the form of the page. {_PAGE_AGAIN}")
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LONGEST_FORM:
                    raise InvalidInput(f"The form is too long. {_PAGE_AGAIN}")
    except TimeoutError:
        raise InvalidInput(f"The form did not come within {FORM_SECONDS} seconds. {_PAGE_AGAIN}") from None
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=2)
    except ValueError:
        fields = {}
    if {name: len(values) for name, values in fields.items()} != {"ticket": 1, "path": 1}:
        raise InvalidInput(f"The form has to have a ticket and a path, and nothing else. {_PAGE_AGAIN}")
    ticket, path = fields["ticket"][0], fields["path"][0]
    if len(ticket) > LONGEST_TICKET:
        raise InvalidInput(f"The ticket in the form is not one of ours. {_PAGE_AGAIN}")
    if not _own_path(path):
        raise InvalidInput(f"The path in the form does not lead to this address. {_PAGE_AGAIN}")
    return ticket, path


def _own_path(text: str) -> bool:
    """It leads to this very address in every browser; they read `//`, `/\\` and tabs in ways of their own."""
    return (
        len(text) <= LONGEST_PATH
        and text.startswith("/")
        and not text.startswith(("//", OURS))
        and "\\" not in text
        and all("!" <= c <= "~" for c in text)
    )


def _ignored(request: Request, ignore: Ignore) -> bool:
    path, agent = request.scope["path"], request.headers.get("user-agent", "").lower()
    return (
        any(f"{path}/".startswith(f"{prefix.rstrip('/')}/") for prefix in ignore.paths)
        or any(part.lower() in agent for part in ignore.agents)
        or request.method in ignore.methods
    )
