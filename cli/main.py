"""The `podkeeper` command: its verbs, and one clear paragraph for everything that goes wrong."""

import asyncio
import logging
import os
import secrets
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli import adopt, confirm, pods, registries, slack, tokens, use, volumes
from cli.output import Failed, complain, print_json
from core.errors import InvalidInput, PodError
from core.units import shorten

app = typer.Typer(
    name="podkeeper",
    help="Pods you start from Slack or from an AI assistant, that stop themselves when nobody uses them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
pods.app.add_typer(use.app)
app.add_typer(pods.app, name="pod")
app.add_typer(volumes.app, name="volume")
app.add_typer(registries.app, name="registry")
app.add_typer(tokens.app, name="token")
app.add_typer(slack.app, name="slack")
app.command("adopt")(adopt.adopt)
app.command("confirm")(confirm.confirm)
app.command("link")(confirm.link)


def _installed() -> str:
    from importlib.metadata import version

    return version("podkeeper")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"podkeeper {_installed()}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Pods you start from Slack or from an AI assistant, that stop themselves when nobody uses them."""


@app.command()
def up() -> None:
    """Run the service in the foreground: pod service, gateway, MCP, and Slack where it is set up."""
    from cli.up import serve
    from core.settings import Settings

    asyncio.run(serve(Settings.load()))


@app.command()
def mcp(
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Serve only the tools that change nothing and cost nothing.")
    ] = False,
) -> None:
    """Speak MCP on stdin and stdout, for assistants that start their servers themselves; needs a running service."""
    from core.parts import local_token
    from core.settings import Settings
    from mcp_server.bridge import serve_stdio

    settings = Settings.load()
    if sys.stdin.isatty():
        complain("This speaks MCP on standard input and output: an assistant starts it (docs/mcp.md). Ctrl-C ends it.")
    # The token is made if need be, so that an assistant which starts before the service already holds the right one.
    asyncio.run(serve_stdio(settings.service_url, local_token(settings), read_only=read_only))


@app.command()
def doctor(as_json: pods.Json = False) -> None:
    """Check everything the service needs, and say how to mend what is wrong."""
    from cli.doctor import examine
    from core.settings import Settings

    checks = asyncio.run(examine(Settings.load()))
    good = all(check.ok for check in checks)
    if as_json:
        print_json({"ok": good, "checks": [check.document() for check in checks]})
    else:
        for check in checks:
            typer.echo(check.line())
    raise typer.Exit(0 if good else 1)


@app.command("version")
def show_version(as_json: pods.Json = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": _installed()})
    else:
        typer.echo(f"podkeeper {_installed()}")


def run() -> NoReturn:
    """The entry point."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say. 0, 1 (it failed), 2 (it was asked wrongly) or 130 (interrupted)."""
    try:
        _readable(arguments)
        code = app(args=list(arguments) or ["--help"], prog_name="podkeeper", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        complain(_usage(error))
        return error.exit_code
    except InvalidInput as error:
        complain(str(error))
        return 2
    except (PodError, Failed) as error:
        complain(str(error))
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # Whoever read our output has left; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception:
        complain(_our_fault())
        return 1


def _readable(arguments: Sequence[str]) -> None:
    """InvalidInput for bytes that are no text: nothing that takes them could be asked for."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise InvalidInput(f"{shorten(argument)!r} holds bytes that are no text in this terminal's encoding.")


def _usage(error: typer.TyperException) -> str:
    """One paragraph, whatever was typed and however long that was."""
    said = shorten(" ".join(error.format_message().split()), 400).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{said}. `{context.command_path} --help` shows what is allowed." if context is not None else f"{said}."


def _our_fault() -> str:
    """Write the traceback where its finder, and nobody else, can read it, and say where."""
    from platformdirs import user_data_path

    reference = secrets.token_hex(2).upper()
    # Not from Settings: reading them may be what failed.
    said = os.environ.get("PODKEEPER_DATA_DIR")
    path = (Path(said) if said else user_data_path("podkeeper")) / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} ref {reference}\n{traceback.format_exc()}\n")
    except OSError:
        return f"Something went wrong on our side ({sys.exc_info()[0]}), and no log of it could be written."
    return f"Something went wrong on our side (ref {reference}). The details are in {path}."
