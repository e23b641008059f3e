"""Report: a run as one page that can be opened anywhere, made again from the tables whenever it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipelines import options
from pipelines.columns import say
from transforms.settings import ConfigError

DESCRIPTION = """\
Write the page of a run, runs/RUN_ID/report.html: what came in, what was kept, what was dropped and why, with
pictures, plots and timelines. A run writes it at its end; this writes it again."""
EPILOG = """\
examples:
  rushes report corpus
  rushes report corpus --run 20261123T044743Z-debdec"""

MISSING = "the page needs a few more packages: pip install 'rushes[pages]'"


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes report", description=DESCRIPTION, epilog=EPILOG, usage="rushes report OUT [--run RUN_ID]"
    )
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("--run", metavar="RUN_ID", help="which run [default the latest]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: No such output or run, or a package is missing.
    """
    words = parser().parse_args(list(argv))
    say(write(words.output, words.run))
    return 0


def write(root: str, run_id: str | None) -> str:
    """Write the page of a run; where it lies.

    Raises:
        ConfigError: No such output or run, or a package is missing.
    """
    try:
        from pages.report import write_report
    except ImportError as error:
        raise ConfigError(MISSING) from error
    return write_report(root, run_id)


def write_at_the_end(root: str, run_id: str, tell: Callable[[str], None]) -> None:
    """Write the page of a run that has ended; what goes wrong is told and changes nothing else."""
    try:
        tell(f"The page of this run: {write(root, run_id)}")
    except ConfigError as error:
        tell(f"No page of this run: {error}")
    except Exception as error:
        tell(f"The page of this run could not be made ({error}); rushes report {root} tries again")
