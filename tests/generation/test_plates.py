"""A plate has exactly the frames, pixels and transitions that were planned."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from generation.asset import ShotTake
from generation.plates import check_timeline, make_plate, plate_pictures, shot_pictures
from tests.generation.takes import grey, lumas, make_asset, make_takes, render_take
from transforms.failures import ElementError


def shot(name="a", start=0, frames=20, **changes) -> ShotTake:
    return ShotTake(name=name, requests=(name,), start=start, frames=frames, **changes)


def means(asset, takes):
    return [float(picture.y.mean()) for picture in plate_pictures(asset, takes)]


def test_a_cut_is_on_its_frame(tmp_path):
    takes = {
        "a": render_take(tmp_path / "a.mp4", luma=grey),
        "b": render_take(tmp_path / "b.mp4", luma=lambda n: 130 + 3 * n),
    }
    asset = make_asset(tmp_path, shots=(shot("a", 0, 20), shot("b", 20, 20)), card=0)
    expected = [grey(n) for n in range(20)] + [130 + 3 * n for n in range(20)]
    assert means(asset, takes) == pytest.approx(expected, abs=1.5)


def test_a_dissolve_overlaps_and_goes_evenly(tmp_path):
    takes = {
        "a": render_take(tmp_path / "a.mp4", luma=lambda n: 40),
        "b": render_take(tmp_path / "b.mp4", luma=lambda n: 200),
    }
    shots = (shot("a", 0, 20, transition="dissolve", transition_frames=7), shot("b", 13, 20))
    asset = make_asset(tmp_path, shots=shots, card=0)
    got = means(asset, takes)
    assert len(got) == 33
    assert got[12:21] == pytest.approx([40, *(40 + 160 * k / 8 for k in range(1, 8)), 200], abs=1.5)


def test_a_fade_is_black_between_both(tmp_path):
    takes = {name: render_take(tmp_path / f"{name}.mp4", luma=lambda n: 200) for name in "ab"}
    shots = (shot("a", 0, 20, transition="fade", transition_frames=8), shot("b", 20, 20))
    got = means(make_asset(tmp_path, shots=shots, card=0), takes)
    assert got[15] == pytest.approx(200, abs=1)
    assert got[16] > got[17] > got[18] > got[19]
    assert got[19] == got[20] == pytest.approx(16 + 184 / 8, abs=1)
    assert got[24] == pytest.approx(200, abs=1)


def test_parts_of_a_shot_lie_one_after_the_other(tmp_path):
    paths = [
        render_take(tmp_path / "0.mp4", frames=10),
        render_take(tmp_path / "1.mp4", frames=30, luma=lambda n: 100 + n),
    ]
    asset = make_asset(tmp_path)
    got = [float(p.y.mean()) for p in shot_pictures(shot(frames=25), paths, asset.format)]
    assert got == pytest.approx([*map(grey, range(10)), *(100 + n for n in range(15))], abs=1.5)


@pytest.mark.parametrize(("rate", "frames"), [("12", 13), ("16", 17), ("30000/1001", 32), ("30", 31), ("25", 26)])
def test_takes_of_another_rate_keep_their_time(tmp_path, rate, frames):
    path = render_take(tmp_path / "a.mp4", frames=frames, rate=rate, luma=lambda n: 20 + 4 * n)
    got = [float(p.y.mean()) for p in shot_pictures(shot(frames=24), [path], make_asset(tmp_path).format)]
    # At each time the frame is seen that the take shows then.
    expected = [20 + 4 * int((Fraction(n, 24) + Fraction(1, 1000)) * Fraction(rate)) for n in range(24)]
    assert len(got) == 24
    assert got == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize(("have", "fails"), [(24, False), (18, False), (17, True)])
def test_a_moment_too_short_is_held_and_more_is_refused(tmp_path, have, fails):
    path = render_take(tmp_path / "a.mp4", frames=have)
    pictures = shot_pictures(shot(frames=24), [path], make_asset(tmp_path).format)
    if fails:
        with pytest.raises(ElementError, match="7 of 24 frames short"):
            list(pictures)
    else:
        got = [float(p.y.mean()) for p in pictures]
        assert got[have - 1 :] == pytest.approx([grey(have - 1)] * (25 - have), abs=1.5)


@pytest.mark.parametrize(
    ("take", "form"),
    [((320, 192), (320, 180)), ((192, 320), (180, 320)), ((640, 360), (320, 320)), ((320, 184), (256, 320)),
     ((200, 112), (320, 180)), ((324, 180), (320, 178))],
)  # fmt: skip
def test_any_take_covers_any_format_without_bars(tmp_path, take, form):
    path = render_take(tmp_path / "a.mp4", take[0], take[1], frames=2, luma=lambda n: 200)
    asset = make_asset(tmp_path, width=form[0], height=form[1])
    for picture in shot_pictures(shot(frames=2), [path], asset.format):
        assert picture.size == form
        assert picture.y.min() > 190


def test_a_crop_is_laid_around_the_focus(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 640, 180, "yuv420p"
        ramp = np.repeat(np.tile(np.linspace(0, 255, 640).astype(np.uint8), (180, 1))[..., None], 3, axis=2)
        for n in range(2):
            frame = av.VideoFrame.from_image(Image.fromarray(ramp))
            frame.pts = n
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    form = make_asset(tmp_path, width=180, height=180).format
    seen = [
        float(next(iter(shot_pictures(shot(frames=2, focus=(x, 0.5)), [tmp_path / "a.mp4"], form))).y.mean())
        for x in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert seen == sorted(seen)
    assert seen[2] == pytest.approx(125, abs=3)
    assert seen[1] == pytest.approx(16 + 219 * 0.25, abs=3)


def test_colours_of_other_matrices_become_bt709(tmp_path):
    # Red, as SD files without a tag have it: in BT.601.
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for n in range(2):
            frame = av.VideoFrame.from_image(Image.new("RGB", (320, 180), (220, 30, 30)))
            frame.pts = n
            out.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU601")))
        out.mux(stream.encode(None))
    form = make_asset(tmp_path).format
    picture = next(iter(shot_pictures(shot(frames=2), [tmp_path / "a.mp4"], form)))
    rgb = picture.frame(0, 1).reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()[90, 160]
    assert np.abs(rgb.astype(int) - (220, 30, 30)).max() <= 6


def test_a_plate_is_a_file_without_words_that_assets_share(tmp_path):
    takes = make_takes(tmp_path)
    asset = make_asset(tmp_path)
    plate = make_plate(asset, takes, tmp_path / "plates")
    assert plate.frames == 44 == len(lumas(plate.path))
    assert plate.path.name == f"{plate.key}.mp4"
    written = plate.path.stat().st_mtime_ns
    other = make_asset(tmp_path, "ar")
    assert make_plate(other, takes, tmp_path / "plates") == plate
    assert plate.path.stat().st_mtime_ns == written
    assert [p.name for p in (tmp_path / "plates").iterdir()] == [plate.path.name]


def test_another_take_or_size_is_another_plate(tmp_path):
    takes = make_takes(tmp_path)
    asset = make_asset(tmp_path)
    key = make_plate(asset, takes, tmp_path / "plates").key
    larger = dataclasses.replace(asset, format=dataclasses.replace(asset.format, width=322))
    assert make_plate(larger, takes, tmp_path / "plates").key != key
    takes["a"] = render_take(tmp_path / "again.mp4", luma=lambda n: 60 + n, tone=0.1)
    assert make_plate(asset, takes, tmp_path / "plates").key != key


def test_the_same_takes_give_the_same_bytes(tmp_path):
    takes, asset = make_takes(tmp_path), make_asset(tmp_path)
    one, two = (make_plate(asset, takes, tmp_path / name).path.read_bytes() for name in ("x", "y"))
    assert one == two


def test_a_missing_or_broken_take_is_one_failed_asset_and_leaves_nothing(tmp_path):
    takes, asset = make_takes(tmp_path), make_asset(tmp_path)
    with pytest.raises(ElementError, match="no take of request b"):
        make_plate(asset, {"a": takes["a"]}, tmp_path / "plates")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(takes["b"].read_bytes()[:3000])
    with pytest.raises(ElementError):
        make_plate(asset, {**takes, "b": cut}, tmp_path / "plates")
    assert not list(Path(tmp_path / "plates").iterdir())


@pytest.mark.parametrize(
    "shots",
    [
        (shot("a", 0, 20), shot("b", 21, 20)),
        (shot("a", 1, 20),),
        (shot("a", 0, 20, transition="dissolve", transition_frames=4), shot("b", 20, 20)),
    ],
)
def test_shots_that_do_not_follow_one_another_are_refused(tmp_path, shots):
    with pytest.raises(ElementError, match="begins at") as caught:
        check_timeline(make_asset(tmp_path, shots=shots, card=0))
    assert caught.value.error_class == "internal"


def test_shots_that_do_not_fill_the_format_are_refused(tmp_path):
    asset = make_asset(tmp_path)
    with pytest.raises(ElementError, match="last 64 frames, the format 70"):
        check_timeline(dataclasses.replace(asset, format=dataclasses.replace(asset.format, frames=70)))
