"""Probing: what a file is, from one read of its bytes.

The same pass hashes every byte and lists every packet of the video stream that will be measured. The demuxer reads
through a file object that hashes what it is given as long as the reads follow one another; what it skipped is read at
the end. So a file is read once (an index at its end is read twice), whatever its container.

One frame is decoded, of the first keyframe that yields one: rotation, pixel format, colour tags and the real size are
told by frames, not by headers.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from transforms import media
from transforms.failures import ElementError
from transforms.frames import decode_alone

RECIPE: Final = 1
"""Raised whenever the code changes what probing yields for the same bytes."""

NO_PTS: Final = -(1 << 63)
"""Stands in an index for a timestamp that the packet does not have."""

_BLOCK: Final = 1 << 20
_GAP: Final = 1 << 22
"""Bytes skipped by the demuxer that are hashed at once instead of at the end: audio between pictures."""

_COLUMNS: Final = {
    "pts": "int64",
    "dts": "int64",
    "duration": "int64",
    "size": "int32",
    "position": "int64",
    "keyframe": "bool",
    "discard": "bool",
}


@dataclass(frozen=True)
class PacketIndex:
    """The packets of one video stream in file order; arrays of one length.

    Attributes:
        pts: Presentation timestamps in the stream's time base; `NO_PTS` where a packet has none.
        dts: Decoding timestamps; `NO_PTS` where a packet has none.
        duration: Claimed durations, 0 where unknown.
        size: Bytes.
        position: Byte offset in the file, -1 where unknown.
        keyframe: Decoding can start here, says the container.
        discard: An edit list hides the packet's frame.
    """

    pts: npt.NDArray[np.int64]
    dts: npt.NDArray[np.int64]
    duration: npt.NDArray[np.int64]
    size: npt.NDArray[np.int32]
    position: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]
    discard: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pts)

    def bounds(self) -> tuple[int, int] | None:
        """First PTS shown and the end of the last, as the packets say; None where no packet has a PTS."""
        shown = (self.pts != NO_PTS) & ~self.discard
        if not shown.any():
            return None
        pts, duration = self.pts[shown], self.duration[shown]
        last = int(pts.argmax())
        return int(pts.min()), int(pts[last]) + max(int(duration[last]), 1)

    def steady(self, reorder: int = 64) -> bool:
        """Every frame has a time of its own, and times run on through the file but for `reorder` packets at most.

        Not so where a clock was set anew (streams put together), where a PTS is missing, or where edits repeat.
        """
        pts = self.pts[~self.discard]
        if (pts == NO_PTS).any() or (np.diff(np.sort(pts)) == 0).any():
            return False
        highest, lowest = np.maximum.accumulate(pts), np.minimum.accumulate(pts[::-1])[::-1]
        return bool((highest[:-reorder] < lowest[reorder:]).all())


@dataclass(frozen=True)
class ProbeResult:
    """What one read of a file told.

    Attributes:
        video: Columns of `VideoRow` that need no full decode. `start_pts`, `end_pts` and `duration` are the packets'
            word; measuring replaces them.
        index: Packets of the measured video stream; empty without one.
        read_bytes: Bytes read from the file.
        encrypted: The measured video stream (the audio where there is none) is encrypted.
    """

    video: dict[str, Any]
    index: PacketIndex
    read_bytes: int
    encrypted: bool


class _HashingFile(media.NamelessFile):
    """A file that hashes its bytes in order while a demuxer reads it in any order."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.read_bytes = 0
        self._hashed = 0
        self._hash = hashlib.sha256()
        self.in_order = False
        """Past the header: what is skipped from here on is not come back to, so it is hashed at once."""

    def _pread(self, size: int, position: int) -> bytes:
        data = os.pread(self._fd, size, position)
        self.read_bytes += len(data)
        return data

    def read(self, size: int) -> bytes:
        start = self._position
        if self.in_order and self._hashed < start <= self._hashed + _GAP:
            self._catch_up(start)
        data = self._pread(size, start)
        self._position = start + len(data)
        if start <= self._hashed < self._position:
            self._hash.update(memoryview(data)[self._hashed - start :])
            self._hashed = self._position
        return data

    def _catch_up(self, end: int) -> None:
        while self._hashed < end:
            data = self._pread(min(_BLOCK, end - self._hashed), self._hashed)
            if not data:
                return
            self._hash.update(data)
            self._hashed += len(data)

    def digest(self) -> str:
        """SHA-256 of the whole file; reads what no demuxer asked for.

        Raises:
            ElementError: `changed`, when the file grew or shrank while it was read.
        """
        self._catch_up(self.size)
        if self._hashed != self.size or os.fstat(self._fd).st_size != self.size:
            raise ElementError("changed", "the file changed its length while it was read")
        return self._hash.hexdigest()


