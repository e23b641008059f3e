"""Rendering: every mode gives a file of the asked form that passes the gates, and the same bytes each time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from generation.animatics.camera import MOVES
from generation.animatics.footage import frames_at, last_frame
from generation.animatics.rendering import Work, render
from generation.animatics.shots import shots_of
from generation.animatics.slate import bar_height
from generation.gates import check_take
from generation.request import MODES, Input, Request, Shot
from tests.generation.engines.videoserver import video
from transforms.failures import ElementError

SIZE = (192, 108)
SHA = "0" * 64


def asked(mode: str = "text", **more: Any) -> Request:
    values = {"width": SIZE[0], "height": SIZE[1], "frames": 20, "frame_rate": "25", "prompt": "a red kite"}
    return Request(campaign="kites", cell="c", shot="hero", engine="animatic", mode=mode, **{**values, **more})


def given(*roles: str) -> tuple[Input, ...]:
    return tuple(Input(role=role, uri=role, sha256=SHA) for role in roles)


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """A file for each role."""
    picture = np.random.default_rng(1).integers(0, 255, (6, 10, 3)).astype(np.uint8)
    photo = Image.fromarray(picture).resize((320, 180))
    photo.save(tmp_path / "photo.png")
    photo.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "other.png")
    bottle = np.full((100, 80, 3), 255, np.uint8)
    bottle[20:90, 30:50] = (20, 90, 20)
    Image.fromarray(bottle).save(tmp_path / "bottle.png")
    mask = np.zeros((108, 192), np.uint8)
    mask[40:, 96:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    (tmp_path / "before.mp4").write_bytes(video(320, 180, Fraction(25), 0.8, 3))
    names = {"image": "photo", "first_frame": "photo", "last_frame": "other", "subject": "bottle", "style": "photo"}
    found = {role: tmp_path / f"{name}.png" for role, name in names.items()}
    return found | {"mask": tmp_path / "mask.png", "video": tmp_path / "before.mp4", "sound": tmp_path / "before.mp4"}


def made(
    request: Request, files: dict[str, Path], to: Path, seed: int = 7, voice: str | None = None
) -> tuple[list[np.ndarray], str]:
    inputs = {n: str(files[one.role]) for n, one in enumerate(request.inputs)}
    lack = render(Work(request=request.to_json(), seed=seed, inputs=inputs, to=str(to), voice=voice, seconds=60.0))
    with av.open(str(to)) as found:
        return [frame.to_ndarray(format="rgb24") for frame in found.decode(video=0)], lack


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two frames below the bar, in levels."""
    high = bar_height(*SIZE) + 2
    return float(abs(one[high:].astype(int) - other[high:].astype(int)).mean())


INPUTS = {
    "text": (),
    "image": ("image",),
    "frames": ("first_frame", "last_frame"),
    "video": ("video",),
    "extend": ("video",),
    "fill": ("video", "mask"),
    "remix": ("video",),
    "storyboard": ("subject", "style"),
}


def test_every_mode_has_a_case_here():
    assert set(INPUTS) == set(MODES)


@pytest.mark.parametrize("mode", INPUTS)
def test_every_mode_gives_what_was_asked_for_and_passes_the_gates(files, tmp_path, mode):
    shots = (Shot(prompt="one", frames=12), Shot(prompt="two", frames=8)) if mode == "storyboard" else ()
    request = asked(mode, inputs=given(*INPUTS[mode]), shots=shots, sound=True)
    frames, lack = made(request, files, tmp_path / "a.mp4")
    assert len(frames) == 20
    assert lack == ""
    assert [gate.message for gate in check_take(tmp_path / "a.mp4", request) if not gate.passed] == []


@pytest.mark.parametrize("move", MOVES)
def test_no_move_stands_still_over_a_place_or_a_picture(files, tmp_path, move):
    parameters = (("camera", move),)
    for mode in ("text", "image"):
        request = asked(mode, inputs=given(*INPUTS[mode]), parameters=parameters, frames=50)
        made(request, files, tmp_path / f"{mode}.mp4", seed=4)
        (frozen,) = [gate for gate in check_take(tmp_path / f"{mode}.mp4", request) if gate.name == "frozen"]
        assert frozen.value < 0.2


def test_the_same_request_gives_the_same_bytes_and_another_seed_another_picture(files, tmp_path):
    request = asked(inputs=given("subject"), sound=True)
    first, _ = made(request, files, tmp_path / "a.mp4")
    for _ in range(3):
        made(request, files, tmp_path / "b.mp4")
        assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    other, _ = made(request, files, tmp_path / "c.mp4", seed=8)
    assert apart(first[0], other[0]) > 1


