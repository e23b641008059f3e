"""Limits: files at the edge of what there is end in a result or in a failure, in little time and memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest

from tests.transforms.awkward import VPX, Maker, by, encode, in_a_row, spoilt, truncated, x264, x265
from tests.transforms.made_signals import about, made
from tests.transforms.tinymedia import tone_frames
from transforms.pool import Pool, PoolSettings, TaskError
from transforms.probe import probe
from transforms.segments import plan
from transforms.signals import signals_writer

MEMORY = 400
"""Most memory of a child, MB, but for 8K."""


def plain(path: Path, codec: str, size: tuple[int, int], frames: int, **how: Any) -> Path:
    """Pictures of one ramp that moves, of any size."""
    width, height = size
    ramp = np.arange(width, dtype=np.uint8)
    rows = [np.tile(np.roll(ramp, 16 * number), (height * 3 // 2, 1)) for number in range(frames)]
    return encode(path, codec, size=size, pictures=rows, **how)


def with_tracks(path: Path) -> None:
    """A video and sixteen audio tracks."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        stream: Any = out.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        tracks: list[Any] = [out.add_stream("aac", rate=48000, layout="mono") for _ in range(16)]
        for number in range(48):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), "rgb24")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        for track in tracks:
            for part in tone_frames(2.0):
                out.mux(track.encode(part))
            out.mux(track.encode(None))


def repeated(path: Path, count: int, step: int = 1) -> None:
    """One tiny keyframe, again and again."""
    source = plain(path.with_name("one.avi"), "mpeg4", (16, 16), 1)
    with av.open(str(source)) as reader, av.open(str(path), "w") as out:
        stream = reader.streams.video[0]
        data = next(bytes(p) for p in reader.demux(stream) if p.size)
        copy = out.add_stream_from_template(stream)
        for number in range(count):
            packet = av.Packet(data)
            packet.pts = packet.dts = number * step
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 1000), copy, True
            out.mux(packet)
    source.unlink()


def scrambled(make: Maker) -> Maker:
    """A file of which every packet is damaged."""

    def made(path: Path) -> None:
        source = path.with_name(f"whole{path.suffix}")
        make(source)
        random = np.random.default_rng(3)
        with av.open(str(source)) as reader, av.open(str(path), "w") as out:
            stream = reader.streams.video[0]
            copy = out.add_stream_from_template(stream)
            for packet in reader.demux(stream):
                if packet.size:
                    data = np.frombuffer(bytes(packet), np.uint8).copy()
                    data[6:] ^= random.integers(0, 256, max(0, len(data) - 6), np.uint8)
                    spoilt = av.Packet(data.tobytes())
                    spoilt.pts, spoilt.dts, spoilt.time_base = packet.pts, packet.dts, packet.time_base
                    spoilt.stream, spoilt.is_keyframe = copy, packet.is_keyframe
                    out.mux(spoilt)
        source.unlink()

    return made


def switched(path: Path, codec: str, sizes: Sequence[tuple[int, int]], options: dict[str, str]) -> None:
    """A stream whose frames change their size on the way, in a container that told the first size only."""
    sources = [
        plain(path.with_name(f"{number}.mkv"), codec, size, 24, options=options) for number, size in enumerate(sizes)
    ]
    with av.open(str(sources[0])) as first, av.open(str(path), "w") as out:
        copy = out.add_stream_from_template(first.streams.video[0])
        for number, source in enumerate(sources):
            with av.open(str(source)) as reader:
                for packet in reader.demux(video=0):
                    if packet.size:
                        packet.pts = packet.dts = (packet.pts or 0) + 1000 * number
                        packet.stream = copy
                        out.mux(packet)
    for source in sources:
        source.unlink()


def patched(make: Maker, mark: bytes, offset: int, data: bytes) -> Maker:
    """A file with other bytes behind the first occurrence of a mark."""

    def made(path: Path) -> None:
        make(path)
        whole = bytearray(path.read_bytes())
        at = whole.index(mark) + len(mark) + offset
        whole[at : at + len(data)] = data
        path.write_bytes(whole)

    return made