def probe(path: str) -> ProbeResult:
    """Hash a file and read its demuxer's facts and packet index in one pass.

    Raises:
        ElementError: `empty`, `unreadable`, `not_media`, `no_streams`, `damaged`, `out_of_memory` or `changed`.
    """
    try:
        file = _HashingFile(path)
    except OSError as error:
        raise ElementError("unreadable", f"cannot open the file: {error.strerror}") from error
    with media.open_media(path, file) as container:
        file.in_order = True
        facts = _container_facts(container)
        video, audio = media.choose_video(container), media.choose_audio(container)
        if video is None and audio is None:
            kinds = ", ".join(sorted({str(s.type) for s in container.streams})) or "no stream at all"
            raise ElementError("no_streams", f"neither video nor audio ({kinds}) in {container.format.name}")
        encrypted = media.encrypted_stream(audio if video is None else video)
        if audio is not None:
            facts.update(_audio_facts(audio))
        index = _empty_index()
        if video is not None:
            media.only(container, video)
            index, frame, sealed = _read_packets(container, video)
            encrypted |= sealed
            facts.update(_video_facts(video, frame), **_index_facts(container, video, index))
        facts["video_id"], facts["size"] = file.digest(), file.size
    return ProbeResult(facts, index, file.read_bytes, encrypted)


def _container_facts(container: Any) -> dict[str, Any]:
    pictures = sum(media.is_picture(s) for s in container.streams.video)
    duration = container.duration
    return {
        "container": container.format.name,
        "streams": len(container.streams),
        "video_streams": len(container.streams.video) - pictures,
        "audio_streams": len(container.streams.audio),
        "attached_pictures": pictures,
        "container_duration": duration / av.time_base if duration is not None and duration > 0 else None,
    }


