"""What the gateway itself says to visitors: the words of a pod that starts, sleeps, or does not exist."""

import base64
import hashlib
import html
import json
import re

GATEWAY_HEADER = "x-podkeeper-gateway"
"""On every answer that is not the pod's own; taken off whatever a pod sends under this name."""
POD_HEADER = "x-gw-pod"
"""Tells the guest application which pod port was asked for; taken off whatever a visitor sends under this name."""
NOTHING_HERE = "There is nothing at this address.\n"
HTML = "text/html; charset=utf-8"
PROBLEM = "application/problem+json"
TEXT = "text/plain; charset=utf-8"

_KEY = re.compile(r"[a-z0-9]{1,40}-[0-9]{1,5}")
# No percent sign in this style and script: Envoy would read it as the beginning of a format operator.
_STYLE = (
    "*{box-sizing:border-box}"
    ":root{color-scheme:light dark;--bg:#f4f5f8;--card:#fff;--ink:#1a2330;--soft:#596575;--line:#e1e5ea;"
    "--code:#eff1f5;--go:#2458d3;--dot:#8592a3}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0e1319;--card:#171f29;--ink:#e8edf3;--soft:#9ba8b7;"
    "--line:#2a3441;--code:#222c38;--go:#3f74f0}}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem;background:var(--bg);"
    "color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "main{width:min(30rem,calc(100vw - 2.5rem));background:var(--card);border:1px solid var(--line);"
    "border-radius:16px;padding:clamp(1.5rem,5vw,2.4rem);box-shadow:0 12px 32px -20px #0006}"
    "h1{display:flex;gap:.7rem;align-items:baseline;font-size:1.4rem;line-height:1.3;margin:0 0 .6rem;"
    "overflow-wrap:anywhere}"
    "h1:before{content:'';flex:none;width:.65rem;height:.65rem;border-radius:1rem;background:var(--dot)}"
    ".on{--dot:#2f9e5b}.on h1:before{animation:1s ease-in-out infinite alternate beat}.bad{--dot:#d64545}"
    "@keyframes beat{to{opacity:.25}}@media(prefers-reduced-motion){h1:before{animation:none!important}}"
    "p{margin:.6rem 0;color:var(--soft)}.note{padding:.7rem .9rem;border-radius:10px;background:var(--code);"
    "color:var(--ink)}"
    "form,.bar{display:grid;margin:1.4rem 0 0}a{color:var(--go)}"
    "button{border:0;border-radius:10px;padding:.8rem;background:var(--go);color:#fff;font:inherit;font-weight:600;"
    "cursor:pointer}button:hover{filter:brightness(1.1)}"
    ":focus-visible{outline:3px solid var(--go);outline-offset:2px}"
    "progress{appearance:none;width:auto;height:.5rem;border:0;border-radius:1rem;overflow:hidden;"
    "background:var(--line)}::-webkit-progress-bar{background:var(--line)}"
    "::-webkit-progress-value{background:var(--go);border-radius:1rem;transition:inline-size .4s}"
    "::-moz-progress-bar{background:var(--go);border-radius:1rem}"
    "dl{margin:1.4rem 0 0;padding:1.1rem 0 0;border-top:1px solid var(--line);display:grid;gap:.9rem}"
    "dt{font-size:.85rem;color:var(--soft)}dd{margin:.1rem 0 0}"
    "code{display:block;padding:.6rem .75rem;border-radius:8px;background:var(--code);overflow-wrap:anywhere;"
    "font:.9rem/1.4 ui-monospace,SFMono-Regular,Menlo,monospace}"
)
_FOLLOW = (
    "(()=>{const e=new EventSource('/.podkeeper/events'),b=document.querySelector('progress'),"
    "again=t=>{e.close();setTimeout(()=>location.reload(),t)};"
    "e.addEventListener('progress',m=>{const d=JSON.parse(m.data);"
    "d.fraction===null?b.removeAttribute('value'):b.value=d.fraction;"
    "document.querySelector('[role=status]').textContent=d.message});"
    "e.addEventListener('ready',()=>{b.value=1;again(300)});"
    "e.addEventListener('failed',()=>again(0));e.addEventListener('stopped',()=>again(0));"
    "e.onerror=()=>again(2000)})()"
)
_EVERYWHERE = "default-src 'none';img-src data:;base-uri 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = f"{_EVERYWHERE};style-src {_digest(_STYLE)};form-action 'self';frame-ancestors 'none'"
"""The Content-Security-Policy of a page without a script."""


def page(title: str, body: str, *, look: str = "", refresh: int | None = None, head: str = "") -> str:
    """A whole page; `title` is text, `body` and `head` are HTML. `look`: `on` something happens, `bad` it failed."""
    again = "" if refresh is None else f'<meta http-equiv="refresh" content="{refresh}">'
    words = html.escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f'<link rel="icon" href="data:,">{head}{again}<title>{words}</title><style>{_STYLE}</style></head>'
        f'<body><main class="{look}"><h1>{words}</h1>{body}</main></body></html>\n'
    )


def problem(title: str, detail: str, status: int = 503) -> str:
    """A refusal for programs, as RFC 9457 writes it."""
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}) + "\n"


def addresses(count: int) -> str:
    """`1 address`, `2 addresses`."""
    return f"{count} address" + ("" if count == 1 else "es")


# Envoy serves this one by itself, so its policy is inside it, and what is about one pod comes by events.
STARTING_PAGE = page(
    "Almost there",
    "<p>This pod is not answering on this port yet. The page goes to it by itself as soon as it does.</p>"
    '<div class="bar"><progress max="1" aria-label="How far it is"></progress><p role="status">One moment …</p></div>'
    f"<script>{_FOLLOW}</script>",
    look="on",
    head='<meta http-equiv="Content-Security-Policy" content="'
    f"{_EVERYWHERE};style-src {_digest(_STYLE)};script-src {_digest(_FOLLOW)};connect-src 'self'\">"
    '<noscript><meta http-equiv="refresh" content="2"></noscript>',
)
STARTING_PROBLEM = problem("Pod is not answering yet", "Nothing answers on this port of the pod yet. Try again soon.")
BUSY_PROBLEM = problem(
    "Too many connections",
    "As many connections are open here as the gateway carries to one address. Try again when some have ended.",
)
SLEEPING_PROBLEM = problem(
    "Pod is stopped",
    "This pod is stopped. Its owner can start it again with `/pod resume` in Slack or `podkeeper pod resume`.",
)


def sleeping_page(key: str | None) -> str:
    """The page of a stopped pod; `key` is the pod port that was asked for, and only its shape is trusted."""
    pod = f" {key.rpartition('-')[0]}" if key is not None and _KEY.fullmatch(key) else ""
    resume = html.escape(pod)
    return page(
        "This pod is stopped",
        "<p>Nobody used it for a while, or somebody stopped it. What is on its volume is kept. "
        "It can be started again; this page then goes to it by itself.</p>"
        f"<dl><div><dt>In Slack</dt><dd><code>/pod resume{resume}</code></dd></div>"
        f"<div><dt>In a terminal</dt><dd><code>podkeeper pod resume{resume}</code></dd></div></dl>",
        refresh=10,
    )
