"""Engine: carries out a job's graph, shows it, and ends with the right exit code.

The local engine is Beam's FnApiRunner in memory with one Beam thread; the work happens in child processes. The graph
runs in a thread of its own, so that Ctrl-C is answered at once: the children are killed, nothing half is committed, and
the command that goes on is printed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import logging
import os
import platform
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection
from rich.console import Console
from rich.text import Text

from pipelines import again, display, options, report, report_page
from pipelines.config import Config
from pipelines.writing import BalanceError, RunPlan, WriteTables, plan_run
from transforms import commits, pool, progress, storage, tables
from transforms.failures import ElementError, short_traceback
from transforms.settings import ConfigError

DONE, FAILED, USAGE, WITH_FAILURES, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: done; failed; wrong usage; done with failures recorded; stopped by Ctrl-C."""

LOCAL = "local"
Graph = Callable[[beam.Pipeline, RunPlan], Mapping[str, PCollection[Any]]]


def library_versions() -> dict[str, str]:
    """Versions of what decides results."""
    names = (
        "rushes",
        "apache-beam",
        "pyarrow",
        "deltalake",
        "av",
        "opencv-python-headless",
        "scenedetect-headless",
        "numpy",
    )
    found = {"python": platform.python_version(), **again.recipes()}
    for name in names:
        with contextlib.suppress(ModuleNotFoundError):
            found[name] = version(name)
    return found


def beam_options(runner: str, extra: Sequence[str], job: str) -> PipelineOptions:
    """Beam's options for a runner."""
    name = "FnApiRunner" if runner == LOCAL else runner
    words = [f"--runner={name}", *extra]
    if runner == LOCAL and not any(w.startswith("--direct_running_mode") for w in extra):
        words.append("--direct_running_mode=in_memory")
    if not any("save_main_session" in w for w in extra):
        # `__main__` only imports; staging it would pickle this process's state for nothing.
        words.append("--no_save_main_session")
    if not any(w.startswith("--job_name") for w in extra):
        words.append(f"--job_name=rushes-{job}")
    return PipelineOptions(words)


def _pipeline(settings: PipelineOptions) -> beam.Pipeline:
    """A pipeline without steps, its options checked by Beam and its runner.

    Raises:
        ConfigError: An option does not do, or the runner is not installed.
    """
    try:
        return beam.Pipeline(options=settings)
    except (ImportError, ValueError) as error:
        text = " ".join(str(error).removeprefix("Pipeline has validations errors:").split())
        raise ConfigError(f"--runner {settings.get_all_options()['runner']}: {text}") from error


def run_job(
    job: str,
    root: str,
    graph: Graph,
    config: Config,
    runner: str = LOCAL,
    beam_args: Sequence[str] = (),
    command: str = "",
) -> int:
    """Run a job to its end.

    Args:
        job: Its name.
        root: The output folder.
        graph: Wires the job's rows and tallies.
        config: The resolved configuration.
        runner: A name out of `options.RUNNERS`.
        beam_args: Beam's own options.
        command: The command line that started it, printed when it can be gone on with.

    Returns:
        The exit code.
    """
    dry = options.is_dry(beam_args)
    console = Console(stderr=True)
    settings = config.run
    on_this_machine = runner in (LOCAL, "FnApiRunner", "BundleBasedDirectRunner")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_scratch())
        pipeline = _pipeline(beam_options(runner, beam_args, job))
        listener = stack.enter_context(progress.Listener()) if on_this_machine else None
        corpus = tables.Corpus(root, settings.buckets) if dry else tables.create_corpus(root, settings.buckets)
        plan = plan_run(
            corpus,
            job,
            config.to_json(),
            library_versions(),
            offline=dry,
            decoded_again=() if dry or job not in again.READERS else tuple(again.reasons(corpus, config.to_json())),
            failure_ratio=settings.failure_ratio,
            unreachable_ratio=settings.unreachable_ratio,
            least_failures=settings.least_failures,
            progress=listener.address if listener else None,
        )
        if plan.decoded_again:
            _tell(console, "", f"Sources are decoded again: {'; '.join(plan.decoded_again)}")
        graph(pipeline, plan) | "Write" >> WriteTables(plan)
        if dry:
            return _dry_run(pipeline, runner, console)
        storage.write_bytes(corpus.uri("runs", plan.run_id, "config.json"), json.dumps(plan.config, indent=1).encode())
        if "RUSHES_LOG" not in os.environ:
            # Beam logs what a worker raised with its whole traceback; `_explain` says it in a line.
            logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)
        worker = _Worker(pipeline)
        try:
            with _interruptible():
                display.watch(worker, listener, console, f"{job} {plan.run_id}")
        except KeyboardInterrupt:
            pool.kill_all()
            _tell(console, "\nStopped.", _where_it_stands(corpus, plan, on_this_machine))
            _tell(console, "", f"To go on from there: {command or 'run the same command again'}")
            # The pipeline's thread may be anywhere; what it holds dies with the process.
            shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        pool.kill_all()
        if worker.error:
            return _explain(worker.error, console)
        return _finish(corpus, plan, Console())