@pytest.mark.parametrize(("rate", "frames", "seconds"), [("24", 24, 1.0), ("30000/1001", 30, 1.001), ("60", 30, 0.5)])
def test_sound_is_exactly_as_long_as_the_picture(files, tmp_path, rate, frames, seconds):
    found, _ = made(asked(frame_rate=rate, frames=frames, sound=True), files, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as file:
        picture: Any = file.streams.video[0]
        sound: Any = file.streams.audio[0]
        assert picture.average_rate == Fraction(rate)
        assert float(picture.duration * picture.time_base) == pytest.approx(seconds, abs=1e-4)
        assert float(sound.duration * sound.time_base) == pytest.approx(seconds, abs=1e-3)
    assert len(found) == frames


def test_no_sound_where_none_was_asked_for(files, tmp_path):
    made(asked(), files, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert not file.streams.audio


def test_first_and_last_frame_are_those_that_were_given(files, tmp_path):
    frames, _ = made(asked("frames", inputs=given("first_frame", "last_frame")), files, tmp_path / "a.mp4")
    for frame, role in ((frames[0], "first_frame"), (frames[-1], "last_frame")):
        with Image.open(files[role]) as picture:
            wanted = np.asarray(picture.convert("RGB").resize(SIZE, Image.Resampling.BOX))
        assert apart(frame, wanted) < 8
    assert apart(frames[0], frames[-1]) > 25


def test_no_light_lies_over_a_frame_that_is_given(files, tmp_path):
    for role in ("first_frame", "last_frame"):
        files[role] = tmp_path / f"{role}-plain.png"
        Image.new("RGB", SIZE, (128, 128, 128)).save(files[role])
    frames, _ = made(asked("frames", frames=50, inputs=given("first_frame", "last_frame")), files, tmp_path / "a.mp4")
    high = bar_height(*SIZE) + 2
    spread = [frame[high:].std() for frame in (frames[0], frames[25], frames[-1])]
    assert max(spread[0], spread[2]) < 1
    assert spread[1] > 2


def test_what_goes_on_begins_after_the_last_frame_and_shows_no_second_bar(files, tmp_path):
    before, _ = made(asked(inputs=given("subject"), parameters=(("camera", "push in"),)), files, tmp_path / "a.mp4")
    files["video"] = tmp_path / "a.mp4"
    after, _ = made(asked("extend", inputs=given("video"), part=1), files, tmp_path / "b.mp4")
    assert apart(before[-1], after[0]) < 4
    assert apart(before[-1], after[-1]) > apart(before[-1], after[0])
    ((shot, _, _),) = shots_of(asked("extend", inputs=given("video")), 7, {0: files["video"]})
    assert (shot(0.0, 0.0) != last_frame(files["video"], SIZE)).any()  # not the same frame twice
    clean = last_frame(tmp_path / "a.mp4", SIZE)
    high = bar_height(*SIZE)
    assert clean[: high - 1, :, :3].mean() > before[-1][: high - 1].mean() + 20  # the dark bar is gone


def test_a_filled_part_is_new_and_the_rest_is_the_video(files, tmp_path):
    frames, _ = made(asked("fill", inputs=given("video", "mask")), files, tmp_path / "a.mp4")
    old = next(frames_at(files["video"], Fraction(25), SIZE))[..., :3]
    frame = frames[0].astype(int)
    assert abs(frame[50:, :80] - old[50:, :80]).mean() < 8
    assert abs(frame[50:, 110:] - old[50:, 110:]).mean() > 15


def test_a_sound_that_is_given_replaces_the_bed(files, tmp_path):
    made(asked(sound=True, inputs=given("sound")), files, tmp_path / "a.mp4")
    made(asked(sound=True), files, tmp_path / "b.mp4")

    def loudest(path: Path) -> float:
        with av.open(str(path)) as file:
            sound = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)[0]
        return float(np.fft.rfftfreq(len(sound), 1 / 48000)[np.argmax(abs(np.fft.rfft(sound)))])

    assert loudest(tmp_path / "a.mp4") == pytest.approx(223, abs=3)  # the tone of the file
    assert abs(loudest(tmp_path / "b.mp4") - 223) > 5


def test_dialogue_without_a_synthesiser_is_said_to_be_missing(files, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    request = asked(sound=True, parameters=(("dialogue", "Hello there"),))
    assert "install espeak-ng" in made(request, files, tmp_path / "a.mp4", voice="")[1]
    assert made(request, files, tmp_path / "a.mp4", voice=None)[1] == ""


def test_a_video_shorter_than_its_shot_stays_on_its_last_frame(files):
    frames = frames_at(files["video"], Fraction(50), SIZE)
    every = [next(frames) for _ in range(80)]
    assert abs(every[0].astype(int) - every[30]).mean() > 1
    assert (every[50] == every[79]).all()


def test_an_input_that_is_no_media_is_one_failed_element(files, tmp_path):
    (tmp_path / "before.mp4").write_bytes(b"#EXTM3U\n/etc/passwd")
    with pytest.raises(ElementError) as told:
        made(asked("extend", inputs=given("video")), files, tmp_path / "a.mp4")
    assert told.value.error_class == "not_media"
