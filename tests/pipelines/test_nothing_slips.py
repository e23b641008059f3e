"""Ways in which something refused might stay, each found once and closed: copies, marks, late words, late rows."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from filters.rights import registry
from filters.rights.policy import RightsSettings
from filters.rights.registry import Registry
from filters.rights.screening import Screen, Subject
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot
from pipelines import asking, rescreening, screen, screening
from tests.filters.rights.said import EVERYBODY, PARTIES, WORKS, put, say
from tests.pipelines import handed
from tests.pipelines.test_release import FILM, KNOWN, OTHER, freeze, rows
from tests.pipelines.test_screening import known
from tests.transforms import past
from transforms import records, tables, views
from transforms.records import to_dict
from transforms.store import Store

OPT_IN = {"train_regime": "opt-in", "on_unknown": "let-in"}


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    put(made, *EVERYBODY, *KNOWN)
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def made_by_a_model(uri: str) -> Signal:
    return Spot("c2pa", "file", uri, uri, datetime.now(UTC)).signal(NOTHING, "a model made it", "x", "generated")


def train(settings: RightsSettings, subject: Subject) -> screening.Rows:
    return [to_dict(row) for row in Screen(settings).rows(subject)]


def first(rows: screening.Rows) -> dict[str, Any]:
    return next(row for row in rows if row["use"] == "train")


def again(out: Path, held: Registry, *extra: str, **settings: str) -> set[tuple[str, str, str, str | None]]:
    """Screen with the command; what this run told."""
    words = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    there = {tuple(row.items()) for row in map(_flat, rows(out, "retractions"))}
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report", *words, *extra]) == 0
    new = [row for row in map(_flat, rows(out, "retractions")) if tuple(row.items()) not in there]
    return {(row["kind"], row["use"], row["verdict"], row["action"]) for row in new}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, list) else value for name, value in row.items()}


def test_a_copy_is_kept_out_by_whatever_keeps_the_other_out(held: Registry):
    put(held, known("film", "text", "The Film"), say("no", "opt_out"), on=2)
    settings, video = handed.settings(held, on_review="let-in"), handed.bytes_of("x")
    unsure = Says("unknown", "unset", "unset", "unset")
    silent = Spot("robots.txt", "site", "s3://c/3.mp4", "u", datetime.now(UTC)).signal(unsure, "no answer")
    review = train(settings, Subject("s3://c/1.mp4", {"title": "The Film"}, video))
    generated = train(settings, Subject("s3://c/2.mp4", {}, video, signals=(made_by_a_model("s3://c/2.mp4"),)))
    unknown = train(settings, Subject("s3://c/3.mp4", {}, video, signals=(silent,)))
    plain = train(settings, Subject("s3://c/4.mp4", {}, video))
    assert (first(review)["kept_out"], first(plain)["kept_out"]) == (False, False)
    for own, other, verdict, origin in (
        (plain, generated, "allow", "generated"),
        (generated, review, "review", "generated"),
        (review, generated, "review", "generated"),
        (unknown, review, "review", None),
        (review, unknown, "review", None),
    ):
        row = first(screening.strictest(own, [other]))
        assert (row["verdict"], row["kept_out"], row["origin"]) == (verdict, True, origin)
        out = first(other if first(other)["kept_out"] else own)
        assert any(word in text for word in out["words"] for text in row["words"])


def test_what_was_marked_after_it_was_let_in_is_not_released_and_is_found(held: Registry, out: Path):
    put(held, say("no", "opt_out"), on=2)
    corpus = handed.screened(out, held, {OTHER: [1.0]})
    video = handed.bytes_of(OTHER)
    screening.mark(Store(corpus.root), video, train(handed.settings(held), Subject(FILM, {}, video)))
    assert freeze(out, held) == 1
    assert {(kind, verdict) for kind, _, verdict, _ in again(out, held)} >= {("clip", "deny"), ("video", "deny")}
    assert views.trainable(tables.open_corpus(str(out))).num_rows == 0


def test_captions_that_are_refused_go_with_the_next_apply(held: Registry, out: Path):
    handed.screened(out, held, {FILM: [1.0]})
    put(held, say("no", "opt_out", uses=["caption"]), on=2)
    assert again(out, held) == {("caption", "caption", "deny", None)}
    assert rows(out, "captions")
    again(out, held, "--apply")
    assert not rows(out, "captions")
    assert rows(out, "clips")


def test_another_setting_decides_all_footage_anew(held: Registry, out: Path):
    handed.screened(out, held, {OTHER: [1.0]}, on_generated="let-in")
    video, settings = handed.bytes_of(OTHER), handed.settings(held, on_generated="let-in")
    signal = made_by_a_model(OTHER)
    verdicts = train(settings, Subject(OTHER, {}, video, signals=(signal,)))
    made = [("rights_signals", row) for row in asking.rows([signal], OTHER, video)]
    handed.committed(out, [*made, *(("verdicts", row) for row in verdicts)], "curate", settings)
    assert views.trainable(tables.open_corpus(str(out))).num_rows == 1
    assert ("clip", "train", "allow", None) in again(out, held)
    assert views.trainable(tables.open_corpus(str(out))).num_rows == 0


def test_another_regime_decides_all_footage_anew(held: Registry, out: Path):
    handed.screened(out, held, {OTHER: [1.0]})
    assert ("clip", "train", "unknown", None) in again(out, held, train_regime="opt-in")


def test_a_release_is_told_of_what_turns_out_to_be_generated(held: Registry, out: Path):
    handed.screened(out, held, {OTHER: [1.0]})
    assert freeze(out, held) == 0
    video, settings, signal = handed.bytes_of(OTHER), handed.settings(held), made_by_a_model(OTHER)
    verdicts = train(settings, Subject(OTHER, {}, video, signals=(signal,)))
    made = [("rights_signals", row) for row in asking.rows([signal], OTHER, video)]
    handed.committed(out, [*made, *(("verdicts", row) for row in verdicts)], "curate", settings)
    assert again(out, held) == {("release", "train", "allow", "withdraw")}


def test_what_was_to_be_looked_at_is_told_again_when_it_is_refused(held: Registry, out: Path):
    put(held, say("yes", "grant"), known("film", "text", "a view of 0"), on=2)
    handed.screened(out, held, {OTHER: [1.0]}, on_review="let-in")
    assert freeze(out, held) == 0
    put(held, say("no", "opt_out", supersedes="yes"), on=3)
    assert ("release", "train", "review", "review") in again(out, held)
    put(held, known("film", "url_prefix", "b/other.mp4"), on=4)
    assert ("release", "train", "deny", "withdraw") in again(out, held)


@pytest.mark.parametrize(
    "later",
    {
        "whoever granted it is no longer verified": dataclasses.replace(PARTIES["acme"], verified_by=None),
        "somebody owns it too who never granted it": dataclasses.replace(WORKS["film"], owners=["acme", "bolt"]),
        "the grant is revoked under another work": say(
            "rev", "revoke", work="part", target="yes", revocation_effect="withdraw_outputs"
        ),
    }.items(),
    ids=lambda case: case[0],
)
def test_a_grant_that_is_gone_is_no_grant_that_lapsed(held: Registry, out: Path, later: tuple[str, Any]):
    put(held, say("yes", "grant"), on=2)
    handed.screened(out, held, {FILM: [1.0]}, **OPT_IN)
    assert freeze(out, held) == 0
    put(held, later[1], on=3)
    assert ("release", "train", "deny", "withdraw") in again(out, held, **OPT_IN)


def test_an_asset_that_is_recorded_late_is_told(held: Registry, out: Path):
    put(held, say("yes", "grant", uses=["generate"]), on=2)
    handed.screened(out, held, {OTHER: [1.0]})
    put(held, say("rev", "revoke", uses=["generate"], target="yes", revocation_effect="withdraw_outputs"), on=3)
    again(out, held)
    handed.committed(out, [handed.asset("ad", "yes", "film", "acme", 2.0, registry_version=2)])
    assert again(out, held) == {("asset", "generate", "deny", "withdraw")}
    assert again(out, held) == set()


def test_a_copy_that_was_never_screened_hides_nothing(held: Registry, out: Path):
    handed.screened(out, held, {FILM: [1.0]})
    copy = {"uri": "s3://b/copy.mp4", "video_id": handed.bytes_of(FILM), "metadata": {}}
    handed.committed(out, [("sources", {**past.examples(records.SourceRow)[0], **copy})], "curate")
    put(held, say("no", "opt_out"), on=2)
    assert ("clip", "train", "deny", None) in again(out, held)


def test_captions_that_no_screening_has_seen_make_everything_new(held: Registry, out: Path):
    put(held, known("film", "text", "The Film"), say("no", "opt_out"), on=2)
    handed.screened(out, held, {OTHER: [1.0]})
    assert again(out, held) == set()
    text = {"clip_id": handed.clip_id(OTHER, 0), "video_id": handed.bytes_of(OTHER), "kind": "dense"}
    row = {**past.examples(records.CaptionRow)[0], **text, "text": "a scene of The Film"}
    handed.committed(out, [("captions", row)], "scenes")
    assert freeze(out, held) == 2
    assert ("clip", "train", "review", None) in again(out, held)
    assert freeze(out, held) == 1


def test_a_run_that_was_at_work_while_it_was_screened_is_screened_from_its_version(
    held: Registry, out: Path, monkeypatch: pytest.MonkeyPatch
):
    before = handed.settings(held)
    handed.screened(out, held, {OTHER: [1.0]})
    put(held, say("no", "opt_out"), on=2)
    now = handed.settings(held)
    handed.committed(out, [], "screen", now)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(handed, "datetime", type("Clock", (datetime,), {"now": lambda _zone=None: long_ago}))
    corpus = handed.committed(out, [], "curate", before)
    monkeypatch.undo()
    versions = {one.state.number for one in rescreening.decided_by(corpus, now)}
    assert before.rights_version in versions
