"""Clips are exact: the right pictures at the right times, with the sound that belongs to them, whatever the source."""

from __future__ import annotations

import dataclasses
import functools
import resource
import struct
import weakref
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
import pytest
from PIL import Image

from tests.transforms.awkward import by, x264
from tests.transforms.numbered import FRAMES, SIZE, Seen, lag, number_of, opened, render, see
from transforms.clipfile import ClipFile
from transforms.cutting import ClipSettings, Piece, Span, cut
from transforms.failures import ElementError
from transforms.probe import PacketIndex, probe
from transforms.settings import ConfigError

_X264: Final = {"preset": "veryfast", "g": "24", "bf": "2", "sc_threshold": "0"}
_X265: Final = "log-level=none:pools=none:frame-threads=1:keyint=24:open-gop=0"
_MASTER: Final = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
_VPX: Final = {"deadline": "realtime", "cpu-used": "8", "g": "24"}
_LATE: Final = [n * 40 + n // 4 * 13 for n in range(FRAMES)]
_HDR: Final = (9, 16, 9, 1)
_QUICK: Final = ClipSettings(clip_preset="veryfast", clip_strip=3)

SPANS: Final = ((13, 87), (40, 63), (FRAMES - 50, FRAMES), (0, 30))
"""Frames of the spans that are cut: inside, within a group, to the end, from the start; some overlap."""


class Kind(NamedTuple):
    """A source: its name, how it is rendered, what `copy` and `smart` do of the first span, and the roughness of its
    clock in samples of sound."""

    name: str
    how: dict[str, Any]
    copy: str = "copy"
    smart: str = "smart"
    rough: int = 0


KINDS: Final = {
    "closed groups": Kind("a.mp4", {"options": _X264}),
    "variable rate": Kind("a.mp4", {"options": _X264, "pts": _LATE, "base": Fraction(1, 1000)}),
    "variable rate, mkv": Kind("a.mkv", {"options": _X264, "pts": _LATE, "base": Fraction(1, 1000)}, rough=48),
    "rotated": Kind("a.mp4", {"options": _X264, "rotation": 90}),
    "10 bit": Kind("a.mp4", {"options": _X264, "pixels": "yuv420p10le", "colour": _HDR}),
    "HDR10, hevc": Kind(
        "a.mp4",
        {
            "codec": "libx265",
            "pixels": "yuv420p10le",
            "colour": _HDR,
            "options": {"preset": "ultrafast", "x265-params": f"{_X265}:{_MASTER}"},
        },
        smart="transcode",
    ),
    "open groups": Kind("a.mp4", {"options": _X264 | {"x264-params": "open-gop=1"}}, smart="transcode"),
    "B pyramid": Kind("a.mp4", {"options": _X264 | {"bf": "8", "x264-params": "b-pyramid=normal:b-adapt=0:ref=6"}}),
    "baseline": Kind("a.mp4", {"options": _X264 | {"profile": "baseline"}}),
    "transport stream": Kind("a.ts", {"options": _X264}),
    "no sound": Kind("a.mp4", {"options": _X264, "sound": None}),
    "5.1": Kind("a.mp4", {"options": _X264, "layout": "5.1"}),
    "odd size, vp9": Kind(
        "a.webm",
        {"codec": "libvpx-vp9", "options": _VPX, "size": (131, 81), "sound": "libopus"},
        smart="transcode",
        rough=48,
    ),
    "vp8": Kind("a.webm", {"codec": "libvpx", "options": _VPX, "sound": "libopus"}, "transcode", "transcode", 48),
    "aspect and colours": Kind("a.mp4", {"options": _X264, "aspect": Fraction(4, 3), "colour": (5, 6, 5, 1)}),
    "full range": Kind("a.mp4", {"options": _X264, "pixels": "yuvj420p", "colour": (1, 1, 1, 2)}),
    "fields": Kind("a.mp4", {"options": _X264, "interlaced": True}, smart="transcode"),
    "edit list": Kind("a.mp4", {"options": _X264, "pts": range(-30, FRAMES - 30)}),
    "mpeg2, ts": Kind(
        "a.ts", {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}, "sound": "mp2"}, smart="transcode"
    ),
    "mpeg4, avi": Kind(
        "a.avi", {"codec": "mpeg4", "options": {"g": "12", "bf": "1"}, "sound": "libmp3lame"}, smart="transcode"
    ),
}


