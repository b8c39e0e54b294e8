"""Tables for people: pods, one pod, templates, volumes."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from cli.output import when

_COLOURS = {"RUNNING": "green", "ERROR": "red", "EXITED": "dim", "TERMINATED": "dim"}


def pods(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Name, status, address and what comes next, a line a pod."""
    table = _table("NAME", "STATUS", "ADDRESS", "STOPS", "OWNER", "ID")
    for row in rows:
        status = Text(row["status"], style=_COLOURS.get(row["status"], "yellow"))
        address = row["url"] if row["status"] == "RUNNING" else _first_line(row["reason"])
        table.add_row(
            Text(row["name"]), status, Text(address or ""), when(row["stops_at"]), Text(row["owner"]), row["id"]
        )
    return table


def pod(row: Mapping[str, Any]) -> Table:
    """Every field, a line each; what is not set is left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    ports = "\n".join(f"{p['port']}  {p['url'] or '(no web address)'}" for p in row["ports"])
    times = ("created_at", "started_at", "ready_at", "last_active_at", "stops_at")
    shown = {**row, "ports": ports, "actions": ", ".join(row["actions"])}
    shown |= {name: f"{row[name]}  ({when(row[name])})" for name in times if row[name] is not None}
    for name, value in shown.items():
        if name not in ("url", "hint") and value not in (None, ""):
            table.add_row(name.replace("_", " "), Text(str(value)))
    return table


def templates(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Name, what it is and what it takes."""
    table = _table("NAME", "WHAT", "CPU", "MEMORY", "GPU", "PORTS")
    for row in rows:
        table.add_row(
            row["name"],
            Text(row["description"]),
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


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("NAME", "STATUS", "ID", "STOPS"))
    return table


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