def _where_it_stands(corpus: tables.Corpus, plan: RunPlan, on_this_machine: bool) -> str:
    """What is true of a run that was stopped from here."""
    if not on_this_machine:
        return "The job goes on at its runner: cancel it there."
    try:
        number = commits.own_commit(corpus, plan.run_id, plan.base)
    except (ElementError, ConfigError):
        number = None
    if number is None:
        return "Nothing of this run was committed; every source that was finished is in the store."
    return f"This run had just committed, as number {number}: nothing is left to do."


@contextlib.contextmanager
def _scratch() -> Iterator[None]:
    """A temporary folder of this run's own for all its processes, so that nothing of a killed child stays behind.

    The run holds a lock on its folder: what a killed run left is free, and the next one removes it.
    """
    before = os.environ.get("TMPDIR")
    for left in Path(tempfile.gettempdir()).glob("rushes-run-*"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left, ignore_errors=True)
    # Named so only once it is locked, or a run that starts at the same moment would remove it.
    made = tempfile.mkdtemp(prefix="rushes-new-")
    lock = contextlib.ExitStack()
    lock.enter_context(_locked(Path(made)))
    folder = made.replace("rushes-new-", "rushes-run-")
    os.rename(made, folder)
    try:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        yield
    finally:
        tempfile.tempdir = None
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder.

    Raises:
        OSError: Another process holds it, or it is not ours to open.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


class _Worker(threading.Thread):
    """Runs the pipeline; what it raises is kept for the main thread."""

    def __init__(self, pipeline: beam.Pipeline) -> None:
        super().__init__(name="pipeline", daemon=True)
        self._pipeline = pipeline
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._pipeline.run().wait_until_finish()
        except BaseException as error:
            self.error = error


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Answer SIGINT and SIGTERM with KeyboardInterrupt, also where a shell started us with SIGINT ignored."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _dry_run(pipeline: beam.Pipeline, runner: str, console: Console) -> int:
    """Build and translate the graph; only Dataflow's runner knows a dry run of its own."""
    for name in ("google.auth", "apache_beam.internal.gcp.auth", "apache_beam.runners.dataflow"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    result: Any = pipeline.run() if runner == "DataflowRunner" else None
    graph: Any = result.job.proto_pipeline if result else pipeline.to_runner_api()
    console.print(
        f"Dry run: a graph of {len(graph.components.transforms)} transforms; nothing was launched, read or written."
    )
    return DONE


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _tell(console: Console, mark: str, text: str) -> None:
    """Print in whole lines and as it is: paths and commands are there to be copied."""
    console.print(Text.assemble((mark, "bold"), " " if mark else "", text), soft_wrap=True)


def _explain(error: BaseException, console: Console) -> int:
    """Say what stopped a job, and what to do. Beam wraps errors of workers in text, so the text is looked at too."""
    for cause in _causes(error):
        if isinstance(cause, (BalanceError, ConfigError)):
            _tell(console, "Failed:", str(cause))
            return FAILED
        if isinstance(cause, ElementError):
            _tell(console, "Failed:", cause.message)
            break
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            _tell(console, "Failed:", f"no space left for {cause.filename or 'the output or temporary files'}")
            break
    else:
        _tell(console, "Failed:", f"{error}\n{short_traceback(error)}")
    _tell(
        console,
        "",
        "Nothing half was committed, and what was finished is in the store: run the same command again to go on.",
    )
    return FAILED


def _finish(corpus: tables.Corpus, plan: RunPlan, console: Console) -> int:
    body = json.loads(storage.read_bytes(corpus.uri("runs", plan.run_id, "report.json")))
    display.summary(body, corpus.root, console)
    if plan.config["run"]["report"]:
        report_page.write_at_the_end(corpus.root, plan.run_id, functools.partial(_tell, console, ""))
    return {report.DONE: DONE, report.FAILURES: WITH_FAILURES, report.REFUSED: FAILED}[body["status"]]
