"""What every test may ask for: shared media, rendered clips, and Beam pinned to the runner that downloads nothing."""

from __future__ import annotations

import functools
import os
from pathlib import Path

# As in every child process of a job. Two processes whose OpenBLAS threads waited for one another on two cores never
# came back from a product of matrices; this has to stand before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from pipelines import footage

# A pipeline without this tries Prism first, which is a download.
TestPipeline.pytest_test_pipeline_options = "--runner=FnApiRunner"  # type: ignore[assignment]


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of shared real media; the test is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "media"
    folder = Path(os.environ.get("RUSHES_MEDIA", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared media in {folder}: set RUSHES_MEDIA to their folder")
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small rendered files, made once a session and not to be changed."""
    folder = tmp_path_factory.mktemp("clips")
    shot = footage.Shot
    paths = {
        "cuts": folder / "cuts.mp4",
        "dissolve": folder / "dissolve.mp4",
        "sound": folder / "sound.mp4",
        "silent_webm": folder / "silent.webm",
        "tiny": folder / "tiny.mp4",
    }
    small = functools.partial(footage.render, width=160, height=90)
    small(paths["cuts"], [shot(40, seed=1), shot(35, seed=2, camera="pan"), shot(45, seed=3)])
    small(paths["dissolve"], [shot(50, seed=4), shot(50, seed=5, enter="dissolve", enter_frames=12)])
    tones = [footage.Tone(1.0, 440.0), footage.Tone(1.0), footage.Tone(1.0, 880.0)]
    small(paths["sound"], [shot(75, seed=6)], tones=tones)
    small(paths["silent_webm"], [shot(30, seed=7), shot(30, seed=8)], codec="libvpx-vp9")
    footage.render_tiny(paths["tiny"], seed=1)
    return paths


@pytest.fixture(scope="session")
def demo_footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`truth.json` of the whole demo's footage, rendered once a session (half a minute: for tests marked slow)."""
    return footage.render_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, so that nothing a test writes by a relative name lands in the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
