"""Finished files are what was planned, frame by frame, and are made once."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import av
import numpy as np
import pytest

from generation.asset import EndCard, SafeArea
from generation.boxes import boxes
from generation.finishing import FILE_STEPS, PICTURE_STEPS, FinishSettings, finish
from generation.loudness import level_of
from generation.sound import read_sound
from tests.generation.takes import file_of, frame_at, lumas, make_asset, make_takes, render_take
from transforms.failures import ElementError

FAST = FinishSettings(preset="ultrafast")
FORMS = [(320, 180), (216, 384), (270, 270), (240, 300)]


@pytest.mark.parametrize("form", FORMS, ids=["16:9", "9:16", "1:1", "4:5"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_finished_file_has_the_planned_frames_pixels_and_level(tmp_path, form, language):
    asset = make_asset(tmp_path, language, *form)
    made = finish(asset, make_takes(tmp_path), tmp_path / "out", FAST)
    with av.open(str(made.path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == made.frames == asset.format.frames == 64
    assert (frames[0].width, frames[0].height) == form
    assert made.seconds == pytest.approx(64 / 24)
    assert [box.name for box in boxes(made.path)][:2] == ["ftyp", "moov"]
    assert made.bytes == made.path.stat().st_size
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert made.loudness == pytest.approx(-14, abs=0.5)
    assert made.true_peak is not None
    assert made.true_peak <= -1
    again = level_of(read_sound(made.path, 48_000)[:, : round(64 / 24 * 48_000)], 48_000)
    assert again.loudness == pytest.approx(made.loudness, abs=0.2)


def test_the_plate_has_no_words_and_the_file_has(tmp_path):
    asset = make_asset(tmp_path)
    takes = make_takes(tmp_path)
    takes["a"] = render_take(tmp_path / "flat.mp4", luma=lambda n: 60, tone=0.1)
    made = finish(asset, takes, tmp_path / "out", FAST)
    assert frame_at(made.plate, 12).std() < 1
    assert frame_at(made.path, 12).std() > 10


def test_the_end_card_begins_on_its_frame_and_lasts_to_the_end(tmp_path):
    asset = make_asset(tmp_path, card=17)
    made = finish(asset, make_takes(tmp_path), tmp_path / "out", FAST)
    got = lumas(made.path)
    assert len(got) == 61
    assert abs(got[44] - got[43]) > 15
    assert np.ptp(got[44:]) < 1
    assert len(lumas(made.plate)) == 44


def test_a_dissolve_into_the_end_card_keeps_the_label(tmp_path):
    asset = make_asset(tmp_path)
    last = dataclasses.replace(asset.shots[1], transition="dissolve", transition_frames=8)
    card = EndCard(start=36, frames=28)
    asset = dataclasses.replace(asset, shots=(asset.shots[0], last), end_card=card)
    made = finish(asset, make_takes(tmp_path), tmp_path / "out", FAST)
    got = lumas(made.path)
    assert len(got) == 64
    steps = np.diff(got[35:46])
    assert np.abs(steps).max() < 0.4 * abs(got[46] - got[35]) + 6, "it goes over, it does not jump"
    width = asset.format.width
    corners = [frame_at(made.path, n)[8:22, width // 2 :].astype(int) for n in (20, 40, 60)]
    bright = [np.count_nonzero(corner.min(axis=2) > 200) for corner in corners]
    assert min(bright) > 0.6 * max(bright)


def test_an_asset_without_end_card_and_sound_is_whole(tmp_path):
    asset = make_asset(tmp_path, card=0)
    shots = tuple(dataclasses.replace(shot, sound=False) for shot in asset.shots)
    made = finish(dataclasses.replace(asset, shots=shots), make_takes(tmp_path, tone=0), tmp_path / "out", FAST)
    assert len(lumas(made.path)) == 44
    assert made.loudness is None
    assert "nothing can be heard: a silent track stands for sound" in made.told
    with av.open(str(made.path)) as container:
        assert container.streams.audio


def test_the_same_asset_gives_the_same_bytes(tmp_path):
    takes, asset = make_takes(tmp_path), make_asset(tmp_path)
    one, two = (finish(asset, takes, tmp_path / name, FAST) for name in ("x", "y"))
    assert one.path.read_bytes() == two.path.read_bytes()
    assert dataclasses.replace(one, path=two.path, plate=two.plate) == two


def test_what_is_there_is_not_made_again_and_what_changed_is(tmp_path):
    takes, asset = make_takes(tmp_path), make_asset(tmp_path)
    first = finish(asset, takes, tmp_path / "out", FAST)
    stamp = first.path.stat().st_mtime_ns
    assert finish(asset, takes, tmp_path / "out", FAST) == first
    # Factors and the name stand in no pixel.
    assert finish(dataclasses.replace(asset, factors=(("hook", "b"),)), takes, tmp_path / "out", FAST) == first
    assert first.path.stat().st_mtime_ns == stamp
    other = dataclasses.replace(asset, copy=dataclasses.replace(asset.copy, price="14.90 €"))
    second = finish(other, takes, tmp_path / "out", FAST)
    assert second.path == first.path
    assert second.sha256 != first.sha256
    assert second.plate == first.plate


def test_a_file_that_was_changed_or_removed_is_made_again(tmp_path):
    takes, asset = make_takes(tmp_path), make_asset(tmp_path)
    first = finish(asset, takes, tmp_path / "out", FAST)
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:-1])
    assert finish(asset, takes, tmp_path / "out", FAST) == first
    assert first.path.read_bytes() == whole
    first.path.with_suffix(".json").write_text("{", "utf-8")
    assert finish(asset, takes, tmp_path / "out", FAST) == first
    assert json.loads(first.path.with_suffix(".json").read_text("utf-8"))["sha256"] == first.sha256


def test_a_further_step_changes_pictures_or_the_file(tmp_path):
    def marked(pictures, work):
        for picture in pictures:
            picture.y[:8, :8] = 235
            yield picture

    def noted(path, work):
        work.told.append(f"{work.asset.name}: {path.stat().st_size} bytes before its name")

    made = finish(
        make_asset(tmp_path),
        make_takes(tmp_path),
        tmp_path / "out",
        FAST,
        picture_steps=(*PICTURE_STEPS, ("mark", marked)),
        file_steps=(*FILE_STEPS, ("note", noted)),
    )
    assert made.steps == ("plate", "end_card", "copy", "mark", "sound", "encode", "read_back", "note")
    assert made.told[-1] == f"test_en: {made.bytes} bytes before its name"
    assert frame_at(made.path, 50)[:6, :6].mean() > 225


def test_a_step_that_fails_leaves_nothing_under_a_name(tmp_path):
    def broken(path, work):
        raise ElementError("internal", "no")

    with pytest.raises(ElementError):
        finish(make_asset(tmp_path), make_takes(tmp_path), tmp_path / "out", FAST, file_steps=(("broken", broken),))
    assert not [path for path in (tmp_path / "out/assets").rglob("*") if path.is_file()]


def test_a_logo_that_changed_since_the_plan_is_refused(tmp_path):
    asset, takes = make_asset(tmp_path), make_takes(tmp_path)
    (tmp_path / "logo.png").write_bytes(b"other")
    with pytest.raises(ElementError, match="not what it was") as caught:
        finish(asset, takes, tmp_path / "out", FAST)
    assert caught.value.error_class == "changed"


def test_files_from_elsewhere_are_taken_by_their_digest(tmp_path):
    asset, takes = make_asset(tmp_path), make_takes(tmp_path)
    logo = dataclasses.replace(file_of(tmp_path / "logo.png"), uri="gs://bucket/logo.png")
    far = dataclasses.replace(asset, brand=dataclasses.replace(asset.brand, logo=logo))
    with pytest.raises(ElementError, match=r"cannot read logo\.png"):
        finish(far, takes, tmp_path / "out", FAST)
    assert finish(far, takes, tmp_path / "out", FAST, {logo.sha256: tmp_path / "logo.png"}).frames == 64


def test_music_lies_under_the_whole_asset(tmp_path):
    music = render_take(tmp_path / "music.mp4", frames=20, tone=0.3)
    asset = dataclasses.replace(make_asset(tmp_path), music=file_of(music))
    shots = tuple(dataclasses.replace(shot, sound=False) for shot in asset.shots)
    made = finish(dataclasses.replace(asset, shots=shots), make_takes(tmp_path), tmp_path / "out", FAST)
    heard = read_sound(made.path, 48_000)
    blocks = np.abs(heard[:, : 48_000 * 2]).reshape(2, 20, -1).max(axis=(0, 2))
    assert blocks.min() > 0.02
    assert made.loudness == pytest.approx(-14, abs=0.5)


def test_a_text_without_a_place_fails_the_asset_and_says_which(tmp_path):
    asset = make_asset(tmp_path, safe=SafeArea(top=0.4, bottom=0.4))
    with pytest.raises(ElementError, match="does not fit") as caught:
        finish(asset, make_takes(tmp_path), tmp_path / "out", FAST)
    assert caught.value.error_class == "bad_copy"