def cut_before(make: Maker, mark: bytes, extra: int = 0) -> Maker:
    """A file that ends before the first occurrence of a mark."""

    def made(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        path.write_bytes(data[: data.index(mark) - extra])

    return made


BROKEN = {"damaged", "not_media", "no_streams", "out_of_memory"}


class Limit(NamedTuple):
    """A file, and what must come of it: a number of frames, or failures of these classes, or any of both for None."""

    name: str
    make: Maker
    outcome: int | set[str] | None
    memory: int = MEMORY
    seconds: float = 10.0


HOLES = [n / 20 for n in range(2, 20)]
FAST = {"preset": "ultrafast", "threads": "1"}
INIT = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
SMALL = by(x264, "bframes=2", frames=48)
TEN_MINUTES = [n * 600_000 for n in range(144)]
MILLISECOND = Fraction(1, 1000)
UHD8 = (7680, 4320)
MORE = 0xFFFFFFFF.to_bytes(4, "big")

# The largest come last: what a process holds of them counts against the next.
LIMITS: dict[str, Limit] = {
    "240 fps": Limit(
        "a.mp4",
        by(plain, codec="libx264", size=(64, 48), frames=480, rate=240, options=FAST, base=Fraction(1, 240)),
        480,
    ),
    "1000 fps": Limit(
        "a.mkv", by(plain, codec="libx264", size=(64, 48), frames=1000, rate=1000, options=FAST, base=MILLISECOND), 1000
    ),
    "sixteen audio tracks": Limit("a.mp4", with_tracks, 48),
    "one frame": Limit("a.mp4", by(x264, frames=1), 1),
    "one frame, ts": Limit("a.ts", by(x264, frames=1), 1),
    "one frame, gif": Limit("a.gif", by(encode, codec="gif", pixels="rgb8", frames=1), 1),
    "24 hours, a frame in ten minutes": Limit(
        "a.mkv", by(encode, pts=TEN_MINUTES, base=MILLISECOND, options=FAST), 144
    ),
    "24 hours, mp4": Limit("a.mp4", by(encode, pts=TEN_MINUTES, base=MILLISECOND, options=FAST), 144),
    "24 hours of one frame, says the header": Limit(
        "a.mkv", patched(by(x264, frames=2), b"\x44\x89\x88", 0, struct.pack(">d", 86_400_000.0)), 2
    ),
    "endless, says the header": Limit(
        "a.mkv", patched(by(x264, frames=2), b"\x44\x89\x88", 0, struct.pack(">d", float("inf"))), 2
    ),
    "centuries": Limit("a.mp4", by(encode, pts=[0, 1, 1 << 42], frames=3, base=MILLISECOND, options=FAST), 3),
    "no frame, mp4": Limit("a.mp4", cut_before(by(x264, frames=24, muxer=INIT), b"moof", 4), {"no_streams"}),
    "no frame, mkv": Limit("a.mkv", cut_before(SMALL, b"\x1f\x43\xb6\x75"), {"no_streams", "not_media", "damaged"}),
    "no frame, ts": Limit("a.ts", truncated(SMALL, 0.01), {"no_streams", "not_media", "damaged"}),
    "tiny packets": Limit("a.mkv", by(repeated, count=2000), 2000),
    "every packet damaged": Limit("a.mkv", scrambled(SMALL), None),
    "every packet damaged, hevc": Limit("a.mkv", scrambled(by(x265)), None),
    "every packet damaged, vp9": Limit("a.webm", scrambled(by(encode, codec="libvpx-vp9", options=VPX)), None),
    "every packet damaged, mpeg2": Limit("a.ts", scrambled(by(encode, codec="mpeg2video")), None),
    "every packet damaged, mpeg4": Limit("a.avi", scrambled(by(encode, codec="mpeg4")), None),
    "holes all over": Limit("a.ts", spoilt(SMALL, HOLES, 50), None),
    "noise all over": Limit(
        "a.webm",
        spoilt(by(encode, codec="libsvtav1", options={"preset": "12"}, frames=48), HOLES, 50),
        None,
    ),
    "sizes switch, vp9": Limit(
        "a.webm",
        by(switched, codec="libvpx-vp9", sizes=[(64, 48), (160, 96), (32, 80)], options={"deadline": "realtime"}),
        72,
    ),
    "sizes switch, mpeg4": Limit("a.avi", by(switched, codec="mpeg4", sizes=[(64, 48), (320, 96)], options={}), None),
    "pixels switch": Limit(
        "a.ts",
        in_a_row(by(x264, "bframes=0", frames=24), by(x264, "bframes=0", frames=24, pixels="yuv422p10le")),
        48,
    ),
    "frames without number, says the header": Limit("a.mp4", patched(SMALL, b"stsz", 8, MORE), None),
    "samples without number, says the header": Limit(
        "a.mp4", patched(SMALL, b"stsz", 4, b"\0\0\0\1" + MORE), None, 2048, 30.0
    ),
    "times without number, says the header": Limit("a.mp4", patched(SMALL, b"stts", 8, MORE + b"\0\0\0\1"), None),
    "a picture of 65,535 pixels, says the header": Limit(
        "a.mov",
        patched(by(encode, codec="prores_ks", pixels="yuv422p10le", frames=2), b"apch", 28, b"\xff\xff\xff\xff"),
        None,
    ),
    "a raw picture of 65,535 pixels, says the header": Limit(
        "a.avi", patched(by(encode, codec="rawvideo", frames=2), b"strf", 8, b"\xff\xff\0\0\xff\xff\0\0"), None
    ),
    "8K, h264": Limit("a.mp4", by(plain, codec="libx264", size=UHD8, frames=4, options=FAST), 4, 1200, 20.0),
    "8K, mjpeg": Limit("a.avi", by(plain, codec="mjpeg", size=UHD8, frames=4, pixels="yuvj420p"), 4, 1200, 20.0),
    "8K, hevc": Limit(
        "a.mp4",
        by(
            plain,
            codec="libx265",
            size=UHD8,
            frames=3,
            options={"preset": "ultrafast", "x265-params": "log-level=none:pools=1"},
        ),
        3,
        1600,
        20.0,
    ),
    "a picture of the most pixels": Limit(
        "a.avi", by(plain, codec="mjpeg", size=(16384, 4096), frames=2, pixels="yuvj420p"), 2, 1200, 20.0
    ),
}


@pytest.fixture(scope="module")
def child() -> Iterator[Pool]:
    """One child for all files."""
    with Pool(PoolSettings(children=1, memory_limit_mb=2048), preload=["tests.transforms.survey"]) as pool:
        yield pool


@pytest.fixture
def fresh() -> Iterator[Pool]:
    """A child that has seen no large picture: what those leave of its heap is no part of what a film takes."""
    with Pool(PoolSettings(children=1, memory_limit_mb=2048), preload=["tests.transforms.survey"]) as pool:
        yield pool


def outcome(child: Pool, path: Path, task: str = "survey") -> dict[str, Any] | str:
    """What a child says about a file: figures, or the class of its failure."""
    try:
        found: dict[str, Any] = child.submit(f"tests.transforms.survey:{task}", {"path": str(path)}).result()
    except TaskError as error:
        print(error)
        return error.error_class
    print(f"{found['frames']} frames, {found['seconds']:.2f} s, {found['megabytes']} MB")
    return found


@pytest.mark.parametrize("name", LIMITS)
def test_a_result_or_a_failure_in_little_time_and_memory(name: str, child: Pool, tmp_path: Path) -> None:
    limit = LIMITS[name]
    path = tmp_path / limit.name
    limit.make(path)
    found = outcome(child, path)
    if isinstance(found, str):
        assert found in (limit.outcome if isinstance(limit.outcome, set) else BROKEN)
        assert not isinstance(limit.outcome, int)
        return
    assert limit.outcome is None or found["frames"] == limit.outcome
    assert found["seconds"] < limit.seconds
    assert found["megabytes"] < limit.memory


def test_a_decoder_that_prints_without_end_holds_nothing_up(child: Pool, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    scrambled(by(encode, codec="mpeg4"))(path)
    quiet, loud = outcome(child, path), outcome(child, path, "shout")
    assert isinstance(quiet, dict)
    assert isinstance(loud, dict)
    assert loud["frames"] == quiet["frames"]


@pytest.mark.slow
def test_a_hundred_thousand_tiny_packets(fresh: Pool, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    repeated(path, 100_000)
    found = outcome(fresh, path)
    assert isinstance(found, dict)
    assert found["frames"] == found["packets"] == 100_000
    assert found["megabytes"] < MEMORY
    index = probe(str(path)).index
    assert index.steady()
    assert len(plan(index, found, 10.0, 20.0)) == 10


@pytest.mark.slow
def test_a_day_of_film_is_decided_on_in_little_memory(tmp_path: Path) -> None:
    """24 hours at 24 frames a second: a shot of 20 s, again and again with other pictures."""
    length, shots = 480, 24 * 3600 * 24 // 480
    chance = np.random.default_rng(11)
    still = made(length, about(time_base_den=24), pts=np.arange(length), delta_gray=3000)
    still.columns["delta_gray"][0] = still.columns["delta_lum"][0] = 64 * 36 * 120
    writer = signals_writer(tmp_path / "day.parquet", still.about)
    for number in range(shots):
        pts, hashed = still["pts"] + number * length, np.full(length, chance.integers(1 << 62))
        writer.add({**still.columns, "pts": pts, "hash": hashed})
    writer.close()
    with Pool(PoolSettings(children=1, memory_limit_mb=2048), preload=["tests.transforms.survey"]) as pool:
        found = outcome(pool, tmp_path / "day.parquet", "decide")
    assert isinstance(found, dict)
    assert (found["frames"], found["clips"]) == (length * shots, shots)
    assert found["megabytes"] < MEMORY
