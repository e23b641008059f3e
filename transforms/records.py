"""Records: one frozen dataclass per table, from which its Arrow schema is derived.

A column's meaning, unit and range are written here once; `rushes schema`, the Arrow field metadata and the docs are
made from them. Delta Lake has neither unsigned integers nor fixed-size lists, so neither appears.
"""

from __future__ import annotations

import dataclasses
import hashlib
import types
import typing
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

import pyarrow as pa

from transforms.column import column
from transforms.generated_records import AssetRow as AssetRow
from transforms.generated_records import RequestRow as RequestRow
from transforms.release_records import LicensedUseRow as LicensedUseRow
from transforms.release_records import ReleaseClipRow as ReleaseClipRow
from transforms.release_records import ReleaseRow as ReleaseRow
from transforms.review_records import MarkRow
from transforms.rights_records import RetractionRow as RetractionRow
from transforms.rights_records import SaidRow as SaidRow
from transforms.rights_records import VerdictRow as VerdictRow
from transforms.run_records import FailureRow as FailureRow  # all records by one name
from transforms.run_records import RunRow as RunRow
from transforms.text_records import CaptionRow as CaptionRow
from transforms.text_records import TranscriptRow as TranscriptRow
from transforms.text_records import UtteranceRow as UtteranceRow


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceRow:
    """One source as it was listed: a uri and the bytes it held when it was read."""

    table: ClassVar[str] = "sources"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("uri",)
    scope: ClassVar[tuple[str, ...]] = ("uri",)

    uri: str = column("Where the bytes were read from, without credentials.")
    size: int = column("Length of the source.", unit="bytes", span=">= 0")
    etag: str | None = column("Entity tag or generation that the object store or web server gave.", default=None)
    modified: str | None = column("Last modification as the storage reports it, ISO 8601 in UTC.", default=None)
    video_id: str = column("SHA-256 of the bytes, in hexadecimal: the video these bytes are.")
    metadata: dict[str, str] = column("Every other column that the list brought, as text.", default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoRow:
    """One distinct sequence of bytes: what its demuxer says, and what one decode of it counted."""

    table: ClassVar[str] = "videos"
    version: ClassVar[int] = 2
    key: ClassVar[tuple[str, ...]] = ("video_id",)
    scope: ClassVar[tuple[str, ...]] = ("video_id",)

    video_id: str = column("SHA-256 of the bytes, in hexadecimal.")
    size: int = column("Length of the source.", unit="bytes", span="> 0")
    container: str = column("Container format as the demuxer names it.")
    streams: int = column("Streams of any kind in the container.", span=">= 1")
    video_streams: int = column("Moving-picture streams; attached pictures do not count.", span=">= 0")
    audio_streams: int = column("Audio streams.", span=">= 0")
    attached_pictures: int = column("Cover art and other still pictures carried as video streams.", span=">= 0")
    video_stream: int | None = column(
        "Index of the video stream that was measured: the default one, else the largest.", default=None
    )
    video_codec: str | None = column("Codec of the measured video stream.", default=None)
    video_profile: str | None = column("Profile of the measured video stream.", default=None)
    width: int | None = column(
        "Width as shown: after rotation, before sample aspect.", unit="px", span="> 0", default=None
    )
    height: int | None = column(
        "Height as shown: after rotation, before sample aspect.", unit="px", span="> 0", default=None
    )
    coded_width: int | None = column("Width of a decoded frame.", unit="px", span="> 0", default=None)
    coded_height: int | None = column("Height of a decoded frame.", unit="px", span="> 0", default=None)
    sample_aspect: str | None = column("Sample aspect ratio, `n:d`.", default=None)
    rotation: int | None = column(
        "Clockwise turn that shows the decoded frame upright.", unit="degrees", span="0, 90, 180, 270", default=None
    )
    pixel_format: str | None = column("Pixel format of a decoded frame.", default=None)
    bit_depth: int | None = column("Bits of one luma sample.", span="8 to 16", default=None)
    color_range: str | None = column("`limited` or `full`, as tagged.", default=None)
    color_space: str | None = column("Matrix coefficients as tagged (ITU-T H.273 names).", default=None)
    color_primaries: str | None = column("Colour primaries as tagged (ITU-T H.273 names).", default=None)
    color_transfer: str | None = column("Transfer characteristics as tagged (ITU-T H.273 names).", default=None)
    hdr: bool | None = column("The transfer is PQ (SMPTE ST 2084) or HLG (ARIB STD-B67).", default=None)
    interlaced: bool | None = column("Any decoded frame is flagged as interlaced.", default=None)
    time_base_num: int | None = column("Numerator of the video stream's time base.", span="> 0", default=None)
    time_base_den: int | None = column("Denominator of the video stream's time base.", span="> 0", default=None)
    start_pts: int | None = column("PTS of the first frame shown.", unit="time base", default=None)
    end_pts: int | None = column("PTS at which the last frame shown ends.", unit="time base", default=None)
    duration: float | None = column(
        "From the first frame shown to the end of the last; of the audio where there is no video.",
        unit="s",
        span=">= 0",
        default=None,
    )
    container_duration: float | None = column(
        "Duration the container claims; null where it claims none.", unit="s", default=None
    )
    frames: int = column("Frames decoded and shown.", span=">= 0", default=0)
    packets: int = column("Packets of the measured video stream.", span=">= 0", default=0)
    keyframes: int = column("Packets flagged as keyframes.", span=">= 0", default=0)
    frame_rate: float | None = column("Frames shown divided by duration.", unit="1/s", default=None)
    nominal_frame_rate: float | None = column("Frame rate the stream claims.", unit="1/s", default=None)
    variable_frame_rate: bool | None = column(
        "Some interval between shown frames is off the median by more than one tick of the time base and 1 %.",
        default=None,
    )
    edit_list: bool | None = column("Packets were discarded or shifted by an edit list.", default=None)
    bit_rate: float | None = column(
        "Bytes of the measured video stream's packets over its duration.", unit="bit/s", default=None
    )
    decode_errors: int = column("Packets that the decoder refused; their frames are missing.", span=">= 0", default=0)
    audio_codec: str | None = column("Codec of the first audio stream.", default=None)
    audio_sample_rate: int | None = column("Sample rate of the first audio stream.", unit="Hz", default=None)
    audio_channels: int | None = column("Channels of the first audio stream.", default=None)
    audio_layout: str | None = column("Channel layout of the first audio stream.", default=None)
    audio_offset: float | None = column(
        "Start of the stored audio against the first frame shown; positive: audio starts later.", unit="s", default=None
    )
    audio_seconds: float | None = column("Length of the stored 16 kHz audio.", unit="s", default=None)
    audio_error: str | None = column(
        "Why there is no stored audio although the container has an audio stream.", default=None
    )
    audio_stream: int | None = column("Number of the stored audio stream in the container.", default=None)
    audio_end_offset: float | None = column(
        "End of the stored audio against the end of the pictures.", unit="s", default=None
    )
    audio_loudness: float | None = column(
        "Integrated loudness; null under 0.4 s or below the gate.", unit="LUFS", source="EBU R128", default=None
    )
    audio_loudness_range: float | None = column(
        "Loudness range; null under 3 s.", unit="LU", span=">= 0", source="EBU Tech 3342", default=None
    )
    audio_short_term_max: float | None = column(
        "Largest loudness over 3 s.", unit="LUFS", source="EBU Tech 3341", default=None
    )
    audio_true_peak: float | None = column(
        "True peak; null in digital silence.", unit="dBTP", source="ITU-R BS.1770-4 annex 2", default=None
    )
    audio_sample_peak: float | None = column(
        "Largest sample; lossy sound may decode to more than 0. Null in digital silence.", unit="dBFS", default=None
    )
    audio_silence_share: float | None = column(
        "Share of time in silences: -60 dBFS for 0.5 s.", span="0 to 1", source="FFmpeg silencedetect", default=None
    )
    audio_clipped_share: float | None = column(
        "Share of tenths of a second with clipped samples.", span="0 to 1", default=None
    )
    audio_image: str | None = column(
        "What the channels hold: `silent`, `mono`, `dual_mono`, `one_sided`, `opposed`, `stereo` or `surround`.",
        default=None,
    )
    audio_correlation: float | None = column(
        "Correlation of the first two channels; null where there are no two.", span="-1 to 1", default=None
    )
    audio_dead_channels: int | None = column("Channels without sound, LFE aside.", span=">= 0", default=None)
    measure: str | None = column(
        "How it was measured: `exact`, `lean`, or `scan`, whose numbers are approximate.", default=None
    )
    scan_kind: str | None = column("Kind of stream that was scanned; null of a full decode.", default=None)
    scan_recall: float | None = column(
        "Share of cuts that scans of such streams find.", span="0 to 1", source="benchmarks/scan.py", default=None
    )
    measure_uri: str | None = column(
        "Folder in the store with signals, thumbnails and sampled frames, below the output folder.", default=None
    )
    audio_uri: str | None = column(
        "File in the store with mono 16 kHz audio (FLAC), below the output folder.", default=None
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipRow:
    """A span of a video, kept or dropped, with every measure that decided it."""

    table: ClassVar[str] = "clips"
    version: ClassVar[int] = 3
    key: ClassVar[tuple[str, ...]] = ("video_id", "cut", "start_pts", "end_pts")
    scope: ClassVar[tuple[str, ...]] = ("video_id", "cut")

    clip_id: str = column(
        "SHA-256 of video_id, start_pts, end_pts and time base, 32 hexadecimal digits: one id under every cut."
    )
    video_id: str = column("The video the span belongs to.")
    cut: str = column("Name of the set of detectors and thresholds that made the span.")
    scene: int = column("Index of the scene in its video, from 0; a long scene gives several clips.", span=">= 0")
    start_pts: int = column("PTS of the first frame of the span.", unit="time base")
    end_pts: int = column(
        "PTS at which the span ends: that of the first frame after it, or the end of the last frame.", unit="time base"
    )
    time_base_num: int = column("Numerator of the time base.", span="> 0")
    time_base_den: int = column("Denominator of the time base.", span="> 0")
    start_seconds: float = column("Start from the first frame shown.", unit="s", span=">= 0")
    end_seconds: float = column("End from the first frame shown.", unit="s", span="> start_seconds")
    seconds: float = column("Length of the span.", unit="s", span="> 0")
    start_frame: int = column("Index of the first frame among the frames shown, from 0.", span=">= 0")
    frames: int = column("Frames in the span.", span=">= 1")
    frame_rate: float = column("Frames over seconds.", unit="1/s")
    start_reason: str = column(
        "What opened the span: `start`, a detector, `dissolve`, `wipe`, `fade`, `black`, `scan`, `stride`, `length`."
    )
    end_reason: str = column("What closed the span: `end`, else as above.")
    width: int = column("Width as shown.", unit="px")
    height: int = column("Height as shown.", unit="px")
    crop_left: int = column("Pillarbox to crop at the left, as shown.", unit="px", span=">= 0")
    crop_right: int = column("Pillarbox to crop at the right, as shown.", unit="px", span=">= 0")
    crop_top: int = column("Letterbox to crop at the top, as shown.", unit="px", span=">= 0")
    crop_bottom: int = column("Letterbox to crop at the bottom, as shown.", unit="px", span=">= 0")
    luma: float = column("Mean luma.", unit="8-bit level", span="0 to 255")
    luma_min: float = column("Mean luma of the darkest frame.", unit="8-bit level", span="0 to 255")
    luma_max: float = column("Mean luma of the brightest frame.", unit="8-bit level", span="0 to 255")
    saturation: float = column(
        "Chroma strength: the mean over frames of the largest minus the smallest of mean blue, green and red.",
        unit="8-bit level",
        span="0 to 255",
    )
    red: float = column("Mean red.", unit="8-bit level", span="0 to 255")
    green: float = column("Mean green.", unit="8-bit level", span="0 to 255")
    blue: float = column("Mean blue.", unit="8-bit level", span="0 to 255")
    sharpness: float = column(
        "Median over frames of the variance of the Laplacian of the small luma picture.",
        span=">= 0",
        source="Pech-Pacheco et al. 2000",
    )
    motion: float = column(
        "Mean over frames of the mean absolute luma change against the frame before, times the frame rate over 24.",
        unit="8-bit level",
        span="0 to 255",
    )
    motion_max: float = column(
        "Largest mean absolute luma change inside the span.", unit="8-bit level", span="0 to 255"
    )
    black_share: float = column("Share of the span's time in black frames.", span="0 to 1", source="FFmpeg blackdetect")
    frozen_share: float = column(
        "Share of the span's time in frozen stretches.", span="0 to 1", source="FFmpeg freezedetect"
    )
    contrast: float = column(
        "Mean over frames of the standard deviation of luma.", unit="8-bit level", span="0 to 127.5"
    )
    camera: str = column(
        "Movement of the camera: `static`, `pan left`, `pan right`, `tilt up`, `tilt down`, `zoom in`, `zoom out`, "
        "`roll cw`, `roll ccw`, `handheld` or `unknown`."
    )
    camera_confidence: float = column("How far that word can be trusted.", span="0 to 1")
    flow: float | None = column(
        "Mean length of the optical flow in textured parts.",
        unit="picture widths/s",
        span=">= 0",
        source="DIS",
        default=None,
    )
    moving_share: float | None = column(
        "Mean share of the textured picture that moves against the camera.", span="0 to 1", default=None
    )
    flashes: int = column("Flashes of light.", span=">= 0", source="WCAG 2.3.1, ITU-R BT.1702")
    flash_rate: float = column("Most flashes in any second; more than 3 are a hazard.", unit="1/s", source="WCAG 2.3.1")
    flicker_share: float = column("Share of the span's time in oscillating light.", span="0 to 1")
    duplicate_share: float | None = column("Share of frames that repeat the one before.", span="0 to 1", default=None)
    unique_rate: float | None = column("Different pictures a second; null of a still.", unit="1/s", default=None)
    cadence: str | None = column(
        "How many frames a picture is shown, in turn: `1`, `2`, `2:3` (3:2 pull-down), ..., `mixed`.", default=None
    )
    blockiness: float | None = column(
        "Steps on the 8x8 grid of block coding over those beside it, median; about 1 is none.",
        span=">= 0",
        source="after Wang, Bovik, Evans 2000",
        default=None,
    )
    noise: float | None = column(
        "Standard deviation of noise, median.", unit="8-bit levels", span=">= 0", source="Immerkaer 1996", default=None
    )
    interlaced_share: float | None = column("Share of looked-at frames that are combed.", span="0 to 1", default=None)
    detail: float | None = column(
        "Share of the frame's resolution that its sharpest edges use: about 0.5 was enlarged twice, or is soft.",
        span="0 to 1",
        source="MTF50, ISO 12233",
        default=None,
    )
    bits_per_pixel: float | None = column(
        "Packet bits of the span over frames times width times height.", unit="bit", span=">= 0", default=None
    )
    has_audio: bool = column("Stored audio covers some of the span.")
    audio_rms: float | None = column(
        "Level of the stored audio inside the span; null without audio.", unit="dBFS", span="<= 0", default=None
    )
    loudness: float | None = column(
        "Integrated loudness; null under 0.4 s or below the gate.", unit="LUFS", source="EBU R128", default=None
    )
    true_peak: float | None = column(
        "True peak inside the span.", unit="dBTP", source="ITU-R BS.1770-4 annex 2", default=None
    )
    silence_share: float | None = column("Share of its sound in silence.", span="0 to 1", default=None)
    clipped_share: float | None = column(
        "Share of its tenths of a second with clipped samples.", span="0 to 1", default=None
    )
    kept: bool = column("No reason to drop it holds.")
    reasons: list[str] = column("Every reason to drop it that holds, sorted; empty when kept.", default=None)
    reason_values: dict[str, float] = column("For each reason the number that was compared.", default=None)
    reason_limits: dict[str, float] = column("For each reason the limit it was compared with.", default=None)
    shape_bucket: str = column(
        "Aspect, resolution and length class after cropping, as `16:9/720p/4s`: clips of one bucket batch together."
    )
    latent_frames: int = column("Latent frames after temporal compression.", span=">= 1")
    latent_patches: int = column(
        "Space-time patches of the cropped clip for the configured compression and patch size.", span=">= 1"
    )
    frame_uri: str | None = column(
        "Sampled frame nearest the middle of the span: `FILE#NAME`, below the output folder.", default=None
    )
    clip_uri: str | None = column("Clip file (MP4), below the output folder; null without one.", default=None)
    clip_mode: str | None = column("How the file was made: `copy`, `smart` or `transcode`.", default=None)
    clip_fallback: str | None = column("Why that is not the mode that was asked for.", default=None)
    clip_lead_seconds: float | None = column(
        "Shown by the file before the span: `copy` begins at a keyframe.", unit="s", span=">= 0", default=None
    )
    clip_tail_seconds: float | None = column("Shown by it after the span.", unit="s", span=">= 0", default=None)
    clip_bytes: int | None = column("Bytes of the file and its previews.", unit="bytes", default=None)
    clip_frames: int | None = column("Frames that the file shows.", span=">= 1", default=None)
    clip_encoded_frames: int | None = column("Those of them that were encoded.", span=">= 0", default=None)
    clip_width: int | None = column("Width of the file's picture, before rotation.", unit="px", default=None)
    clip_height: int | None = column("Height of it, before rotation.", unit="px", default=None)
    clip_audio: str | None = column("Codec of the file's sound; null without.", default=None)
    thumbnail_uri: str | None = column("WebP picture of the clip's middle, below the output folder.", default=None)
    strip_uri: str | None = column("WebP preview: pictures side by side, below the output folder.", default=None)
    clip_error: str | None = column("Why a kept clip has no file, as `class: message`.", default=None)


Row = (
    SourceRow
    | VideoRow
    | ClipRow
    | CaptionRow
    | TranscriptRow
    | UtteranceRow
    | VerdictRow
    | SaidRow
    | ReleaseRow
    | ReleaseClipRow
    | LicensedUseRow
    | RetractionRow
    | MarkRow
    | RequestRow
    | AssetRow
    | FailureRow
    | RunRow
)
RECORDS: tuple[type[Any], ...] = (
    SourceRow,
    VideoRow,
    ClipRow,
    CaptionRow,
    TranscriptRow,
    UtteranceRow,
    VerdictRow,
    SaidRow,
    ReleaseRow,
    ReleaseClipRow,
    LicensedUseRow,
    RetractionRow,
    MarkRow,
    RequestRow,
    AssetRow,
    FailureRow,
    RunRow,
)
BY_TABLE: dict[str, type[Any]] = {r.table: r for r in RECORDS}

_ARROW: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def _arrow_type(hint: Any) -> pa.DataType:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return pa.list_(_arrow_type(args[0]))
    if origin is dict:
        return pa.map_(_arrow_type(args[0]), _arrow_type(args[1]))
    return _ARROW[hint]


def schema(record: type[Any]) -> pa.Schema:
    """The Arrow schema of a record, with each column's meaning, unit, range and source as field metadata.

    A column is nullable when its type says `| None` or its default is None (empty lists and maps are stored as null).
    """
    hints = typing.get_type_hints(record)
    fields = []
    for f in dataclasses.fields(record):
        hint, nullable = hints[f.name], f.default is None
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            (hint,) = [a for a in typing.get_args(hint) if a is not type(None)]
            nullable = True
        meta = {k: v for k, v in f.metadata.items() if v}
        fields.append(pa.field(f.name, _arrow_type(hint), nullable, meta))
    return pa.schema(fields, {"table": record.table, "schema_version": str(record.version)})


def to_dict(row: Any) -> dict[str, Any]:
    """A record as a plain mapping of its columns (shallow: columns hold plain values already)."""
    return {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}


def to_table(record: type[Any], rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows as mappings, to an Arrow table with the record's schema."""
    made = [{k: list(v.items()) if isinstance(v, dict) else v for k, v in row.items()} for row in rows]
    return pa.Table.from_pylist(made, schema=schema(record))


def bucket_of(value: str, buckets: int) -> int:
    """The bucket of a key: the first 64 bits of its SHA-256, modulo the number of buckets."""
    return int(hashlib.sha256(value.encode()).hexdigest()[:16], 16) % buckets
