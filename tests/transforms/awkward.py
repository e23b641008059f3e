"""Files that are awkward to seek in: one small film, encoded, copied, cut, patched and spoilt in many ways."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

SIZE: Final = (128, 80)
RATE: Final = 24
FRAMES: Final = 144
CUTS: Final = (0, 37, 72, 110)
"""Frames at which a new shot starts."""

_X264: Final = {"preset": "veryfast", "threads": "1"}
_X265: Final = {"preset": "ultrafast", "threads": "1"}
VPX: Final = {"deadline": "realtime", "cpu-used": "8", "threads": "1"}

Maker = Callable[[Path], object]
"""Writes a file."""


@functools.cache
def film(frames: int = FRAMES, size: tuple[int, int] = SIZE) -> tuple[npt.NDArray[np.uint8], ...]:
    """The film as planes of yuv420p: textures that move, a new one at each cut, and noise that nothing predicts."""
    width, height = size
    random = np.random.default_rng(7)
    made = []
    for number in range(frames):
        shot = sum(number >= cut for cut in CUTS)
        if number in CUTS:
            coarse = random.integers(30, 220, (height // 4, width // 2), np.uint8)
            texture = np.kron(coarse, np.ones((8, 8), np.uint8))
        at = (number * shot) % (3 * width)
        luma = np.ascontiguousarray(texture[shot * 3 : shot * 3 + height, at : at + width])
        luma = luma + random.integers(0, 12, luma.shape, np.uint8)
        chroma = random.integers(100 + 10 * shot, 112 + 10 * shot, (height // 2, width), np.uint8)
        made.append(np.concatenate([luma, chroma]))
    return tuple(made)


def encode(
    path: Path,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    pts: Sequence[int] | None = None,
    base: Fraction = Fraction(1, RATE),
    size: tuple[int, int] = SIZE,
    frames: int = FRAMES,
    rotation: int = 0,
    kind: str | None = None,
    rate: int = RATE,
    pictures: Sequence[npt.NDArray[np.uint8]] | None = None,
    types: Sequence[int] | None = None,
) -> Path:
    """Encode the film.

    Args:
        path: Where.
        codec: An encoder of the build.
        options: Of the encoder.
        muxer: Of the container.
        pixels: Pixel format.
        pts: Times of the frames in `base` instead of their numbers.
        base: Time base.
        size: Width and height.
        frames: How many.
        rotation: Of the display matrix.
        kind: FFmpeg's name of the container, where the ending does not tell.
        rate: The frame rate that is claimed.
        pictures: Planes of yuv420p instead of the film's.
        types: FFmpeg's picture type for each frame, where the encoder may not choose.
    """
    shown = film(frames, size) if pictures is None else pictures
    with av.open(str(path), "w", format=kind, container_options=muxer or {}, options={"fflags": "+bitexact"}) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(rotation)
        for number, planes in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            if pixels != "yuv420p":
                frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = (number if pts is None else pts[number]), base
            if types is not None:
                frame.pict_type = types[number]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def x264(path: Path, *words: str, **how: Any) -> Path:
    """Encode with libx264; `words` are parameters of x264."""
    params = ":".join(["keyint=24", "min-keyint=1", "scenecut=0", *words])
    return encode(path, "libx264", _X264 | {"x264-params": params}, **how)


def x265(path: Path, *words: str, **how: Any) -> Path:
    """Encode with libx265; `words` are parameters of x265."""
    params = ":".join(["log-level=none", "pools=1", "frame-threads=1", "keyint=24", "min-keyint=24", *words])
    return encode(path, "libx265", _X265 | {"x265-params": params}, **how)


def by(make: Callable[..., object], *words: str, **how: Any) -> Maker:
    """A maker that calls another with parameters."""
    return lambda path: make(path, *words, **how)


def copied(source: Path, path: Path, change: Callable[[int, Any], bool] | None = None, **how: Any) -> Path:
    """Copy the packets of a file into another container.

    Args:
        source: A file with one stream.
        path: Where.
        change: Gets the number of each packet and the packet, may change it, and says whether it is written.
        how: Of the container: `muxer`, `kind`.
    """
    muxer, kind = how.get("muxer", {}), how.get("kind")
    with (
        av.open(str(source)) as reader,
        av.open(str(path), "w", format=kind, container_options=muxer, options={"fflags": "+bitexact"}) as out,
    ):
        stream = reader.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in reader.demux(stream) if p.size):
            if change is None or change(number, packet):
                packet.stream = copy
                out.mux(packet)
    return path


def remuxed(first: str, make: Maker, **how: Any) -> Maker:
    """A shape that is encoded into one container and copied into another."""

    def made(path: Path) -> None:
        source = path.with_name(f"source.{first}")
        make(source)
        copied(source, path, **how)
        source.unlink()

    return made


def cut_in(path: Path, start: int, **how: Any) -> None:
    """An edit list that skips the start: frames before `start` are there, to be decoded only."""
    source = x264(path.with_name("source.mp4"), "bframes=2", **how)

    def earlier(_: int, packet: Any) -> bool:
        packet.pts, packet.dts = packet.pts - start * 512, packet.dts - start * 512
        return True

    copied(source, path, earlier)


def two_edits(path: Path) -> None:
    """An MP4 whose edit list shows frames 10 to 59 and then 80 to 139."""
    x264(path, "bframes=2")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    old = bytes(data[at - 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")])
    media = int.from_bytes(old[16:20], "big")

    def entry(start: int, frames: int) -> bytes:
        span = round(frames * 1000 / RATE)
        return span.to_bytes(4, "big") + (media + start * 512).to_bytes(4, "big") + b"\0\1\0\0"

    new = old[4:12] + (2).to_bytes(4, "big") + entry(10, 50) + entry(80, 60)
    new = (len(new) + 4).to_bytes(4, "big") + new
    grown = len(new) - len(old)
    data[at - 4 : at - 4 + len(old)] = new
    # Every box around it grows; the media lie before, so no offset of theirs changes.
    for name in (b"moov", b"trak", b"edts"):
        place = data.rindex(name, 0, at) - 4
        data[place : place + 4] = (int.from_bytes(data[place : place + 4], "big") + grown).to_bytes(4, "big")
    path.write_bytes(data)


def in_a_row(*parts: Maker) -> Maker:
    """A shape of files put one behind the other."""

    def made(path: Path) -> None:
        data = b""
        for number, make in enumerate(parts):
            part = path.with_name(f"part{number}{path.suffix}")
            make(part)
            data += part.read_bytes()
            part.unlink()
        path.write_bytes(data)

    return made


def spoilt(make: Maker, places: Sequence[float], length: int = 600) -> Maker:
    """A shape with bytes zeroed at some shares of its length."""

    def made(path: Path) -> None:
        make(path)
        data = bytearray(path.read_bytes())
        for place in places:
            start = int(place * len(data))
            data[start : start + length] = bytes(length)
        path.write_bytes(data)

    return made


def truncated(make: Maker, share: float) -> Maker:
    """A shape of which only the first part is there."""

    def made(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return made


def false_keyframes(path: Path) -> None:
    """Intra pictures called keyframes that are none: part of what follows is predicted from before them.

    A second shows one shot, then 12 frames of another, then that one with a third of the first, out of the decoder's
    memory: too late to be seen in the frames beside a bound.
    """
    shots = film()
    pictures, mixed = [], []
    for number in range(4):
        both = shots[100 + number].copy()
        for rows in (slice(56, 80), slice(94, 100), slice(114, 120)):  # of luma and both chroma planes
            both[rows] = shots[number][rows]
        mixed.append(both)
    for number in range(FRAMES):
        second = (number + 12) % 24
        shot = shots[:4] if second >= 18 or number < 12 else shots[100:104] if second < 12 else mixed
        pictures.append(shot[number % 4])
    source = path.with_name("source.mp4")
    x264(source, "keyint=infinite", "min-keyint=1000", "scenecut=400", "bframes=0", "ref=16", pictures=pictures)

    def called(number: int, packet: Any) -> bool:
        packet.is_keyframe = number % 24 == 12 or number == 0
        return True

    copied(source, path, called)
    source.unlink()


def reordered_late(path: Path) -> None:
    """As `without_reorder`; frames are reordered near the end of each second, but for the first three."""
    types = [1 if n % 24 == 0 else 3 if n % 24 > 16 and n % 4 and n > 72 else 2 for n in range(FRAMES)]
    without_reorder(path, types=types)


def without_reorder(path: Path, **how: Any) -> None:
    """H.264 whose header does not say how far frames are reordered, so that a decoder has to guess.

    The last field of the sequence parameter set is taken out in place: its flag becomes 0, and the stop bit follows.
    """
    x264(path, "bframes=3", "b-pyramid=strict", "b-adapt=0", **how)
    data = bytearray(path.read_bytes())
    at = data.index(b"avcC") + 10
    size = int.from_bytes(data[at : at + 2], "big")
    bits = "".join(f"{byte:08b}" for byte in data[at + 2 : at + 2 + size])
    end = bits.rindex("1")
    start = next(n for n in range(end - 8, 0, -1) if _is_restriction(bits[n:end]))
    changed = (bits[:start] + "01").ljust(8 * size, "0")
    data[at + 2 : at + 2 + size] = int(changed, 2).to_bytes(size, "big")
    path.write_bytes(data)


def _is_restriction(bits: str) -> bool:
    """Whether these bits are x264's bitstream restriction: two flags, two zero counts, four Exp-Golomb numbers."""
    if not bits.startswith("1111"):
        return False
    numbers, at = [], 4
    for _ in range(4):
        zeros = len(bits[at:]) - len(bits[at:].lstrip("0"))
        numbers.append(bits[at : at + 2 * zeros + 1])
        at += 2 * zeros + 1
    return at == len(bits) and numbers[0] == numbers[1] and len(numbers[0]) >= 7


