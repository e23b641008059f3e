"""Events: tables of levels and changes, and rendered footage whose flashes and repeated frames are known."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.shots import Shot, pictures
from tests.transforms.made_signals import about, made
from tests.transforms.tinymedia import render
from transforms.events import (
    STROBE,
    Event,
    clip_events,
    events,
    flash_starts,
    flickering,
    frozen_frames,
    mark,
    repeated_frames,
)
from transforms.measure import MeasureSettings, measure
from transforms.probe import probe
from transforms.signals import Signals, read_signals

PIXELS = 64 * 36


def times(count: int, rate: float = 24.0) -> np.ndarray:
    return np.arange(count + 1) / rate


def signals(luma: Sequence[float] | np.ndarray, moved: Sequence[float] | np.ndarray | None = None, **given: Any):
    """Signals of frames of a mean luma, changing by as much as the light does and 2 levels of movement."""
    level = np.asarray(luma, float)
    change = np.abs(np.diff(level, prepend=level[:1])) + 2.0 if moved is None else np.asarray(moved, float)
    columns = {"gray": np.round(level * PIXELS), "delta_gray": np.round(change * PIXELS)}
    return made(len(level), about(**given), **{name: value.astype(np.int64) for name, value in columns.items()})


def flat(count: int, level: float = 100.0, **changed: float) -> np.ndarray:
    made_levels = np.full(count, level)
    for frame, value in changed.items():
        made_levels[int(frame[1:])] = value
    return made_levels


@pytest.mark.parametrize(
    ("luma", "starts"),
    [
        (flat(48), []),
        (flat(48, f20=200), [20]),
        (flat(48, f20=200, f21=150), [20]),
        (flat(48, f20=0), [20]),
        (flat(48, f20=120), []),  # less than a tenth
        (flat(48, 215, f20=250), []),  # between two bright pictures
        (flat(48, 250, f20=215), []),
        (np.repeat([50.0, 200.0], 24), []),  # a cut
        (np.repeat([50.0, 200.0, 50.0], 24), []),  # two, a second apart
        (np.repeat([50.0, 200.0, 50.0], [24, 3, 24]), [24]),
        (np.concatenate([np.linspace(150, 0, 12), np.linspace(0, 150, 12)]), []),  # through black
        (np.concatenate([np.linspace(150, 0, 8), np.linspace(0, 150, 8)]), []),
        (np.tile([60.0, 200.0], 12), list(range(1, 23, 2))),
        (np.tile([60.0, 60.0, 200.0, 200.0], 6), list(range(2, 22, 4))),
    ],
)
def test_flashes(luma: np.ndarray, starts: list[int]):
    assert np.flatnonzero(flash_starts(luma, times(len(luma)))).tolist() == starts


@pytest.mark.parametrize("rate", [10, 24, 60, 240])
def test_a_flash_is_a_matter_of_time_not_of_frames(rate: int):
    luma = np.full(2 * rate, 80.0)
    luma[rate : rate + max(1, rate // 10)] = 220
    assert np.flatnonzero(flash_starts(luma, times(len(luma), rate))).tolist() == [rate]


@pytest.mark.parametrize(("hertz", "hazard"), [(2, False), (3, False), (5, True), (10, True)])
def test_more_than_three_flashes_a_second_are_a_hazard(hertz: int, hazard: bool):
    luma = np.full(180, 60.0)
    luma[60 : 60 + 90] = np.tile(np.repeat([200.0, 60.0], [1, 60 // hertz - 1]), hertz * 2)[:90]
    marks = mark(signals(luma, time_base_den=60))
    assert marks.strobe.any() == hazard
    row = clip_events(marks, 0, 180)
    assert row["flash_rate"] == hertz
    assert (row["flash_rate"] > STROBE) == hazard
    kinds = {event.kind for event in events(signals(luma, time_base_den=60), marks)}
    assert ("strobe" in kinds) == hazard
    assert "flash" in kinds


@pytest.mark.parametrize(
    ("light", "moved", "share"),
    [
        (3 * np.sin(np.arange(90) * 2 * np.pi * 10 / 30), 0.3, 0.95),  # lamps on mains
        (3 * np.sin(np.arange(90) * 2 * np.pi * 4 / 30), 0.3, 0.85),
        (3 * np.sin(np.arange(90) * 2 * np.pi * 1 / 30), 0.3, 0.0),  # clouds
        (0.2 * np.sin(np.arange(90) * 2 * np.pi * 10 / 30), 0.3, 0.0),  # an encoder's
        (3 * np.sin(np.arange(90) * 2 * np.pi * 10 / 30), 20.0, 0.0),  # a shaking camera
        (np.where((np.arange(90) >= 40) & (np.arange(90) < 48), np.arange(90) % 2 * 90.0, 0.0), 0.3, 0.0),  # lightning
        (np.zeros(90), 0.3, 0.0),
    ],
)
def test_flicker(light: np.ndarray, moved: float, share: float):
    luma = 100 + light
    change = np.abs(np.diff(luma, prepend=luma[:1])) + moved
    found = flickering(luma, change, times(90, 30)).mean()
    assert found >= share if share else found == 0


def test_frozen_frames():
    starts = np.arange(101) / 25
    stretch = (np.arange(100) >= 20) & (np.arange(100) < 80)
    assert (
        frozen_frames(np.where(stretch, 0.01, 3.0), starts).tolist()
        == (np.arange(100) >= 19).tolist()[:80] + [False] * 20
    )
    assert not frozen_frames(np.where((np.arange(100) >= 20) & (np.arange(100) < 60), 0.01, 3.0), starts).any()
    assert not frozen_frames(np.full(100, 0.1), starts).any()  # slow movement adds up
    assert frozen_frames(np.zeros(100), starts).all()
    assert frozen_frames(np.zeros(1), starts[:2]).tolist() == [False]


def holds(*lengths: int, count: int = 96) -> np.ndarray:
    """The number of the picture that each frame shows, each shown for so many frames, in turn."""
    found: list[int] = []
    while len(found) < count:
        found += [len(set(found))] * lengths[len(set(found)) % len(lengths)]
    return np.array(found[:count])


def moves(shown: np.ndarray, seed: int = 0, coded: float = 0.1) -> np.ndarray:
    """How much frames change that show the given pictures: 1.5 to 2.5 levels, and coding noise."""
    random = np.random.default_rng(seed)
    new = np.diff(shown, prepend=-1) != 0
    return np.where(new, random.uniform(1.5, 2.5, len(shown)), 0) + random.uniform(0, coded, len(shown))


CADENCES = {
    "1": (1,),
    "2": (2,),
    "3": (3,),
    "4": (4,),
    "5": (5,),
    "2:3": (2, 3),
    "1:2": (1, 2),
    "1:1:1:2": (1, 1, 1, 2),
    "mixed": (1, 3, 2, 4, 1, 1, 5, 2),
}


@pytest.mark.parametrize("name", CADENCES)
def test_cadences(name: str):
    shown = holds(*CADENCES[name])
    marks = mark(signals(np.full(96, 100.0), moves(shown), time_base_den=60))
    truth = np.diff(shown, prepend=-1) == 0
    assert marks.repeated is not None
    assert marks.repeated.tolist() == truth.tolist()
    row = clip_events(marks, 0, 96)
    assert row["cadence"] == name
    assert row["duplicate_share"] == pytest.approx(truth[1:].mean())
    assert row["unique_rate"] == pytest.approx(60 * (1 - truth.mean()))


def test_a_rhythm_tells_frames_that_are_hardly_still():
    change = np.where(np.arange(96) % 2 == 0, 2.0, 1.0)
    assert repeated_frames(np.full(96, 100.0), change, times(96))[1:].tolist() == (change == 1.0).tolist()[1:]
    # The same number once is a camera that slows down.
    change = np.where(np.arange(96) == 50, 1.0, 2.0)
    assert not repeated_frames(np.full(96, 100.0), change, times(96)).any()


def test_a_still_is_no_slow_film():
    change = np.concatenate([moves(holds(1, count=48)), np.full(48, 0.003)])
    marks = mark(signals(np.full(96, 100.0), change, time_base_den=24))
    row = clip_events(marks, 0, 96)
    assert marks.held[48:].all()
    assert row["unique_rate"] == pytest.approx(24, rel=0.03)
    assert row["duplicate_share"] == pytest.approx(48 / 95)
    assert clip_events(marks, 50, 96)["unique_rate"] is None
    assert clip_events(marks, 50, 96)["cadence"] is None


def test_what_lies_between_cuts_and_flashes_is_not_repeated():
    change = np.full(96, 1.5)
    change[[30, 34, 60]] = 60.0
    assert not repeated_frames(np.full(96, 100.0), change, times(96)).any()
    luma = np.tile([60.0, 60.0, 200.0, 200.0], 24)
    change = np.abs(np.diff(luma, prepend=luma[:1])) + 0.3
    assert not repeated_frames(luma, change, times(96)).any()


def test_a_scan_knows_nothing_of_repeated_frames():
    row = clip_events(mark(signals(np.full(48, 100.0), np.zeros(48), measured="scan")), 0, 48)
    assert (row["duplicate_share"], row["unique_rate"], row["cadence"]) == (None, None, None)


@pytest.mark.parametrize("count", [1, 2, 3, 47, 48, 49])
def test_any_number_of_frames(count: int):
    found = signals(np.full(count, 100.0))
    marks = mark(found)
    assert events(found, marks) == []
    row = clip_events(marks, 0, count)
    assert (row["flashes"], row["flash_rate"], row["flicker_share"]) == (0, 0, 0)
    assert row["duplicate_share"] == (None if count == 1 else 0)


def test_long_videos_are_judged_in_parts_alike(monkeypatch: pytest.MonkeyPatch):
    shown = np.concatenate([holds(2, 3, count=300), 1000 + holds(1, count=200), 2000 + holds(2, count=300)])
    change, starts = moves(shown), times(800, 60)
    whole = repeated_frames(np.full(800, 100.0), change, starts)
    monkeypatch.setattr("transforms.events._AT_ONCE", 7)
    assert repeated_frames(np.full(800, 100.0), change, starts).tolist() == whole.tolist()


def test_events_have_the_times_of_their_frames():
    luma = flat(100, f20=220)
    found = signals(luma)
    columns = dict(found.columns) | {
        "pts": 1000 + 2 * np.arange(100),
        "duration": np.full(100, 2),
        "dark": np.where((np.arange(100) >= 40) & (np.arange(100) < 50), PIXELS, 0),
    }
    found = Signals(found.about, columns)
    assert events(found, mark(found)) == [Event("flash", 20, 21, 1040, 1042), Event("black", 40, 50, 1080, 1100)]


# Encoded footage.

SIZE = (320, 180)
ENCODERS = {
    "x264": ("libx264", {"preset": "superfast", "crf": "23"}, "mp4"),
    "x264-slow": ("libx264", {"preset": "slow", "crf": "28"}, "mp4"),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0"}, "webm"),
    "mpeg4": ("mpeg4", {"b": "2000000"}, "mp4"),
}


def decoded(folder: Path, drawn: Sequence[np.ndarray], rate: int, encoder: str) -> Signals:
    """The signals of pictures (BGR) after an encoder."""
    codec, options, ending = ENCODERS[encoder]
    path = render(
        folder / f"a.{ending}",
        codec,
        SIZE,
        len(drawn),
        rate,
        time_base=Fraction(1, rate),
        options=options,
        pictures=[np.ascontiguousarray(picture[..., ::-1]) for picture in drawn],
    )
    measure(str(path), probe(str(path)).video, folder, MeasureSettings(frames_per_second=0))
    return read_signals(folder / "signals.parquet")


@functools.cache
def film(camera: Any, frames: int = 60, **given: Any) -> list[np.ndarray]:
    return list(pictures([Shot(frames, seed=5, camera=camera, **given)], *SIZE))


REPEATS = {
    "every frame, handheld": ("shake", 3.0, (1,), 24, "1"),
    "every frame, tripod and grain": ("static", 3.0, (1,), 24, "1"),
    "every frame, noise": ("static", 8.0, (1,), 24, "1"),
    "animation on twos": ("static", 0.0, (2,), 24, "2"),
    "animation on threes": ("static", 0.0, (3,), 24, "3"),
    "25 as 50": ("shake", 3.0, (2,), 50, "2"),
    "film at 60": ("pan", 3.0, (2, 3), 60, "2:3"),
    "film at 30": ("shake", 3.0, (1, 1, 1, 2), 30, "1:1:1:2"),
}


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ENCODERS if name != "x264"]


@pytest.mark.parametrize("encoder", ["x264", *OTHERS])
@pytest.mark.parametrize("name", REPEATS)
def test_repeated_frames_after_an_encoder(tmp_path: Path, name: str, encoder: str):
    camera, noise, lengths, rate, cadence = REPEATS[name]
    drawn = film(camera, noise=noise)
    shown = holds(*lengths, count=72)
    shown = shown[shown < len(drawn)]
    found = decoded(tmp_path, [drawn[number] for number in shown], rate, encoder)
    marks = mark(found)
    truth = np.diff(shown, prepend=-1) == 0
    assert marks.repeated is not None
    assert np.mean(marks.repeated != truth) <= 0.05
    row = clip_events(marks, 0, len(found))
    assert row["cadence"] == cadence
    assert row["unique_rate"] == pytest.approx(rate * (1 - truth.mean()), rel=0.06)
    assert (row["flashes"], row["flicker_share"]) == (0, 0)


def test_a_still_after_an_encoder_is_held(tmp_path: Path):
    found = decoded(tmp_path, film("still", 120), 24, "x264")
    marks = mark(found)
    # For two seconds the encoder mends the picture.
    assert marks.held[48:].mean() > 0.9
    assert clip_events(marks, 48, 120)["unique_rate"] is None
    assert clip_events(marks, 48, 120)["duplicate_share"] > 0.9


def _lit(gain: Callable[[np.ndarray], np.ndarray], rate: int) -> Callable[[], list[np.ndarray]]:
    def drawn() -> list[np.ndarray]:
        levels = gain(np.arange(72) / rate)
        return [
            np.clip(p * level, 0, 255).astype(np.uint8) for p, level in zip(film("static", 72), levels, strict=True)
        ]

    return drawn


LIGHT: dict[str, tuple[Callable[[], list[np.ndarray]], int, list[int] | int, bool]] = {
    "photo flashes": (lambda: film("shake", 72, flashes=(20, 26, 50)), 24, [20, 26, 50], False),
    "lightning": (lambda: film("static", 72, lightning=(30,)), 24, 1, False),
    "a slow fade": (
        lambda: list(pictures([Shot(40, seed=1), Shot(40, seed=2, enter="fade", enter_frames=16)], *SIZE)),
        24,
        [],
        False,
    ),
    "cuts to brighter and darker": (
        lambda: list(pictures([Shot(18, seed=s, light=(1 - s % 2 * 0.6,) * 2) for s in range(4)], *SIZE)),
        24,
        [],
        False,
    ),
    "a whip pan": (lambda: film("whip", 72), 24, [], False),
    "a strobe": (_lit(lambda t: np.where(t * 24 % 4 < 2, 1.0, 0.4), 24), 24, 17, True),
    "lamps on mains": (_lit(lambda t: 1 + 0.03 * np.sin(2 * np.pi * 10 * t), 30), 30, [], True),
    "clouds": (_lit(lambda t: 1 + 0.3 * np.sin(2 * np.pi * t), 24), 24, [], False),
}


@pytest.mark.parametrize("encoder", ["x264", *OTHERS[:1]])
@pytest.mark.parametrize("name", LIGHT)
def test_light_after_an_encoder(tmp_path: Path, name: str, encoder: str):
    drawn, rate, flashes, flickers = LIGHT[name]
    found = decoded(tmp_path, drawn(), rate, encoder)
    marks = mark(found)
    places = np.flatnonzero(marks.flashes).tolist()
    assert (places if isinstance(flashes, list) else len(places)) == flashes
    row = clip_events(marks, 0, len(found))
    assert (row["flicker_share"] > 0.8) if flickers else (row["flicker_share"] == 0)
    assert row["duplicate_share"] < 0.15


def test_a_silent_film_at_25_frames_a_second(media: Path, tmp_path: Path):
    path = str(media / "real" / "moviepy_chaplin.mp4")
    measure(path, probe(path).video, tmp_path, MeasureSettings(frames_per_second=0))
    found = read_signals(tmp_path / "signals.parquet")
    row = clip_events(mark(found), 0, len(found))
    # The changes themselves say so: two new pictures, then the second once more, at 0.1 levels against 2 to 5.
    assert row["cadence"] == "1:2"
    assert row["unique_rate"] == pytest.approx(17, abs=0.5)
