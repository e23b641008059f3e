"""Failed: groups with counts, a message without its advice, and a few subjects; another run's failures stay out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.failed import failed_groups
from tests.transforms.test_views import committed
from transforms import tables
from transforms.failures import CLASSES


def failure(run_id: str, subject: str, error_class: str, message: str, step: str = "probe") -> tuple[str, dict]:
    row = {
        "run_id": run_id, "step": step, "subject": subject, "video_id": None, "error_class": error_class,
        "message": message, "attempts": 1, "traceback": None,
    }  # fmt: skip
    return "failures", row


@pytest.fixture
def corpus(tmp_path: Path) -> tables.Corpus:
    root = str(tmp_path / "out")
    committed(root, "before", [failure("before", "z", "damaged", "old")])
    mine = [failure("mine", f"{k:02}.mp4", "damaged", f"broken {k} ({CLASSES['damaged']})") for k in range(9, -1, -1)]
    mine += [failure("mine", "a", "empty", "x" * 5000), failure("mine", "b", "damaged", "mute", "audio")]
    committed(root, "mine", mine)
    return tables.open_corpus(root)


def test_failures_of_the_run_in_groups(corpus):
    found = failed_groups(corpus, {"run_id": "mine", "snapshot": 2})
    assert [(g["step"], g["error_class"], g["count"]) for g in found] == [
        ("probe", "damaged", 10), ("audio", "damaged", 1), ("probe", "empty", 1),
    ]  # fmt: skip
    assert found[0]["subjects"] == [f"{k:02}.mp4" for k in range(5)]
    assert found[0]["message"] == "broken 0"
    assert found[0]["advice"] == CLASSES["damaged"]
    assert len(found[2]["message"]) == 601


def test_a_run_without_failures_has_no_groups(corpus):
    assert failed_groups(corpus, {"run_id": "other", "snapshot": 2}) == []
