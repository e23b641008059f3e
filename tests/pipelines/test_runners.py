"""The same rows whichever engine carries out the graph, one commit whatever is retried, and refused engines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import apache_beam as beam
import psutil
import pytest
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.direct import executor

from pipelines import options
from pipelines.main import main
from tests.pipelines import corpora
from transforms import tables

REPOSITORY = Path(__file__).resolve().parents[2]

IN_PROCESS = {
    "in_memory": ("--runner", "FnApiRunner", "--direct_running_mode=in_memory"),
    "multi_threading": ("--runner", "FnApiRunner", "--direct_running_mode=multi_threading", "--direct_num_workers=2"),
    "bundles": ("--runner", "BundleBasedDirectRunner"),
}
MULTI_PROCESSING = ("--runner", "FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2")

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.tiny_corpus(tmp_path_factory.mktemp("runners"))


@pytest.fixture(scope="module")
def local(footage: Path) -> tuple[Rows, dict[str, Any]]:
    """Rows and balance of the local engine."""
    code, report = corpora.curate(footage, footage.parent / "local")
    assert code == 3
    return corpora.rows(footage.parent / "local"), report["balance"]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "nothing"
    folder.mkdir()
    return folder


def commits(out: Path) -> list[str]:
    return sorted(p.name for p in (out / "commits").glob("*.json"))


def assert_one_commit(out: Path) -> None:
    assert commits(out) == ["000001.json"]
    assert [row["commit"] for row in corpora.runs(out)] == [1]
    assert sorted(p.name for p in (out / "snapshots").glob("*.json")) == ["000001.json"]
    changed = {
        r: tables.delta(tables.open_corpus(str(out)), r).version() for r in ("sources", "videos", "clips", "runs")
    }
    assert max(changed.values()) == 1, "a table was written twice"


def assert_empty_run(code: int, out: Path) -> None:
    assert code == 0
    assert_one_commit(out)
    assert not any(corpora.rows(out).values())
    (run,) = corpora.runs(out)
    assert run["status"] == "done"
    balance = corpora.report(out)["balance"]
    assert {"list", "sources", "videos"} <= balance.keys()
    for step, line in balance.items():
        assert (line["in"], line["kept"], line["dropped_total"], line["failed"]) == (0, 0, 0, {}), step


def in_own_processes(inputs: Path, out: Path, *extra: str) -> int:
    """The job as a command of its own; afterwards none of its processes may live. Its exit code."""
    mark = f"RUSHES_TEST_{uuid.uuid4().hex}"
    process = subprocess.Popen(
        corpora.process(inputs, out, *extra),
        cwd=REPOSITORY,
        env={**os.environ, mark: "1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=180)
        end = time.monotonic() + 5
        while (left := marked(mark)) and time.monotonic() < end:
            time.sleep(0.05)
        assert not left, f"still running afterwards: {left}"
    finally:
        for one in marked(mark):
            one.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode in (0, 3), said[-2000:]
    return process.returncode


def marked(mark: str) -> list[psutil.Process]:
    """Living processes that inherited an environment variable, whatever session they are in."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.environ() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_local_engine_gives_rows_in_every_table(local: tuple[Rows, dict[str, Any]]) -> None:
    rows, balance = local
    found = {table: len(held) for table, held in rows.items()}
    assert found["sources"] == corpora.GOOD
    assert found["videos"] == corpora.VIDEOS
    assert found["failures"] == 1
    assert found["clips"] > sum(c["kept"] for c in rows["clips"]) > 0
    assert found["captions"] == balance["captions"]["in"] > 0


