"""Contact sheets: a sample that depends on nothing but the clips, pictures first, and only pictures of the store."""

from __future__ import annotations

import base64
import io
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from pages import contact


def table(rows: Sequence[tuple[str, list[str] | None, str | None]]) -> pa.Table:
    columns = {
        "clip_id": pa.array([r[0] for r in rows], pa.string()),
        "kept": pa.array([not r[1] for r in rows], pa.bool_()),
        "reasons": pa.array([r[1] for r in rows], pa.list_(pa.string())),
        "frame_uri": pa.array([r[2] for r in rows], pa.string()),
    }
    return pa.table(columns)


def jpeg(width: int, height: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(made, "JPEG")
    return made.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An output folder with a file of two frames, one of them broken."""
    folder = tmp_path / "out" / "store" / "measure"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "samples.zip", "w") as archive:
        archive.writestr("frames/1.jpg", jpeg(640, 360))
        archive.writestr("frames/2.jpg", b"no picture")
    return tmp_path / "out"


def test_the_same_clips_are_shown_in_whatever_order_they_come():
    rng = random.Random(1)
    rows = [(f"{k:04x}", rng.choice([None, ["black"], ["black", "still"]]), "store/x#y") for k in range(500)]
    first = contact.choose(table(rows))
    for _ in range(3):
        rng.shuffle(rows)
        assert contact.choose(table(rows)) == first
    assert [(reason, len(shown)) for reason, _, shown in first] == [("", 32), ("black", 16), ("still", 16)]
    assert first[0][1] == sum(not why for _, why, _ in rows)
    assert first[0][2] == sorted(clip for clip, why, _ in rows if not why)[:32]


def test_clips_with_a_picture_come_first_and_none_is_shown_twice_while_there_are_others():
    rows = [("a", ["black", "still"], None), ("b", ["black", "still"], "store/x#y"), ("c", ["still"], None)]
    assert contact.choose(table(rows)) == [("still", 3, ["b", "a", "c"]), ("black", 2, ["b", "a"])]
    many = [(f"{k:02}", ["black", "still"] if k < 40 else ["still"], "store/x#y") for k in range(80)]
    (_, _, still), (_, _, black) = contact.choose(table(many))
    assert not set(still) & set(black)


def test_no_clips_give_no_sheets():
    assert contact.choose(table([])) == []
    assert [s[0] for s in contact.choose(table([("a", ["black"], None)]))] == ["black"]


def test_a_picture_is_made_small_and_a_broken_one_left_out(store):
    names = [f"store/measure/samples.zip#frames/{k}.jpg" for k in (1, 2, 3)]
    found = contact.pictures(str(store), names)
    assert list(found) == names[:1]
    head, _, data = found[names[0]].partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (224, 126)


@pytest.mark.parametrize("file", ["secret.zip", "store/../secret.zip", "/etc/secret.zip", "http://host/secret.zip", ""])
def test_nothing_outside_the_store_is_opened(store, file):
    with zipfile.ZipFile(store / "secret.zip", "w") as archive:
        archive.writestr("frames/1.jpg", jpeg(64, 36))
    assert contact.pictures(str(store), [f"{file}#frames/1.jpg"]) == {}


def test_a_picture_that_claims_to_be_huge_is_not_decoded(monkeypatch):
    monkeypatch.setattr(contact, "LARGEST_JPEG", 100)
    with pytest.raises(OSError, match="640x360"):
        contact.thumbnail(jpeg(640, 360))


def test_the_story_of_a_clip_is_its_reasons_with_number_and_limit():
    row = {"reasons": ["black", "still"], "reason_values": [("black", 0.9)], "reason_limits": {"black": 0.5}}
    assert contact.story(row) == [("black", 0.9, 0.5), ("still", None, None)]
    assert contact.story({"reasons": None, "reason_values": None, "reason_limits": None}) == []
