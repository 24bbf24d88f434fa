"""`attar`: one command a file."""

from __future__ import annotations

import errno
import io
import sys
from typing import NoReturn

import typer

from attar.cli.compress import compress, unpack
from attar.cli.draw import draw
from attar.cli.evaluate import evaluate
from attar.cli.explore import explore
from attar.cli.fit import fit
from attar.cli.options import tell
from attar.cli.predict import predict
from attar.cli.quantize import quantize
from attar.cli.report import report
from attar.cli.risk import risk
from attar.errors import AttarError

_INTERRUPTED = 130
_WITH_RUNS = {"fit", "explore", "compress", "risk"}
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)

app = typer.Typer(
    name="attar",
    help="From unlabelled data and a handful of labels to a small model you can ship, and how good it is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (draw, fit, explore, compress, unpack, quantize, risk, predict, evaluate, report):
    app.command()(command)


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
    for stream in (sys.stdout, sys.stderr):
        # A λ that an encoding lacks is spelt out, and ends no finished run.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except AttarError as error:
        _leave(str(error), 2)
    except SystemExit as left:
        # typer makes one of a KeyboardInterrupt, without a word.
        if left.code != _INTERRUPTED:
            raise
        goes_on = "; the same command goes on from here" if {*sys.argv[1:2]} & _WITH_RUNS else ""
        _leave(f"interrupted{goes_on}", _INTERRUPTED)
    except MemoryError:
        _leave("not enough memory; use fewer samples, or a machine with more", 2)
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        _leave(f"{where}cannot be written or read ({error.strerror}); what was finished is kept", 2)


def _leave(message: str, code: int) -> NoReturn:
    tell(f"attar: {message}", err=True)
    sys.exit(code)