class Made(NamedTuple):
    path: Path
    facts: dict[str, Any]
    packets: PacketIndex
    seen: Seen
    base: Fraction
    edges: list[int]
    """PTS of the pictures shown, and of the end."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    """Renders a kind once."""
    folder = tmp_path_factory.mktemp("kinds")

    @functools.cache
    def made(kind: str) -> Made:
        path = folder / kind.replace(" ", "-") / KINDS[kind].name
        path.parent.mkdir()
        render(path, **KINDS[kind].how)
        return _made(path)

    return made


def _made(path: Path) -> Made:
    found = probe(str(path))
    base = Fraction(found.video["time_base_num"], found.video["time_base_den"])
    seen = see(path)
    pts = [round(time / base) for time in seen.times]
    return Made(path, found.video, found.index, seen, base, [*pts, pts[-1] + max(1, pts[-1] - pts[-2])])


def _cut(
    made: Made, folder: Path, spans: Any, settings: ClipSettings, budget: int | None = None, crop: Any = None
) -> list[Piece]:
    wanted = [Span(f"clip{n}", made.edges[a], made.edges[b], crop) for n, (a, b) in enumerate(spans)]
    return cut(str(made.path), made.facts, made.packets, wanted, settings, folder, budget)


def _spans(made: Made) -> list[tuple[int, int]]:
    count = len(made.seen.numbers)
    return [(a, min(b, count)) for a, b in SPANS]


def _boxes(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        found.append(name)
        at += size
    return found


@pytest.mark.parametrize("mode", ["transcode", "smart", "copy"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_its_span_whatever_the_source(kind, mode, source, tmp_path):
    made = source(kind)
    whole = made.seen
    spans = _spans(made)
    pieces = _cut(made, tmp_path, spans, dataclasses.replace(_QUICK, clips=mode))
    assert pieces[0].mode == {"transcode": "transcode"}.get(mode) or getattr(KINDS[kind], mode)
    for (a, b), piece in zip(spans, pieces, strict=True):
        assert piece.error is None
        assert (piece.fell_back is not None) == (piece.mode != mode)
        clip = see(tmp_path / piece.name)
        start = made.edges[a] * made.base - Fraction(piece.lead_seconds).limit_denominator(10**6)
        end = made.edges[b] * made.base + Fraction(piece.tail_seconds).limit_denominator(10**6)
        slack = Fraction(1, 2000)
        wanted = [n for n, time in enumerate(whole.times) if start - slack <= time < end - slack]
        if piece.mode != "copy":
            assert (piece.lead_seconds, piece.tail_seconds) == (0, 0)
            assert wanted == list(range(a, b))
        assert clip.numbers == [whole.numbers[n] for n in wanted]
        assert max(abs(t - (whole.times[n] - start)) for t, n in zip(clip.times, wanted, strict=True)) < slack
        assert piece.frames == len(clip.numbers)
        assert piece.encoded_frames == {"copy": 0, "transcode": piece.frames}.get(piece.mode, piece.encoded_frames)
        assert _boxes(tmp_path / piece.name)[:2] == [b"ftyp", b"moov"]
        assert (tmp_path / piece.thumbnail).exists()
        assert (tmp_path / piece.strip).exists()
        assert piece.bytes == sum(f.stat().st_size for f in tmp_path.glob(f"{piece.clip_id}.*"))
        for name in ("color_primaries", "color_trc", "colorspace", "rotation"):
            assert getattr(clip.frame, name) == getattr(whole.frame, name), name
        assert clip.frame.format.name == whole.frame.format.name
        if whole.sound is None:
            assert piece.audio_codec is None
            assert clip.sound is None
        else:
            # As long as the span, to a packet: players that read the edit list end with the pictures.
            assert clip.sound is not None
            assert clip.sound.shape[0] == whole.sound.shape[0]
            assert abs(lag(whole, clip, start)) <= KINDS[kind].rough
            assert clip.sound.shape[1] / 48000 + clip.sound_start == pytest.approx(float(end - start), abs=0.045)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_hdr_and_aspect_reach_every_codec(codec, source, tmp_path):
    settings = dataclasses.replace(_QUICK, clips="transcode", clip_codec=codec, clip_preset=None)
    (piece,) = _cut(source("HDR10, hevc"), tmp_path, [(20, 40)], settings)
    with opened(tmp_path / piece.name) as container:
        assert container.streams.video[0].codec.canonical_name == codec
        assert container.streams.audio[0].codec.canonical_name == ("opus" if codec == "av1" else "aac")
        frames = list(container.decode(video=0))
    assert [number_of(f) for f in frames] == list(range(20, 40))
    frame = frames[0]
    assert frame.format.name == "yuv420p10le"
    assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == _HDR
    side = {data.type.name: bytes(data) for data in frame.side_data}
    assert struct.unpack("=2I", side["CONTENT_LIGHT_LEVEL"]) == (1000, 400)
    numbers = struct.unpack_from("=20i", side["MASTERING_DISPLAY_METADATA"])
    values = [n / d for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
    expected = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.0001, 1000]
    assert values == pytest.approx(expected, rel=0.01, abs=1e-4)


def test_the_sample_aspect_survives_scaling_too(source, tmp_path):
    made = source("aspect and colours")
    for mode, side in (("transcode", 0), ("transcode", 40), ("smart", 0), ("copy", 0)):
        settings = dataclasses.replace(_QUICK, clips=mode, clip_side=side)
        (piece,) = _cut(made, tmp_path, [(10, 80)], settings)
        with opened(tmp_path / piece.name) as container:
            stream: Any = container.streams.video[0]
            shape = Fraction(stream.width, stream.height) * stream.sample_aspect_ratio
        assert (piece.width, piece.height) == ((64, 40) if side else SIZE)
        assert shape == Fraction(128, 80) * Fraction(4, 3)


def test_smart_encodes_the_ends_only_and_copies_the_rest_bit_for_bit(source, tmp_path):
    made = source("closed groups")
    (piece,) = _cut(made, tmp_path, [(13, 87)], dataclasses.replace(_QUICK, clips="smart"))
    assert (piece.mode, piece.encoded_frames) == ("smart", 11 + 15)
    assert piece.audio_copied
    with opened(made.path) as whole, opened(tmp_path / piece.name) as part:
        kept = {f.pts: f.to_ndarray() for f in whole.decode(video=0)}
        offset = made.edges[13]
        for frame in part.decode(video=0):
            pts = round(frame.pts * frame.time_base / made.base) + offset
            if made.edges[24] <= pts < made.edges[72]:
                assert np.array_equal(frame.to_ndarray(), kept[pts])


def test_a_span_of_whole_groups_is_copied_without_a_picture_encoded(source, tmp_path):
    (piece,) = _cut(source("closed groups"), tmp_path, [(24, 72)], dataclasses.replace(_QUICK, clips="smart"))
    assert (piece.mode, piece.encoded_frames, piece.frames) == ("smart", 0, 48)
    assert see(tmp_path / piece.name).numbers == list(range(24, 72))


@pytest.mark.parametrize(
    "make", [by(x264, "intra-refresh=1", "bframes=0"), by(x264, "intra-refresh=1", "bframes=2", "b-adapt=0")]
)
def test_keyframes_that_are_none_are_not_believed(make, tmp_path):
    path = tmp_path / "a.mp4"
    make(path)
    found = probe(str(path))
    assert found.index.keyframe.sum() > 1
    base = Fraction(found.video["time_base_num"], found.video["time_base_den"])
    with opened(path) as container:
        whole = {f.pts: f.to_ndarray().astype(np.int16) for f in container.decode(video=0)}
    order = sorted(whole)
    for mode in ("copy", "smart", "transcode"):
        settings = dataclasses.replace(_QUICK, clips=mode, clip_crf=4)
        (piece,) = cut(str(path), found.video, found.index, [Span("clip", order[40], order[90])], settings, tmp_path)
        assert piece.mode == "transcode"
        with opened(tmp_path / piece.name) as container:
            frames = [(f.time, f.to_ndarray().astype(np.int16)) for f in container.decode(video=0)]
        frames = [(round(time / base) + order[40], data) for time, data in frames]
        assert [pts for pts, _ in frames] == order[40:90]
        assert max(np.abs(data - whole[pts]).mean() for pts, data in frames) < 2


def test_bars_are_cut_away_on_even_pixels(tmp_path):
    made = _made(render(tmp_path / "a.mp4", options=_X264, bars=13, rotation=90, frames=40))
    # As shown, the bars of 13 lines lie left and right, where the matrix turns the picture.
    settings = dataclasses.replace(_QUICK, clips="transcode", clip_crop=True)
    (piece,) = _cut(made, tmp_path, [(5, 30)], settings, crop=(13, 0, SIZE[1] - 26, SIZE[0]))
    assert (piece.width, piece.height) == (128, 52)
    seen = see(tmp_path / piece.name)
    assert seen.numbers == list(range(5, 30))
    assert seen.frame.rotation == 90
    assert seen.frame.to_ndarray()[:52].min(1).max() > 20
    (plain,) = _cut(made, tmp_path, [(5, 30)], dataclasses.replace(settings, clip_crop=False), crop=(13, 0, 54, 128))
    assert (plain.width, plain.height) == SIZE
    smart = dataclasses.replace(settings, clips="smart")
    (fell,) = _cut(made, tmp_path, [(5, 30)], smart, crop=(13, 0, SIZE[1] - 26, SIZE[0]))
    assert (fell.mode, fell.fell_back, fell.height) == ("transcode", "black bars are cut away", 52)


@pytest.mark.parametrize("rate", [12.0, 24.0, 30.0, 60.0])
def test_a_constant_rate_shows_what_was_on_the_screen(rate, source, tmp_path):
    made = source("variable rate")
    settings = dataclasses.replace(_QUICK, clips="transcode", clip_frame_rate=rate)
    (piece,) = _cut(made, tmp_path, [(13, 60)], settings)
    clip = see(tmp_path / piece.name)
    start, end = made.edges[13] * made.base, made.edges[60] * made.base
    ticks = [Fraction(n) / Fraction(rate) for n in range(1000) if Fraction(n) / Fraction(rate) < end - start]
    shown = [max(n for n, time in enumerate(made.seen.times) if time <= start + tick) for tick in ticks]
    assert clip.numbers == shown
    assert clip.times == pytest.approx(ticks, abs=1e-4)


@pytest.mark.parametrize("mode", ["copy", "smart", "transcode"])
def test_the_same_settings_give_the_same_bytes(mode, source, tmp_path):
    made = source("closed groups")
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _cut(made, tmp_path / name, SPANS, dataclasses.replace(_QUICK, clips=mode))
        runs.append({f.name: f.read_bytes() for f in sorted((tmp_path / name).iterdir())})
    assert runs[0] == runs[1]
    # Nor does it matter what else is cut in the same pass.
    (tmp_path / "alone").mkdir()
    _cut(made, tmp_path / "alone", SPANS[:1], dataclasses.replace(_QUICK, clips=mode))
    assert (tmp_path / "alone" / "clip0.mp4").read_bytes() == runs[0]["clip0.mp4"]


def test_long_stretches_that_no_clip_wants_are_skipped_and_nothing_else_changes(tmp_path):
    made = _made(render(tmp_path / "a.mp4", options=_X264, pts=range(0, FRAMES * 24, 24), sound="aac"))
    spans = [(2, 6), (70, 78), (100, 110)]
    (tmp_path / "all").mkdir()
    (tmp_path / "one").mkdir()
    for mode in ("copy", "transcode"):
        settings = dataclasses.replace(_QUICK, clips=mode)
        for piece, (a, b) in zip(_cut(made, tmp_path / "all", spans, settings), spans, strict=True):
            clip = see(tmp_path / "all" / piece.name)
            start = made.edges[a] * made.base - Fraction(piece.lead_seconds).limit_denominator(1000)
            assert clip.numbers[-1] >= b - 1
            assert mode == "copy" or clip.numbers == list(range(a, b))
            assert abs(lag(made.seen, clip, start)) == 0


@pytest.mark.parametrize("mode", ["copy", "smart", "transcode"])
def test_a_clip_that_is_done_with_is_let_go_of(mode, source, tmp_path, monkeypatch):
    """Encoders of a thousand clips would not fit in memory: never more of them than spans that overlap."""
    alive: weakref.WeakSet[ClipFile] = weakref.WeakSet()
    most = 0

    class Counted(ClipFile):
        def __init__(self, *given):
            nonlocal most
            super().__init__(*given)
            alive.add(self)
            most = max(most, len(alive))

    monkeypatch.setattr("transforms.cutters.ClipFile", Counted)
    spans = [(n * 10, n * 10 + 10) for n in range(FRAMES // 10)]
    pieces = _cut(source("closed groups"), tmp_path, spans, dataclasses.replace(_QUICK, clips=mode))
    assert all(piece.error is None for piece in pieces)
    assert most <= 8 < len(spans)


def test_a_budget_stops_before_it_is_used_up(source, tmp_path):
    made = source("closed groups")
    settings = dataclasses.replace(_QUICK, clips="copy", clip_thumbnail=False, clip_strip=0)
    spans = [(0, 24), (24, 48), (48, 72), (72, 96)]
    sizes = [p.bytes for p in _cut(made, tmp_path, spans, settings)]
    for file in tmp_path.iterdir():
        file.unlink()
    budget = sizes[0] + sizes[1] + sizes[2] // 2
    pieces = _cut(made, tmp_path, spans, settings, budget)
    assert [p.error is None for p in pieces] == [True, True, False, False]
    assert [p.error[0] for p in pieces[2:] if p.error] == ["over_budget"] * 2
    assert sorted(f.name for f in tmp_path.iterdir()) == ["clip0.mp4", "clip1.mp4"]
    assert sum(f.stat().st_size for f in tmp_path.iterdir()) <= budget


@pytest.mark.parametrize("mode", ["copy", "smart", "transcode"])
def test_a_full_disk_leaves_nothing_half_written(mode, source, tmp_path):
    made = source("closed groups")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[1]))
    try:
        with pytest.raises(OSError, match="cannot write a clip"):
            _cut(made, tmp_path, SPANS, dataclasses.replace(_QUICK, clips=mode))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for file in tmp_path.iterdir():
        assert file.suffix == ".webp" or see(file).numbers


def test_previews_are_the_pictures_of_the_clip_upright(source, tmp_path):
    made = source("rotated")
    for mode in ("transcode", "copy", "smart"):
        settings = dataclasses.replace(_QUICK, clips=mode, clip_strip=4)
        (piece,) = _cut(made, tmp_path, [(13, 87)], settings)
        with Image.open(tmp_path / piece.thumbnail) as thumbnail, Image.open(tmp_path / piece.strip) as strip:
            assert thumbnail.size == (80, 128)
            assert strip.size[1] == 128
            assert strip.size[0] % 80 == 0
            assert strip.format == "WEBP"
            if mode == "transcode":
                assert strip.size[0] == 4 * 80
                # The display matrix turned it counter-clockwise; turned back, it shows its number.
                back = np.asarray(thumbnail.rotate(-90, expand=True).convert("RGB"))
                assert number_of(av.VideoFrame.from_ndarray(back, "rgb24")) == 50


def test_a_clip_without_sound_or_previews_is_one_file(source, tmp_path):
    for mode in ("copy", "smart", "transcode"):
        settings = ClipSettings(
            clips=mode, clip_preset="veryfast", clip_audio="none", clip_thumbnail=False, clip_strip=0
        )
        (piece,) = _cut(source("5.1"), tmp_path, [(13, 87)], settings)
        assert (piece.audio_codec, piece.thumbnail, piece.strip) == (None, None, None)
        assert see(tmp_path / piece.name).sound is None
    assert [f.name for f in tmp_path.iterdir()] == ["clip0.mp4"]


def test_hardware_that_is_absent_is_told(tmp_path):
    context: Any = av.CodecContext.create("h264_nvenc", "w")
    context.width, context.height, context.pix_fmt, context.framerate = 256, 256, "yuv420p", Fraction(25)
    try:
        context.open()
    except (av.error.FFmpegError, OSError):
        with pytest.raises(ConfigError, match="check its driver, or use software"):
            cut("nowhere", {}, _no_packets(), [Span("a", 0, 1)], _nvenc(), tmp_path)
    else:
        made = _made(render(tmp_path / "a.mp4", options=_X264, size=(256, 144)))
        (piece,) = _cut(made, tmp_path, [(13, 87)], _nvenc())
        assert see(tmp_path / piece.name).numbers == list(range(13, 87))


def _nvenc() -> ClipSettings:
    return ClipSettings(clips="transcode", clip_encoder="h264_nvenc")


def _no_packets() -> PacketIndex:
    columns: Any = [np.empty(0, kind) for kind in ("i8", "i8", "i8", "i4", "i8", "?", "?")]
    return PacketIndex(*columns)


def test_a_source_without_video_or_a_span_without_pictures_is_a_failure(source, tmp_path):
    made = source("closed groups")
    with pytest.raises(ElementError, match="no_streams"):
        cut(str(made.path), {}, made.packets, [Span("a", 0, 1)], dataclasses.replace(_QUICK, clips="copy"), tmp_path)
    for mode in ("copy", "smart", "transcode"):
        settings = dataclasses.replace(_QUICK, clips=mode)
        spans = [Span("late", 10**9, 10**9 + 5), Span("good", made.edges[3], made.edges[30])]
        late, good = cut(str(made.path), made.facts, made.packets, spans, settings, tmp_path)
        assert late.error is not None
        assert late.error[0] == "damaged"
        assert good.error is None
        assert sorted(f.suffix for f in tmp_path.glob("late*")) == []


@pytest.mark.slow
def test_clips_of_real_media_are_their_spans_by_picture(media, tmp_path):
    for path in sorted((media / "real").glob("*.*")):
        if path.suffix not in (".mp4", ".webm", ".mkv"):
            continue
        found = probe(str(path))
        with opened(path) as container:
            small = {f.pts: _small(f) for f in container.decode(container.streams[found.video["video_stream"]])}
        order = sorted(small)
        third = len(order) // 3
        spans = [Span("a", order[third], order[2 * third]), Span("b", order[2 * third], order[-1])]
        base = Fraction(found.video["time_base_num"], found.video["time_base_den"])
        for mode in ("transcode", "smart"):
            settings = dataclasses.replace(_QUICK, clips=mode, clip_preset="ultrafast", clip_crf=12)
            for span, piece in zip(
                spans, cut(str(path), found.video, found.index, spans, settings, tmp_path), strict=True
            ):
                assert piece.error is None, path.name
                with opened(tmp_path / piece.name) as container:
                    frames = list(container.decode(video=0))
                wanted = [pts for pts in order if span.start_pts <= pts < span.end_pts]
                assert len(frames) == len(wanted) == piece.frames, (path.name, mode)
                for frame, pts in ((frames[0], wanted[0]), (frames[-1], wanted[-1])):
                    assert frame.time == pytest.approx(float((pts - span.start_pts) * base), abs=1e-3)
                    at = order.index(pts)
                    near = {
                        n: float(((_small(frame) - small[order[n]]) ** 2).mean())
                        for n in range(at - 2, at + 3)
                        if 0 <= n < len(order)
                    }
                    assert near[at] <= min(near.values()) + 0.05, (path.name, mode, near)


def _small(frame: Any) -> Any:
    return frame.reformat(width=320, height=180, format="gray").to_ndarray().astype(np.float32)
