"""Compare: the page counts what the tables hold, and shows frames and texts as they are, but nothing that rights keep
out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pages import compare, writers
from pages.compare import histogram, pictures, render_compare, some, spread
from pages.rendering import asset_text
from pages.writers import Writer
from tests.filters.rights.said import EVERYBODY, put, say
from tests.pages.test_report import Page, cells
from tests.pipelines import handed
from tests.pipelines.test_screening import known
from tests.transforms import past
from transforms import records, tables, views
from transforms.rights_records import VerdictRow
from transforms.settings import ConfigError

SCRIPT = "<script>alert(5)</script> turns left"
EYES, EARS = Writer("eyes", "big", ""), Writer("ears", "small", "short-1-abc")


def caption(clip: dict[str, Any], writer: Writer, text: str, **more: Any) -> tuple[str, dict[str, Any]]:
    row = records.CaptionRow(
        clip_id=clip["clip_id"], video_id=clip["video_id"], captioner=writer.captioner, model=writer.model,
        prompt_version=writer.prompt_version, text=text,
        **{"kind": "short", "revision": "r1", "settings": "{}", "language": "en", "kept": True, **more},
    )  # fmt: skip
    return "captions", records.to_dict(row)


def compared_output(reported: Path, folder: Path) -> Path:
    """A copy of an output in which two more captioners have described the clips; the first clip has a script."""
    out = folder / "out"
    shutil.copytree(reported, out)
    clips = [clip for clip in tables.read(tables.open_corpus(str(out)), "clips").to_pylist() if clip["kept"]]
    made = []
    for number, clip in enumerate(clips):
        text = SCRIPT if not number else f"A red car, number {number}, turns left"
        made.append(caption(clip, EYES, text, score=0.30, tokens_out=10, cost=0.002))
        other = {"text": "", "kept": False, "flags": ["empty"], "reasons": ["empty"]} if number == 2 else {}
        more: dict[str, Any] = {
            "text": "The red car turns right.",
            "score": 0.30 if number == 1 else 0.2 + number / 100,
            **other,
        }
        made.append(caption(clip, EARS, **more))
    handed.committed(out, made)
    return out


@pytest.fixture(scope="module")
def out(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared_output(reported, tmp_path_factory.mktemp("compared"))


def written(corpus: tables.Corpus, pair: Sequence[Writer] = (EYES, EARS), clips: int = 60) -> bytes:
    one, other = pair
    found = writers.compare(corpus, "short", (one, other), clips, 0)
    return render_compare(corpus, "short", (one, other), found)


@pytest.fixture(scope="module")
def page(out: Path) -> Page:
    return Page(written(tables.open_corpus(str(out))))


def test_its_figures_are_those_of_the_tables(out: Path, page: Page):
    rows = tables.read(tables.open_corpus(str(out)), "captions").to_pylist()
    mine = [row for row in rows if row["captioner"] == "eyes"]
    count, text = len(mine), cells(page)
    assert count > 3
    assert f"Clips with both {count} Only A 0 Only B 0" in text
    assert f"captions {count} {count}" in text
    assert f"kept No check dropped them. 100 % {100 * (count - 1) / count:.0f} %" in text
    assert f"{100 / count:.0f} %" in text.split("flag empty")[1][:60]
    assert f"distinct texts Whatever case and punctuation. {count} 2" in text
    assert "tokens written Of a caption, on average. 10 –" in text
    assert "cost US dollars for 1,000 captions. 2 –" in text
    assert f"another side Each names one, and not the same; perhaps of two things. {count - 1}" in text
    assert f"they tie, to three digits 1 {100 / count:.0f} %" in text


def test_it_names_who_wrote_them(page: Page):
    text = cells(page)
    assert "eyes:big and ears:small" in text
    assert "prompt none" in text
    assert "prompt short-1-abc" in text


def test_every_clip_has_its_frames_both_texts_and_its_story(out: Path, page: Page):
    clips = {name["id"]: name for tag, name in page.elements if tag == "article"}
    rows = tables.read(tables.open_corpus(str(out)), "captions").to_pylist()
    assert clips.keys() == {f"clip-{row['clip_id']}" for row in rows if row["captioner"] == "eyes"}
    shown = [name for tag, name in page.elements if tag == "img"]
    assert len(clips) <= len(shown) <= compare.FRAMES * len(clips)
    assert all((name["src"] or "").startswith("data:image/webp;base64,") for name in shown)
    assert sum(f"rushes explain {out} " in line for line in page.text.splitlines()) == len(clips)
    assert "dropped: empty" in cells(page)


def test_what_strangers_wrote_is_text(out: Path, page: Page):
    assert SCRIPT in cells(page)
    assert not [code for _, code in page.scripts if "alert(" in code]
    assert not [name for tag, name in page.elements if "onerror" in name]


def test_it_asks_nothing_of_a_network(page: Page):
    addresses = [
        value for _, name in page.elements for key, value in name.items() if key in ("src", "href", "xlink:href")
    ]
    assert addresses
    assert all((value or "").startswith(("data:", "#")) for value in addresses)
    for name in ("compare.css", "compare.js"):
        assert not re.search(r"https?:|@import|url\(|\bfetch\(|XMLHttpRequest|\beval\(", asset_text(name))


def test_samples_are_ranked_bounded_and_the_same_every_time(out: Path):
    corpus = tables.open_corpus(str(out))
    every = writers.compare(corpus, "short", (EYES, EARS), 100, 0)
    for name in writers.ORDERS:
        few = writers.compare(corpus, "short", (EYES, EARS), 3, 0).samples[name]
        assert list(few) == list(every.samples[name])[:3]
    shares = [shown.agreement for shown in every.samples["least"]]
    assert shares == sorted(every.agreement.tolist())
    apart = [abs(shown.rows[0]["score"] - shown.rows[1]["score"]) for shown in every.samples["score"]]
    assert apart == sorted(apart, reverse=True)
    lots = [writers.compare(corpus, "short", (EYES, EARS), 100, seed).samples["random"] for seed in range(5)]
    orders = {tuple(shown.rows[0]["clip_id"] for shown in sample) for sample in lots}
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(next(iter(orders)))}
    assert written(corpus) == written(corpus)


def test_swapped_they_say_the_same(out: Path):
    corpus = tables.open_corpus(str(out))
    one = writers.compare(corpus, "short", (EYES, EARS), 3, 0)
    other = writers.compare(corpus, "short", (EARS, EYES), 3, 0)
    assert sorted(one.agreement) == sorted(other.agreement)
    assert one.conflicts == other.conflicts
    assert one.higher == other.higher[::-1]


def test_clips_of_one_alone_count_but_are_not_compared(tmp_path: Path):
    clips = [{"clip_id": f"k{n}", "video_id": f"v{n}"} for n in range(6)]
    source = past.examples(records.SourceRow)[0]
    made = [("sources", {**source, "uri": clip["video_id"], "video_id": clip["video_id"]}) for clip in clips]
    made += [caption(clip, EYES, "a dog runs") for clip in clips[:4]]
    made += [caption(clip, EARS, "two dogs run", kept=None) for clip in clips[3:]]
    made += [caption(clips[0], EARS, "of another kind", kind="dense")]
    corpus = handed.committed(tmp_path / "out", made)
    found = writers.compare(corpus, "short", (EYES, EARS), 10, 0)
    assert [side.captions for side in found.sides] == [4, 3]
    assert [side.kept for side in found.sides] == [4, 3]  # A row of version 1 does not say.
    assert [len(side.words) for side in found.sides] == [4, 3]
    assert found.agreement.tolist() == [pytest.approx(4 / 5)]
    assert (found.higher, found.withheld) == ((0, 0, 0), 0)
    text = cells(Page(render_compare(corpus, "short", (EYES, EARS), found)))
    assert "Clips with both 1 Only A 3 Only B 2" in text
    assert "no frame of it can be read" in text
    assert "No caption has a score" in text

    none = writers.compare(corpus, "dense", (EYES, EARS), 10, 0)
    text = cells(Page(render_compare(corpus, "dense", (EYES, EARS), none)))
    assert "There is no clip with both." in text
    assert writers.writers(corpus, "dense") == [EARS]
    assert writers.writers(corpus, "short") == [EARS, EYES]


def test_what_a_verdict_keeps_out_counts_nowhere_and_is_not_shown(out: Path, tmp_path: Path):
    shutil.copytree(out, tmp_path / "out")
    corpus = tables.open_corpus(str(tmp_path / "out"))
    sources = tables.read(corpus, "sources").to_pylist()
    plain = past.examples(VerdictRow)[0]

    def said(uri: str, **kept_out: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        for use, out_of_it in kept_out.items():
            yield "verdicts", {**plain, "subject": uri, "use": use, "kept_out": out_of_it}

    videos = sorted({row["video_id"] for row in tables.read(corpus, "captions").to_pylist()})
    of = {video: [row["uri"] for row in sources if row["video_id"] == video] for video in videos}
    assert len(videos) >= 3
    trained, silent, *_, fine = videos
    handed.committed(
        tmp_path / "out",
        [
            *said(of[trained][0], train=True, caption=False),
            *said(of[silent][-1], train=False, caption=True),
            *said(of[fine][0], train=False, caption=False),
        ],
    )
    found = writers.compare(corpus, "short", (EYES, EARS), 100, 0)
    rows = [row for row in tables.read(corpus, "captions").to_pylist() if row["captioner"] in ("eyes", "ears")]
    away = [row for row in rows if row["video_id"] in (trained, silent)]
    assert found.withheld == len(away) > 0
    assert sum(side.captions for side in found.sides) == len(rows) - len(away)
    shown = {one.rows[0]["video_id"] for sample in found.samples.values() for one in sample}
    assert shown == set(videos) - {trained, silent}
    page = render_compare(corpus, "short", (EYES, EARS), found).decode()
    assert not [row["clip_id"] for row in away if row["clip_id"] in page]
    assert f"{len(away)} captions are of videos that rights keep" in page


def test_it_shows_what_the_view_shows(tmp_path: Path):
    """`views.described` and the view `training` agree about a corpus that was screened."""
    from filters.rights import registry

    held = registry.create(str(tmp_path / "rights"))
    put(held, *EVERYBODY, known("film", "text", "saga"), say("no", "opt_out"))
    corpus = handed.screened(tmp_path / "out", held, {"/a.mp4": [2.0], "/saga/b.mp4": [3.0], "/c.mp4": [4.0]})
    seen = views.training(corpus).to_pylist()
    assert set(views.described(corpus).to_pylist()) == {row["video_id"] for row in seen if row["caption"] is not None}


def test_pictures_come_from_the_store_alone(out: Path, tmp_path: Path):
    corpus = tables.open_corpus(str(out))
    clip = next(row for row in tables.read(corpus, "clips").to_pylist() if row["kept"])
    (video,) = [row for row in tables.read(corpus, "videos").to_pylist() if row["video_id"] == clip["video_id"]]
    folder = video["measure_uri"]
    (found,) = pictures(str(out), [clip], {clip["video_id"]: folder}).values()
    assert 1 <= len(found) <= compare.FRAMES
    assert [seconds for seconds, _ in found] == sorted(seconds for seconds, _ in found)
    assert all(0 <= seconds <= clip["seconds"] for seconds, _ in found)
    for wrong in (f"../out/{folder}", f"store/../../out/{folder}", str(out / folder), "store/measure/gone", None):
        assert not any(pictures(str(out), [clip], {clip["video_id"]: wrong}).values())


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(0, []), (1, [0]), (2, [0, 1]), (4, [0, 1, 2, 3]), (8, [1, 3, 5, 7]), (100, [12, 37, 62, 87])],
)
def test_frames_are_spread_over_the_clip(frames: int, expected: list[int]):
    assert some(range(frames)) == expected


def test_a_histogram_counts_shares_and_what_lies_beyond():
    drawn = histogram("Words", [np.array([1.0, 1.5, 9.0, 99.0]), np.array([])], np.array([0.0, 2.0, 4.0, 6.0]))
    assert drawn.most == 0.5
    assert drawn.outlines == ("M0 96V0.0H106.7V96.0H213.3V0.0H320.0V96Z", "")
    assert [text for _, text in drawn.ticks] == ["0", "3", "6+"]
    assert drawn.spreads[1] is None


def test_a_spread_is_the_middle_and_nine_tenths():
    assert spread(np.arange(101.0)) == (5.0, 50.0, 95.0, 50.0)
    assert spread(np.array([])) is None


def test_scores_by_different_scorers_are_not_to_be_compared(tmp_path: Path):
    clips = [{"clip_id": f"k{n}", "video_id": "v"} for n in range(2)]
    made = [("sources", {**past.examples(records.SourceRow)[0], "uri": "v", "video_id": "v"})]
    for writer, model in ((EYES, "B"), (EARS, "L")):
        settings = f'{{"scorer":{{"model":"{model}","name":"open_clip","revision":"1"}}}}'
        made += [caption(clip, writer, "a dog", score=0.2, settings=settings) for clip in clips]
    made += [caption(clips[0], Writer("old", "m", ""), "a cat", score=0.2, settings=" not JSON ")]
    corpus = handed.committed(tmp_path / "out", made)
    for other, expected in ((EARS, True), (Writer("old", "m", ""), False)):
        text = cells(Page(written(corpus, (EYES, other))))
        assert ("by different scorers" in text) is expected
        assert "by open_clip B 1" in text


def test_a_part_that_is_gone_is_said(out: Path, tmp_path: Path):
    shutil.copytree(out, tmp_path / "out")
    corpus = tables.open_corpus(str(tmp_path / "out"))
    for part in (tmp_path / "out" / "tables" / "captions").rglob("*.parquet"):
        part.unlink()
    with pytest.raises(ConfigError, match="captions: a part of this snapshot is gone"):
        writers.writers(corpus, "short")
    with pytest.raises(ConfigError, match="captions: a part of this snapshot is gone"):
        writers.compare(corpus, "short", (EYES, EARS), 3, 0)


def test_the_policy_lets_its_own_scripts_run_alone(page: Page):
    (policy,) = [
        name["content"] for tag, name in page.elements if tag == "meta" and "content-security" in str(name).lower()
    ]
    assert "default-src 'none'" in (policy or "")
    assert (policy or "").count("'sha256-") == len(page.scripts)