def old_444(path: Path) -> None:
    """4:4:4 that says it is by an x264 before build 151, whose fault decoders undo when they have read so."""
    x264(path, "bframes=3", "crf=30", "subme=7", pixels="yuv444p")
    data = path.read_bytes()
    at = data.index(b"x264 - core ") + 12
    path.write_bytes(data[:at] + b"148" + data[at + 3 :])


def hidden_vp8(path: Path) -> None:
    """VP8 with hidden frames in packets of their own: here and there a frame is decoded twice and shown once."""
    source = encode(path.with_name("source.webm"), "libvpx", VPX | {"g": "24", "b": "200k"})
    with av.open(str(source)) as reader, av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        stream = reader.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in reader.demux(stream) if p.size):
            if number % 5 == 3 and not packet.is_keyframe:
                data = bytes(packet)
                hidden = av.Packet(bytes([data[0] & ~16]) + data[1:])
                hidden.pts = hidden.dts = (packet.pts or 0) - 10
                hidden.time_base, hidden.stream = packet.time_base, copy
                out.mux(hidden)
            packet.stream = copy
            out.mux(packet)
    source.unlink()


def packed(path: Path) -> None:
    """MPEG-4 in AVI as DivX 5 packed it: a P and the B shown before it in one chunk, then one that codes nothing."""
    source = encode(path.with_name("source.avi"), "mpeg4", {"g": "24", "bf": "1", "q": "5"})
    with av.open(str(source)) as reader:
        packets = [bytes(p) for p in reader.demux(video=0) if p.size]
    source.unlink()
    nothing = b"\0\0\1\xb6" + int("01" + "0" + "1" + "00000" + "1" + "0" + "1" + "0000", 2).to_bytes(2, "big")
    chunks: list[bytes] = []
    for data in packets:
        kind = data[data.index(b"\0\0\1\xb6") + 4] >> 6
        if kind == 2 and chunks:
            chunks[-1] += data
            chunks.append(nothing)
        else:
            chunks.append(data)
    first = chunks[0]
    at = first.index(b"\0\0\1\xb2")
    chunks[0] = first[:at] + b"\0\0\1\xb2DivX503b1393p" + first[at:]
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        stream: Any = out.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, data in enumerate(chunks):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, RATE)
            packet.is_keyframe = data[data.index(b"\0\0\1\xb6") + 4] >> 6 == 0
            out.mux(packet)


def still(path: Path) -> None:
    """A variable rate with a still of five seconds: every fourth frame late, one shown very long."""
    x264(path, "bframes=3", pts=late_frames(), base=Fraction(1, 1000))


def late_frames(step: int = 40, late: int = 50, hold: int = 5000) -> list[int]:
    """Times in milliseconds: every fourth frame late, and after frame 60 a still."""
    return [step * n + late * (n // 4) + hold * (n > 60) for n in range(FRAMES)]


def moved(first: int) -> Callable[[int, Any], bool]:
    """A change of packets for `copied`: they begin `first` ticks of 1/90000 s later."""

    def change(_: int, packet: Any) -> bool:
        ticks = round(first / 90000 / packet.time_base)
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return True

    return change