def _audio_facts(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    if context is None:
        return {"audio_codec": "unknown"}
    return {
        "audio_codec": context.codec.canonical_name,
        "audio_sample_rate": context.sample_rate or None,
        "audio_channels": context.layout.nb_channels or None,
        "audio_layout": context.layout.name if context.layout.nb_channels else None,
    }


def _empty_index() -> PacketIndex:
    return PacketIndex(**{name: np.empty(0, kind) for name, kind in _COLUMNS.items()})


def _read_packets(container: Any, stream: Any) -> tuple[PacketIndex, Any | None, bool]:
    """All packets of a stream, one frame of it (None when no keyframe yields one), and whether it is encrypted."""
    columns = {name: array({"int64": "q", "int32": "i", "bool": "b"}[kind]) for name, kind in _COLUMNS.items()}
    frame: Any | None = None
    tries, encrypted = 8, media.encrypted_stream(stream)
    for packet in media.packets(container, stream):
        if packet.size == 0 and packet.pts is None and packet.dts is None:
            continue
        columns["pts"].append(NO_PTS if packet.pts is None else packet.pts)
        columns["dts"].append(NO_PTS if packet.dts is None else packet.dts)
        columns["duration"].append(packet.duration or 0)
        columns["size"].append(packet.size)
        columns["position"].append(-1 if packet.pos is None else packet.pos)
        columns["keyframe"].append(packet.is_keyframe)
        columns["discard"].append(packet.is_discard)
        if frame is None and tries and packet.is_keyframe:
            tries -= 1
            encrypted |= packet.has_sidedata("encryption_info")
            if not encrypted and stream.codec_context is not None:
                frame = decode_alone(stream, packet)
    return PacketIndex(**{name: np.asarray(columns[name], kind) for name, kind in _COLUMNS.items()}), frame, encrypted


def _video_facts(stream: Any, frame: Any | None) -> dict[str, Any]:
    """Facts of the picture: from a frame where there is one, else what the header says."""
    facts: dict[str, Any] = {"video_stream": stream.index, "video_codec": "unknown"}
    context = stream.codec_context
    if context is None:
        return facts
    source = context if frame is None else frame
    width, height = source.width, source.height
    media.check_size(width, height)
    rotation = 0 if frame is None else upright_turn(frame.rotation)
    shown = (height, width) if rotation in (90, 270) else (width, height)
    aspect = stream.sample_aspect_ratio
    pixels = context.format if frame is None else frame.format
    name = pixels.name if pixels is not None else None
    transfer = TRANSFERS.get(int(source.color_trc))
    full = name is not None and name.startswith("yuvj")
    return facts | {
        "video_codec": context.codec.canonical_name,
        "video_profile": context.profile,
        "width": shown[0] or None,
        "height": shown[1] or None,
        "coded_width": width or None,
        "coded_height": height or None,
        "sample_aspect": f"{aspect.numerator}:{aspect.denominator}" if aspect and aspect > 0 else None,
        "rotation": rotation,
        "pixel_format": name,
        "bit_depth": max((c.bits for c in pixels.components), default=None) if pixels is not None else None,
        "color_range": "full" if full else {1: "limited", 2: "full"}.get(int(source.color_range)),
        "color_space": MATRICES.get(int(source.colorspace)),
        "color_primaries": PRIMARIES.get(int(source.color_primaries)),
        "color_transfer": transfer,
        "hdr": transfer in ("smpte2084", "arib-std-b67"),
    }


def upright_turn(rotation: float) -> int:
    """Clockwise turn (0, 90, 180, 270 degrees) that shows a frame upright.

    Args:
        rotation: Counter-clockwise degrees of the display matrix, as FFmpeg gives them; nonsense counts as 0.
    """
    return round(-rotation / 90) % 4 * 90 if -360 <= rotation <= 360 else 0


def _index_facts(container: Any, stream: Any, index: PacketIndex) -> dict[str, Any]:
    base = stream.time_base or Fraction(0)
    claimed = stream.guessed_rate or stream.average_rate
    shifted = "mov" in container.format.name and bool(stream.start_time)
    facts: dict[str, Any] = {
        "packets": len(index),
        "keyframes": int(index.keyframe.sum()),
        "nominal_frame_rate": float(claimed) if claimed and 0 < claimed <= 1000 else None,
        "edit_list": shifted or bool(index.discard.any()),
    }
    if base > 0:
        facts |= {"time_base_num": base.numerator, "time_base_den": base.denominator}
        if (bounds := index.bounds()) is not None:
            facts |= {"start_pts": bounds[0], "end_pts": bounds[1], "duration": float((bounds[1] - bounds[0]) * base)}
    return facts


def write_index(index: PacketIndex, path: str | Path) -> None:
    """Save a packet index as Parquet; the same index gives the same bytes."""
    table = pa.table({name: pa.array(getattr(index, name)) for name in _COLUMNS})
    delta = {name: "DELTA_BINARY_PACKED" for name, kind in _COLUMNS.items() if kind != "bool"}
    pq.write_table(table, path, compression="zstd", use_dictionary=False, column_encoding=delta, write_statistics=False)


def read_index(path: str | Path) -> PacketIndex:
    """The packet index that `write_index` saved."""
    table = pq.read_table(path)
    return PacketIndex(**{name: table[name].to_numpy() for name in _COLUMNS})


MATRICES: Final = {
    **{
        0: "gbr",
        1: "bt709",
        4: "fcc",
        5: "bt470bg",
        6: "smpte170m",
        7: "smpte240m",
        8: "ycgco",
        9: "bt2020nc",
        10: "bt2020c",
    },
    **{11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp"},
}
"""Matrix coefficients of ITU-T H.273 table 4 by number, in FFmpeg's spelling, without 2 (unspecified) and reserved."""

PRIMARIES: Final = {
    **{1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428"},
    **{11: "smpte431", 12: "smpte432", 22: "ebu3213"},
}
"""Colour primaries of ITU-T H.273 table 2 by number, in FFmpeg's spelling."""

TRANSFERS: Final = {
    **{1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316"},
    **{11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084"},
    **{17: "smpte428", 18: "arib-std-b67"},
}
"""Transfer characteristics of ITU-T H.273 table 3 by number, in FFmpeg's spelling."""
