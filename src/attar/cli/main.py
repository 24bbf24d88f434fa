"""`attar`: one command a file."""

from __future__ import annotations

import sys

import typer

from attar.cli.compress import compress, unpack
from attar.cli.explore import explore
from attar.cli.fit import fit
from attar.cli.predict import predict
from attar.cli.report import report
from attar.cli.risk import risk
from attar.errors import AttarError

app = typer.Typer(
    name="attar",
    help="From unlabelled data and a handful of labels to a small model you can ship, and how good it is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(fit)
app.command()(explore)
app.command()(compress)
app.command()(unpack)
app.command()(risk)
app.command()(predict)
app.command()(report)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Show the version and leave.")
) -> None:
    if version:
        import attar

        typer.echo(f"attar {attar.__version__}")
        raise typer.Exit
    del context


def main() -> None:
    """Run the command line; what a person can mend is one line on standard error, and exit code 2."""
    try:
        app()
    except AttarError as error:
        typer.echo(f"attar: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("attar: interrupted; the same command goes on from here", err=True)
        sys.exit(130)
    except MemoryError:
        typer.echo("attar: not enough memory; use fewer samples, or a machine with more", err=True)
        sys.exit(2)
