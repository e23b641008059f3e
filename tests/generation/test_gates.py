"""Gates tell a take that was asked for from one that is short, small, black, frozen, silent or broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.gates import GATES, GateSettings, check_take
from generation.request import Request
from tests.generation.takes import render_take


def request(**changes):
    given = {
        "campaign": "c", "cell": "x=1", "engine": "e", "prompt": "p", "width": 320, "height": 180, "frames": 36,
        "frame_rate": "24",
    }  # fmt: skip
    return Request(**{**given, **changes})


def failed(path: Path, **changes) -> dict[str, str]:
    return {gate.name: gate.message for gate in check_take(path, request(**changes)) if not gate.passed}


@pytest.fixture(scope="module")
def sound_take(tmp_path_factory) -> Path:
    return render_take(tmp_path_factory.mktemp("takes") / "a.mp4", frames=36, texture=True, tone=0.1)


def test_what_was_asked_for_passes_every_gate(sound_take):
    gates = check_take(sound_take, request(sound=True))
    assert [gate.name for gate in gates] == list(GATES)
    assert all(gate.passed for gate in gates), gates
    assert not any(gate.message for gate in gates)


def test_sound_is_looked_at_only_where_it_was_asked_for(sound_take):
    assert "sound" not in {gate.name for gate in check_take(sound_take, request())}


def test_a_larger_picture_of_the_same_shape_passes(sound_take):
    assert not failed(sound_take, width=160, height=90)


def test_a_smaller_picture_fails_and_says_both_sizes(sound_take):
    assert failed(sound_take, width=640, height=360) == {"size": "320x180 pixels, 640x360 asked for"}


def test_another_shape_fails(sound_take):
    assert "shape" in failed(sound_take, width=180, height=180)


def test_a_grid_that_is_a_little_off_the_shape_passes(tmp_path):
    take = render_take(tmp_path / "a.mp4", 320, 182, 36, texture=True)
    assert not failed(take, width=320, height=180)


@pytest.mark.parametrize(("frames", "wrong"), [(33, True), (34, False), (36, False), (50, False), (51, True)])
def test_the_length_may_be_off_as_far_as_is_allowed(tmp_path, frames, wrong):
    take = render_take(tmp_path / "a.mp4", frames=frames, texture=True)
    assert ("duration" in failed(take)) is wrong


def test_another_frame_rate_fails(tmp_path):
    take = render_take(tmp_path / "a.mp4", frames=24, rate="16", texture=True)
    assert failed(take) == {"rate": "16.000 frames a second, 24.000 asked for"}


def test_a_black_take_fails_and_one_that_fades_in_passes(tmp_path):
    black = render_take(tmp_path / "a.mp4", frames=36, luma=lambda n: 16)
    assert "black for 1.50 of 1.50 s" in failed(black)["black"]
    fading = render_take(tmp_path / "b.mp4", frames=36, luma=lambda n: 16 if n < 4 else 20 + 4 * n)
    assert not failed(fading)


def test_black_only_at_the_end_counts_too(tmp_path):
    take = render_take(tmp_path / "a.mp4", frames=36, luma=lambda n: 16 if n >= 24 else 60 + 4 * n)
    gate = next(gate for gate in check_take(take, request()) if gate.name == "black")
    assert gate.value == pytest.approx(1 / 3, abs=0.03)
    assert not gate.passed


def test_a_still_take_fails_and_a_moving_one_passes(tmp_path):
    still = render_take(tmp_path / "a.mp4", frames=36, luma=lambda n: 120)
    assert "frozen" in failed(still)


def test_silence_fails_where_sound_was_asked_for(tmp_path, sound_take):
    mute = render_take(tmp_path / "a.mp4", frames=36, texture=True)
    assert failed(mute, sound=True) == {"sound": "no sound, and it was asked for"}
    silent = render_take(tmp_path / "b.mp4", frames=36, texture=True, tone=1e-5)
    assert "silent for" in failed(silent, sound=True)["sound"]


def test_sound_that_ends_before_the_picture_is_silent_from_there(tmp_path):
    take = render_take(tmp_path / "a.mp4", frames=36, texture=True, tone=0.1, silent_from=0.5)
    gate = check_take(take, request(sound=True))[-1]
    assert gate.value == pytest.approx(2 / 3, abs=0.06)


def test_a_file_that_cannot_be_decoded_fails_one_gate(tmp_path, sound_take):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(sound_take.read_bytes()[:2000])
    (gate,) = check_take(cut, request())
    assert (gate.name, gate.passed) == ("decodable", False)
    assert gate.message


def test_a_playlist_is_not_opened(tmp_path):
    sly = tmp_path / "list.mp4"
    sly.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    (gate,) = check_take(sly, request())
    assert gate.name == "decodable"


def test_a_text_file_and_a_missing_file_fail_alike(tmp_path):
    for path in (tmp_path / "none.mp4", Path(__file__)):
        (gate,) = check_take(path, request())
        assert not gate.passed


def test_limits_are_settings(tmp_path):
    still = render_take(tmp_path / "a.mp4", frames=36, luma=lambda n: 120)
    gates = check_take(still, request(), GateSettings(frozen=1.0))
    assert all(gate.passed for gate in gates)