@pytest.mark.parametrize("mode", IN_PROCESS)
def test_every_engine_gives_the_rows_of_the_local_one(
    mode: str, footage: Path, local: tuple[Rows, dict[str, Any]], tmp_path: Path
) -> None:
    code, report = corpora.curate(footage, tmp_path / "out", *IN_PROCESS[mode])
    assert code == 3
    assert (corpora.rows(tmp_path / "out"), report["balance"]) == local
    assert_one_commit(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_worker_processes_give_the_rows_of_the_local_engine_and_all_end(
    footage: Path, local: tuple[Rows, dict[str, Any]], tmp_path: Path
) -> None:
    assert in_own_processes(footage, tmp_path / "out", *MULTI_PROCESSING) == 3
    assert (corpora.rows(tmp_path / "out"), corpora.report(tmp_path / "out")["balance"]) == local
    assert_one_commit(tmp_path / "out")


class FailOnce:
    """Throws away the finished work of every bundle once, Beam's own among them, as a runner does whose worker dies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failed: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        accept = executor._CompletionCallback.handle_result

        def handle_result(callback: Any, bundle: Any, *rest: Any) -> Any:
            step = bundle._applied_ptransform.full_label
            if bundle._retry_count == 0:
                self.failed[step] += 1
                raise RuntimeError(f"the work of a bundle of {step} is thrown away")
            self.passed[step] += 1
            return accept(callback, bundle, *rest)

        monkeypatch.setattr(executor._CompletionCallback, "handle_result", handle_result)
        monkeypatch.setattr(executor._LOGGER, "error", lambda *_: None)


def test_a_runner_that_fails_every_bundle_once_gives_the_same_rows_and_one_commit(
    footage: Path, local: tuple[Rows, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = FailOnce(monkeypatch)
    out = tmp_path / "out"
    code, report = corpora.curate(footage, out, *IN_PROCESS["bundles"])
    assert code == 3
    assert bundles.failed == bundles.passed
    for step in ("List", "LookUp", "Work", "Write/MergeBucket", "Write/Commit"):
        assert any(step in label for label in bundles.failed), f"{step} was not among {list(bundles.failed)}"
    assert (corpora.rows(out), report["balance"]) == local
    assert_one_commit(out)
    assert report["run_id"] == corpora.runs(out)[0]["run_id"]


def test_a_commit_step_that_fails_every_time_after_it_committed_leaves_one_commit_that_stands(
    footage: Path, local: tuple[Rows, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = executor._CompletionCallback.handle_result
    asked = []

    def handle_result(callback: Any, bundle: Any, *rest: Any) -> Any:
        if bundle._applied_ptransform.full_label.endswith("Write/Commit"):
            asked.append(bundle)
            raise RuntimeError("the worker died after it had committed")
        return accept(callback, bundle, *rest)

    monkeypatch.setattr(executor._CompletionCallback, "handle_result", handle_result)
    monkeypatch.setattr(executor._LOGGER, "error", lambda *_: None)
    code, _ = corpora.curate(footage, tmp_path / "out", *IN_PROCESS["bundles"])
    assert code == 1
    assert len(asked) == 4
    assert corpora.rows(tmp_path / "out") == local[0]
    assert_one_commit(tmp_path / "out")


@pytest.mark.parametrize("mode", IN_PROCESS)
def test_a_run_over_nothing_commits_and_its_balance_is_zero(mode: str, empty: Path, tmp_path: Path) -> None:
    code, _ = corpora.curate(empty, tmp_path / "out", *IN_PROCESS[mode])
    assert_empty_run(code, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_run_over_nothing_in_worker_processes_commits_and_all_end(empty: Path, tmp_path: Path) -> None:
    assert_empty_run(in_own_processes(empty, tmp_path / "out", *MULTI_PROCESSING), tmp_path / "out")


def test_a_run_over_nothing_whose_bundles_all_fail_once_commits_once(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = FailOnce(monkeypatch)
    code, _ = corpora.curate(empty, tmp_path / "out", *IN_PROCESS["bundles"])
    assert any("Write/Commit" in label for label in bundles.failed)
    assert_empty_run(code, tmp_path / "out")


@pytest.mark.parametrize("runner", sorted(options.REFUSED_RUNNERS))
def test_an_engine_that_loses_rows_or_downloads_is_refused_with_the_reason(
    runner: str, footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curate", *corpora.command(footage, tmp_path / "out"), "--runner", runner]) == 2
    said = capsys.readouterr().err
    assert f"--runner {runner}: refused" in said
    assert options.REFUSED_RUNNERS[runner] in said
    assert not (tmp_path / "out").exists()


class DryRun:
    """What a dry run of the Dataflow runner built.

    Attributes:
        steps: Names of the graph's transforms.
        staged: Names of the files that workers get.
        package: Names inside the package that workers install.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: set[str] = set()
        self.staged: set[str] = set()
        self.package: set[str] = set()
        run = beam.Pipeline.run

        def keep(pipeline: beam.Pipeline, *given: Any, **named: Any) -> Any:
            result: Any = run(pipeline, *given, **named)
            self._look(result.job.proto_pipeline.components)
            return result

        monkeypatch.setattr(beam.Pipeline, "run", keep)
        monkeypatch.setenv("NO_GCE_CHECK", "true")  # credentials are asked of a host that only Google Cloud has

    def _look(self, components: Any) -> None:
        self.steps = {t.unique_name for t in components.transforms.values()}
        for environment in components.environments.values():
            for artifact in environment.dependencies:
                role = beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(artifact.role_payload)
                self.staged.add(role.staged_name)
                if role.staged_name == "workflow.tar.gz":
                    held = beam_runner_api_pb2.ArtifactFilePayload.FromString(artifact.type_payload)
                    with tarfile.open(held.path) as package:
                        self.package = {name.partition("/")[2] for name in package.getnames()}


@pytest.mark.slow
def test_the_dataflow_graph_is_built_and_its_package_staged_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="apache-beam[gcp] is not installed")
    built = DryRun(monkeypatch)
    asked: list[Any] = []
    monkeypatch.setattr("gcsfs.core.GCSFileSystem._request", lambda *given, **_: asked.append(given))
    monkeypatch.chdir(REPOSITORY)
    dataflow = ["--runner", "DataflowRunner", "--dry_run", "--project", "some-project", "--region", "us-central1"]
    staging = ["--temp_location", "gs://bucket/tmp", "--setup_file", "./setup.py"]
    code = main(["curate", "gs://bucket/raw", "--output", "gs://bucket/corpus", *dataflow, *staging])
    assert code == 0
    assert not asked, "a dry run asked the bucket"
    ours = ["List", "GroupByShard", "LookUp", "Spread", "Work", "Write/GroupByBucket", "Write/MergeBucket"]
    assert {*ours, "Write/Commit"} <= built.steps
    assert "workflow.tar.gz" in built.staged
    assert not [name for name in built.staged if "main_session" in name]
    needed = {"setup.py", "pyproject.toml", "pipelines/work.py", "transforms/child.py", "filters/quality.py"}
    assert needed <= built.package
    assert not [name for name in built.package if name.startswith(("tests/", "benchmarks/", ".venv/"))]


def test_what_beam_refuses_of_its_options_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="apache-beam[gcp] is not installed")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    words = ["--runner", "DataflowRunner", "--dry_run", "--project", "My Project", "--temp_location", "gs://bucket/tmp"]
    assert main(["curate", "gs://bucket/raw", "--output", "gs://bucket/corpus", *words]) == 2
    said = capsys.readouterr().err
    assert "rushes: --runner DataflowRunner: Invalid Project ID (My Project)" in said
    assert "Traceback" not in said


def test_a_runner_that_is_not_installed_is_wrong_usage(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "apache_beam.runners.dataflow.dataflow_runner", None)
    words = ["--runner", "DataflowRunner", "--project", "some-project", "--region", "us-central1"]
    assert main(["curate", *corpora.command(footage, tmp_path / "out"), *words]) == 2
    assert "apache_beam[gcp]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
