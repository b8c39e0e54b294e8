"""`podkeeper slack …`: what is needed to set Slack up."""

from typing import Annotated

import typer

app = typer.Typer(help="Setting Slack up: manifest.")


@app.callback()
def slack() -> None:
    """A group, although there is one command in it."""


@app.command()
def manifest(
    url: Annotated[
        str | None,
        typer.Option("--url", help="Signed HTTP in place of Socket Mode: where Slack reaches this Podkeeper."),
    ] = None,
) -> None:
    """Print the manifest of the Slack app, to paste at api.slack.com/apps ("Create New App", "From a manifest")."""
    from bot.manifest import manifest as written

    typer.echo(written(url), nl=False)
