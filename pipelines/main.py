"""The command line: `rushes COMMAND`."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from transforms.failures import ElementError
from transforms.settings import ConfigError

COMMANDS: dict[str, tuple[str, str]] = {
    "curate": ("pipelines.curate", "footage to scenes, clips, captions and manifests (the main job)"),
    "ingest": ("pipelines.ingest", "read and measure footage, without cutting it"),
    "scenes": ("pipelines.scenes", "cut and filter again from the store; no source is opened"),
    "recaption": ("pipelines.recaption", "caption and transcribe again with other models; no source is opened"),
    "captions": ("pipelines.captions", "what captioners wrote, side by side"),
    "models": ("pipelines.models", "model set-ups: what they are, and whether they run here"),
    "screen": ("pipelines.screen", "a changed registry against everything made: what to withdraw"),
    "release": ("pipelines.release", "what may be trained on, frozen for one recipient"),
    "plan": ("pipelines.plan", "a campaign before anything is made: requests, refusals, price"),
    "storyboard": ("pipelines.storyboard", "a campaign to edit, from a sentence or a script"),
    "generate": ("pipelines.generate", "make what a campaign asks for, each thing paid for once"),
    "approve": ("pipelines.approve", "approve finished assets, or see how they stand"),
    "reject": ("pipelines.reject", "reject finished assets, with the reason"),
    "traffic": ("pipelines.trafficking", "a folder for each platform: files by convention, and their lists"),
    "rights": ("pipelines.rights", "the rights team's registry: lists, versions, reasons"),
    "show": ("pipelines.show", "tables, rows, versions, and a few rows"),
    "report": ("pipelines.report_page", "a run as one page: balance, plots, pictures, timelines"),
    "browse": ("pipelines.browse", "the tables, clips and cuts as pages on this machine"),
    "explain": ("pipelines.explain", "the whole story of one clip"),
    "runs": ("pipelines.runs", "what was run, with what result"),
    "schema": ("pipelines.schema", "every column: meaning, unit, range, source"),
    "export": ("pipelines.export", "a table as plain Parquet, CSV or JSON Lines, at any snapshot"),
    "gc": ("pipelines.gc", "remove orphans and replaced parts (a dry run by default)"),
    "eval-cuts": ("pipelines.eval_cuts", "score detectors on videos whose edits are known"),
    "demo": ("pipelines.demo", "render footage with known edits, curate it, compare"),
}
"""Every command: the module that has its `run`, and what it does."""

USAGE = """\
rushes: footage in, licensed and traceable training data out.

usage: rushes COMMAND [options]

{commands}

`rushes COMMAND --help` explains one. Start with `rushes demo`, then:
  rushes curate FOLDER --output OUT
  rushes show OUT clips
"""

USAGE_ERROR, INTERRUPTED = 2, 130
STOPPED = "\nrushes: stopped; run the same command again to go on"


def guarded(run: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run a command; wrong usage becomes one clear line and exit code 2."""
    logging.basicConfig(level=os.environ.get("RUSHES_LOG", "ERROR"), format="%(levelname)s %(name)s: %(message)s")
    try:
        return run(argv)
    except ConfigError as error:
        print(f"rushes: {error}", file=sys.stderr)
        return USAGE_ERROR
    except ElementError as error:
        print(f"rushes: {error.message}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextlib.contextmanager
def _leaving_at_once() -> Iterator[None]:
    """While libraries load, which swallow exceptions in their callbacks, Ctrl-C ends the process: nothing has begun."""

    def leave(*_: object) -> None:
        os.write(2, f"{STOPPED}\n".encode())
        os._exit(INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that a command line names; returns the exit code."""
    # Its threads have been seen to wait for one another for ever; no step multiplies anything that is worth them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if argv is None else argv)
    listed = "\n".join(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items())
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE.format(commands=listed))
        return 0 if words else USAGE_ERROR
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"rushes {version('rushes')}")
        return 0
    if words[0] not in COMMANDS:
        print(f"rushes: no command {words[0]!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return USAGE_ERROR
    try:
        with _leaving_at_once():
            module = importlib.import_module(COMMANDS[words[0]][0])
        return guarded(module.run, words[1:])
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED


def entry() -> NoReturn:
    """`rushes` as a program: its exit code is the command's, whatever native libraries do at their own end.

    One with threads that still run may abort a process that goes by the book, after all of its work (PyTorch beside
    deltalake did). So what Python has to do at its end is done, and the rest is left to the system.
    """
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()
