"""Tables for people: pods, one pod, templates, volumes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.output import plain, when

_TIMES = (
    *("created_at", "started_at", "ready_at", "last_active_at"),
    *("keep_until", "warned_at", "stops_at"),
)
_COLOURS = {"RUNNING": "green", "ERROR": "red", "EXITED": "dim", "TERMINATED": "dim"}


def pods(rows: Iterable[Mapping[str, Any]], *, owners: bool, ids: bool) -> Table:
    """Name, status, what comes next and the address (or why there is none), a line a pod; whose it is when `owners`.

    `ids`: the id too, to which alone a terminated pod answers.
    """
    more = [("OWNER", "owner", owners), ("ID", "id", ids)]
    table = _table("NAME", "STATUS", "TEMPLATE", "STOPS", "ADDRESS", *(column for column, _, asked in more if asked))
    for row in rows:
        status = Text(row["status"], style=_COLOURS.get(row["status"], "yellow"))
        address = row["url"] if row["status"] == "RUNNING" else _first_line(row["reason"])
        cells = [Text(row["name"]), status, Text(row["template"]), Text(stops(row)), Text(plain(address or ""))]
        table.add_row(*cells, *(Text(plain(row[field])) for _, field, asked in more if asked))
    return table


def stops(row: Mapping[str, Any], now: datetime | None = None) -> str:
    """When silence stops it: `in 12 min`, `never`; empty for a pod that does not run."""
    if row["status"] != "RUNNING":
        return ""
    return "never" if row["stops_at"] is None else when(row["stops_at"], now)


def pod(row: Mapping[str, Any]) -> Table:
    """Every field, a line each; what is not set is left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    shown = {**row, "actions": ", ".join(row["actions"]), "cpu": f"{row['cpu']:g}"}
    shown["ports"] = "\n".join(f"{p['port']}  {p['url'] or '(no address)'}" for p in row["ports"])
    shown["login"] = "\n".join(f"{variable}={token}" for variable, token in (row["login"] or {}).items())
    shown |= {name: f"{row[name]}  ({when(row[name])})" for name in _TIMES if row[name] is not None}
    shown |= {name: "never" for name in ("idle_timeout", "idle_warning") if row[name] == "0"}
    shown["ignore"] = ", ".join(row["ignore"] or ())
    if "/" in (row["ignore"] or ()):
        shown["ignore"] += "  (this matches every request, so none counts as use)"
    for name, value in shown.items():
        if name not in ("url", "hint") and value not in (None, ""):
            table.add_row(name.replace("_", " "), Text(plain(value)))
    return table


def templates(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Name, what it is and what it takes."""
    table = _table("NAME", "WHAT", "CPU", "MEMORY", "GPU", "PORTS")
    for row in rows:
        table.add_row(
            row["name"],
            Text(plain(row["description"])),
            f"{row['cpu']:g}",
            row["memory"],
            row["gpu"] or "",
            " ".join(row["ports"]),
        )
    return table


def volumes(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Name, size, owner and who mounts it."""
    table = _table("NAME", "SIZE", "OWNER", "MOUNTED BY", "ID")
    for row in rows:
        attached = ", ".join(row["attached_to"])
        table.add_row(Text(row["name"]), row["size"] or "", Text(row["owner"]), Text(attached), row["id"])
    return table


def registries(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Host and user name."""
    table = _table("REGISTRY", "USER", "STORED")
    for row in rows:
        table.add_row(Text(row["host"]), Text(plain(row["username"])), when(row["created_at"]))
    return table


def tokens(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Id, whose, what for, what it may, and when it was used and ends."""
    table = _table("ID", "USER", "NAME", "SCOPE", "USED", "EXPIRES")
    for row in rows:
        ends, used = when(row["expires_at"]), when(row["used_at"]) or "never"
        table.add_row(row["id"], Text(plain(row["user"])), Text(plain(row["name"])), row["scope"], used, ends)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("NAME", "STATUS", "ID", "STOPS"))
    return table


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
