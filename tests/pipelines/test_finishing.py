"""Finishing: what waited for its texts goes on, unless they name what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from filters.rights import policy, registry
from filters.rights.policy import RightsSettings
from filters.rights.screening import Screen, Subject
from pipelines import finishing, screening
from pipelines.config import Config
from tests.filters.rights.said import EVERYBODY, put, say
from tests.pipelines.test_screening import known
from transforms.records import to_dict
from transforms.store import Store

VIDEO = "ab" * 32


@pytest.fixture
def config(tmp_path: Path) -> Config:
    held = registry.create(str(tmp_path / "rights"))
    put(held, *EVERYBODY, known("film", "text", "The Film"), known("film", "url_prefix", "b/refused.mp4"))
    put(held, say("no", "opt_out"), on=2)
    return dataclasses.replace(Config(), rights=policy.pinned(RightsSettings(), held.root, 2))


def waiting(uri: str) -> dict[str, Any]:
    """A source that was read in this run, as `describing.together` has it."""
    own = {"uri": uri, "video_id": VIDEO}
    return {
        "ref": {"uri": uri, "size": 1},
        "said": [],
        "texts": [],
        "rows": [("sources", own), ("videos", {"video_id": VIDEO}), ("verdicts", {"subject": uri, "use": "train"})],
        "scopes": [("sources", uri, (uri,), 1), ("videos", VIDEO, (VIDEO,), 1), ("verdicts", uri, (uri,), 1)],
    }


def finished(config: Config, store: Store, text: str, *uris: str) -> finishing.Finished:
    video = {"video": {"video_id": VIDEO}, "sources": [waiting(uri) for uri in uris], "texts": [text], "said": {}}
    return finishing.finish(video, (), None, config, store, {})


def test_texts_that_name_nothing_let_a_source_go_on_as_it_is(tmp_path: Path, config: Config):
    done = finished(config, Store(str(tmp_path / "out")), "A dog runs.", "s3://b/copy.mp4")
    source = waiting("s3://b/copy.mp4")
    assert (done.rows, done.scopes, done.gone) == (source["rows"], source["scopes"], [])
    assert not done.counts["sources.out"]


def test_texts_that_name_a_film_have_its_source_wait_for_a_person(tmp_path: Path, config: Config):
    done = finished(config, Store(str(tmp_path / "out")), "A scene of The Film.", "s3://b/copy.mp4")
    assert done.gone == []
    verdicts = {row["use"]: row["verdict"] for table, row in done.rows if table == "verdicts"}
    assert verdicts["train"] == "review"
    assert [table for table, _ in done.rows if table != "verdicts"] == ["sources", "videos"]


def test_a_source_whose_bytes_were_refused_meanwhile_leaves_its_verdict_alone(tmp_path: Path, config: Config):
    store = Store(str(tmp_path / "out"))
    screening.mark(
        store, VIDEO, [to_dict(r) for r in Screen(config.rights).rows(Subject("s3://b/refused.mp4", {}, VIDEO))]
    )
    uris = ("s3://b/copy.mp4", "s3://b/second.mp4")
    done = finished(config, store, "A scene of The Film.", *uris)
    assert {table for table, _ in done.rows} == {"verdicts"}
    trained = {row["subject"]: row["verdict"] for _, row in done.rows if row["use"] == "train"}
    assert trained == dict.fromkeys(uris, "deny")
    assert {table for table, video in done.gone if video == VIDEO} == set(screening.FOOTAGE)
    assert done.counts["sources.out"] == -len(uris)  # Each was counted when it was read.
    assert {scope for table, _, scope, count in done.scopes if table == "sources" and count == 0} == {
        (u,) for u in uris
    }
