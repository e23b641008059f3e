"""Finished files have the form that platforms ask for, and what does not is refused."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from generation.asset import Format
from generation.boxes import boxes
from generation.encoding import Track, check_video, rate_options, write_video
from generation.planes import Picture
from transforms.failures import ElementError

FORM = Format(name="f", width=320, height=180, frames=48, frame_rate="24000/1001")


def pictures(frames=48, noise=0):
    generator = np.random.default_rng(1)
    for number in range(frames):
        picture = Picture.of_image(Image.new("RGB", (320, 180), (number * 4, 80, 120)))
        if noise:
            picture.y[:] = generator.integers(16, 235, picture.y.shape)
        yield picture


def tone(seconds=2.0, rate=48_000):
    wave = 0.2 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def written(path, form=FORM, noise=0, track=True):
    options = rate_options(form, 23, "ultrafast")
    sound = Track(samples=tone(), rate=48_000) if track else None
    write_video(path, pictures(form.frames, noise), form, form.frames, options, sound)
    return path


def test_a_file_is_h264_and_aac_at_a_constant_rate_with_its_index_first(tmp_path):
    path = written(tmp_path / "a.mp4")
    check_video(path, FORM, 48)
    assert [box.name for box in boxes(path)][:2] == ["ftyp", "moov"]
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (audio.rate, audio.layout.name) == (48_000, "stereo")
        assert str(video.average_rate) == "24000/1001"
        assert video.codec_context.pix_fmt == "yuv420p"
        times = [float(f.time) for f in container.decode(video)]
    assert times == pytest.approx([n * 1001 / 24000 for n in range(48)])


def test_sound_is_as_long_as_the_picture(tmp_path):
    with av.open(str(written(tmp_path / "a.mp4"))) as container:
        samples = sum(f.samples for f in container.decode(audio=0))
        assert abs(samples - 2.0 * 48_000) < 2048


def test_the_same_pictures_give_the_same_bytes(tmp_path):
    assert written(tmp_path / "a.mp4").read_bytes() == written(tmp_path / "b.mp4").read_bytes()


def test_a_lowest_bit_rate_is_held_by_pictures_that_need_none(tmp_path):
    form = dataclasses.replace(FORM, least_kbps=2000)
    path = written(tmp_path / "a.mp4", form, track=False)
    assert path.stat().st_size * 8 / 2.002 / 1000 > 2000
    assert written(tmp_path / "b.mp4", track=False).stat().st_size * 8 / 2.002 / 1000 < 500


def test_a_largest_file_is_kept_by_pictures_that_want_more(tmp_path):
    form = dataclasses.replace(FORM, most_bytes=400_000)
    path = written(tmp_path / "a.mp4", form, noise=1)
    check_video(path, form, 48)
    assert path.stat().st_size <= 400_000 < written(tmp_path / "b.mp4", noise=1).stat().st_size


@pytest.mark.parametrize("frames", [47, 49])
def test_too_few_or_too_many_pictures_leave_no_file(tmp_path, frames):
    with pytest.raises(ElementError):
        write_video(tmp_path / "a.mp4", pictures(frames), FORM, 48, {"preset": "ultrafast", "crf": "23"}, None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "frames", "said"),
    [
        ({}, 47, "48 frames"),
        ({"width": 322}, 48, "not H.264 of 322x180"),
        ({"frame_rate": "24"}, 48, "uneven times"),
        ({"least_kbps": 9000}, 48, "the platform asks for 9000"),
        ({"most_bytes": 100}, 48, "the platform takes 100"),
    ],
)
def test_a_file_that_is_not_as_planned_is_refused(tmp_path, changes, frames, said):
    path = written(tmp_path / "a.mp4")
    with pytest.raises(ElementError, match=said):
        check_video(path, dataclasses.replace(FORM, **changes), frames)


def test_an_index_at_the_end_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
        for number, picture in enumerate(pictures()):
            out.mux(stream.encode(picture.frame(number, Fraction(1, 24))))
        out.mux(stream.encode(None))
    with pytest.raises(ElementError, match="index does not come first"):
        check_video(path, dataclasses.replace(FORM, frame_rate="24"), 48)
