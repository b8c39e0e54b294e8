"""A page for people about what `/v2` serves."""

from html import escape
from typing import Any

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Podkeeper: the API</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733 }
table { border-collapse: collapse; width: 100% }
td { padding: .45rem .6rem; border-top: 1px solid #d8dee6; vertical-align: top }
td:first-child { font-weight: 600; width: 5rem }
code, pre { font: 14px/1.5 ui-monospace, monospace; background: #f2f5f8; border-radius: 4px }
code { padding: .1rem .3rem } pre { padding: .8rem; overflow-x: auto }
@media (prefers-color-scheme: dark) {
  body { background: #12171d; color: #dbe3ec } td { border-color: #2c3641 } code, pre { background: #1c242d }
}
</style></head><body>
"""


def of(document: dict[str, Any]) -> str:
    """Each path and verb with its summary, and a first call."""
    url = document["servers"][0]["url"]
    rows = "".join(
        f"<tr><td>{escape(verb.upper())}</td><td><code>{escape(path)}</code></td><td>{escape(said['summary'])}</td></tr>\n"
        for path, verbs in document["paths"].items()
        for verb, said in verbs.items()
        if verb != "parameters"
    )
    example = f'curl -H "Authorization: Bearer $TOKEN" {url}/v2/pods'
    return (
        f"{_HEAD}<h1>Podkeeper: the API</h1>\n<p>{escape(document['info']['description'])}</p>\n"
        "<p>A token: <code>/pod token</code> in Slack, or <code>podkeeper token create</code> where the service runs."
        "</p>\n"
        f"<pre>{escape(example)}</pre>\n"
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>\n'
        f"<table>\n{rows}</table>\n</body></html>\n"
    )
