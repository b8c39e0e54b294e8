"""What the gateway itself says to visitors: the words of a pod that starts, sleeps, or does not exist."""

import html
import json
import re

GATEWAY_HEADER = "x-podkeeper-gateway"
"""On every answer that is not the pod's own; taken off whatever a pod sends under this name."""
POD_HEADER = "x-podkeeper-pod"
"""Tells the wake application which pod port was asked for; taken off whatever a visitor sends under this name."""
NOTHING_HERE = "There is nothing at this address.\n"
HTML = "text/html; charset=utf-8"
PROBLEM = "application/problem+json"
TEXT = "text/plain; charset=utf-8"

_KEY = re.compile(r"[a-z0-9]{1,40}-[0-9]{1,5}")
# No percent sign in this style: Envoy would read it as the beginning of a format operator.
_STYLE = (
    "*{box-sizing:border-box}"
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5a6675;--line:#e2e6eb;--code:#f0f2f5}"
    "@media(prefers-color-scheme:dark){"
    ":root{--bg:#0f141a;--card:#18202a;--ink:#e8edf3;--soft:#9aa7b5;--line:#2a3441;--code:#222c38}}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem;background:var(--bg);"
    "color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "main{width:min(32rem,calc(100vw - 2.5rem));background:var(--card);border:1px solid var(--line);"
    "border-radius:14px;padding:clamp(1.4rem,5vw,2.4rem)}"
    "h1{font-size:1.4rem;line-height:1.25;margin:0 0 .5rem}p{margin:.5rem 0;color:var(--soft)}"
    "dl{margin:1.4rem 0 0;display:grid;gap:1rem}dt{font-size:.85rem;color:var(--soft)}dd{margin:.3rem 0 0}"
    "code{display:block;padding:.6rem .75rem;border-radius:8px;background:var(--code);overflow-wrap:anywhere;"
    "font:.9rem/1.4 ui-monospace,SFMono-Regular,Menlo,monospace}"
)


def _page(title: str, refresh: int, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f'<meta http-equiv="refresh" content="{refresh}"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )


def problem(title: str, detail: str) -> str:
    """A 503 for programs, as RFC 9457 writes it."""
    return json.dumps({"type": "about:blank", "title": title, "status": 503, "detail": detail}) + "\n"


def addresses(count: int) -> str:
    """`1 address`, `2 addresses`."""
    return f"{count} address" + ("" if count == 1 else "es")


STARTING_PAGE = _page(
    "Almost there",
    2,
    "<p>This pod is not answering on this port yet. The page tries again by itself every two seconds.</p>",
)
STARTING_PROBLEM = problem("Pod is not answering yet", "Nothing answers on this port of the pod yet. Try again soon.")
SLEEPING_PROBLEM = problem(
    "Pod is stopped",
    "This pod is stopped. Its owner can start it again with `/pod resume` in Slack or `podkeeper pod resume`.",
)


def sleeping_page(key: str | None) -> str:
    """The page of a stopped pod; `key` is the pod port that was asked for, and only its shape is trusted."""
    pod = f" {key.rpartition('-')[0]}" if key is not None and _KEY.fullmatch(key) else ""
    resume = html.escape(pod)
    return _page(
        "This pod is stopped",
        10,
        "<p>Nobody used it for a while, or somebody stopped it. What is on its volume is kept. "
        "It can be started again; this page then goes to it by itself.</p>"
        f"<dl><div><dt>In Slack</dt><dd><code>/pod resume{resume}</code></dd></div>"
        f"<div><dt>In a terminal</dt><dd><code>podkeeper pod resume{resume}</code></dd></div></dl>",
    )
