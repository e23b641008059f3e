"""Cutting: spans of a video become clip files, in one sequential pass over its source.

The packet index says beforehand which packets each clip needs: to be copied, to be decoded, or neither. So a pass reads
the file once, from front to back, decodes a picture at most once for all clips that want it, and skips long stretches
that no clip wants. Clips may overlap or touch. What turns out not to be as the index promised is cut again, by
encoding, and says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import av

from transforms import media
from transforms.clipfile import ENDING, holds
from transforms.clippass import Budget, LostError, OverBudgetError, Pass
from transforms.cutters import Copier, Cutter, Smart, Source, Span, Transcoder
from transforms.encoding import ClipSettings, check_settings
from transforms.failures import ElementError
from transforms.groups import Groups
from transforms.joining import UNCOPIED, Joiner, UnjoinableError
from transforms.measure import stream_of
from transforms.previews import STRIP, THUMBNAIL
from transforms.probe import PacketIndex
from transforms.soundtrack import CopiedSound

__all__ = ["ClipSettings", "Piece", "Span", "check_settings", "cut"]

RECIPE: Final = 2
"""Raised whenever the code changes what cutting yields for the same bytes and settings."""

OVER_BUDGET: Final = "over_budget"
"""What a piece's error is called that would not have fitted."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """What became of one span.

    Attributes:
        clip_id: Its name.
        name: Of its file in the folder; None where there is none.
        mode: What was done: `copy`, `smart` or `transcode`.
        fell_back: Why that is not what was asked for.
        lead_seconds: Added before the span, by `copy`.
        tail_seconds: Added after it.
        bytes: Of the file and its previews.
        frames: Pictures that the file shows.
        encoded_frames: Those of them that were encoded.
        width: Pixels of the file's picture, before rotation.
        height: The same.
        audio_codec: `aac`, `opus` or that of the source; None without sound.
        audio_copied: It was not encoded.
        audio_seconds: What the source had of it; the rest is silent.
        thumbnail: Name of the picture of its middle.
        strip: Name of its preview.
        error: A failure class (or `over_budget`) and a message; None for a whole file.
    """

    clip_id: str
    name: str | None
    mode: str
    fell_back: str | None = None
    lead_seconds: float = 0.0
    tail_seconds: float = 0.0
    bytes: int = 0
    frames: int = 0
    encoded_frames: int = 0
    width: int = 0
    height: int = 0
    audio_codec: str | None = None
    audio_copied: bool = False
    audio_seconds: float = 0.0
    thumbnail: str | None = None
    strip: str | None = None
    error: tuple[str, str] | None = None


def cut(
    path: str,
    facts: Mapping[str, Any],
    index: PacketIndex,
    spans: Sequence[Span],
    settings: ClipSettings,
    folder: Path,
    budget_bytes: int | None = None,
) -> list[Piece]:
    """Write clip files.

    Args:
        path: A local file.
        facts: Columns of `VideoRow`, as probed: `video_stream`, `time_base_num`, `time_base_den`, `rotation`.
        index: Its packets.
        spans: What is wanted, in any order; they may overlap. Each has a name of its own.
        settings: How.
        folder: An existing folder; gets `CLIP_ID.mp4`, `CLIP_ID.webp` and `CLIP_ID.strip.webp`.
        budget_bytes: Most bytes of all files; what goes over it is not written.

    Returns:
        One piece for each span, in their order.

    Raises:
        ConfigError: The settings cannot work.
        ElementError: The source can't be read, or has no video.
        OSError: The disk is full or broken; whole files stay, half ones are gone.
    """
    check_settings(settings)
    if settings.clips == "none" or not spans:
        return []
    if facts.get("video_stream") is None or not facts.get("time_base_den"):
        raise ElementError("no_streams", "no video to cut")
    work = _Work(path, facts, Groups(index), settings, folder, Budget(budget_bytes))
    wanted: dict[Span, str | None] = dict.fromkeys(spans)
    while wanted:
        wanted = work.run(wanted)
    return [work.pieces[span.clip_id] for span in spans]


class _Work:
    """What is the same for every pass over a source, and what became of its clips."""

    def __init__(
        self,
        path: str,
        facts: Mapping[str, Any],
        groups: Groups,
        settings: ClipSettings,
        folder: Path,
        budget: Budget,
    ) -> None:
        self.path, self.facts, self.groups, self.settings, self.folder = path, facts, groups, settings, folder
        self.budget = budget
        self.pieces: dict[str, Piece] = {}
        self._careful = 0 if groups.steady else 2

    def run(self, spans: Mapping[Span, str | None]) -> dict[Span, str | None]:
        """One pass; returns the spans that need another.

        Args:
            spans: What is wanted; with a reason, it is encoded.
        """
        with media.open_media(self.path) as container:
            video = stream_of(container, self.facts)
            audio = media.choose_audio(container) if self.settings.clip_audio != "none" else None
            if audio is not None and (audio.codec_context is None or media.encrypted_stream(audio)):
                audio = None
            if audio is not None:
                audio.discard = av.stream.Discard.default
                media.prepare_decoder(audio)
            media.prepare_decoder(video)
            rotation, rate = int(self.facts.get("rotation") or 0), self.facts.get("nominal_frame_rate")
            source = Source(video, audio, self.groups, rotation, rate, self.settings, self.folder)
            cutters = [self._cutter(span, why, source) for span, why in spans.items()]
            reading = Pass(container, source, cutters, self._careful, self.budget, self._made, self._failed)
            del cutters
            again: dict[Span, str | None] = {}
            try:
                reading.read()
            except LostError as lost:
                self._careful = max(self._careful, lost.careful)
                again = {cutter.span: spans[cutter.span] for cutter in reading.left}
            except OverBudgetError:
                left = [(cutter.span, cutter) for cutter in reading.left]
                for span, cutter in [*left, *((span, None) for span in reading.again)]:
                    self._over(span, cutter)
                reading.again.clear()
            finally:
                for cutter in reading.left:
                    cutter.abandon()
        return again | reading.again

    def _over(self, span: Span, cutter: Cutter | None) -> None:
        text = "the clips would take more bytes than --clip-bytes-budget allows"
        self.pieces[span.clip_id] = _failed(span, cutter, OVER_BUDGET, text)

    def _failed(self, cutter: Cutter, error_class: str, message: str) -> None:
        self.pieces[cutter.span.clip_id] = _failed(cutter.span, cutter, error_class, message)

    def _cutter(self, span: Span, why: str | None, source: Source) -> Cutter:
        mode, groups = self.settings.clips, self.groups
        if why is None and mode != "transcode":
            try:
                if not groups.steady:
                    raise UnjoinableError("times of the packets are missing, repeated or unsteady")
                if self._careful > 1:
                    raise UnjoinableError(
                        "its keyframes do not decode alone, or its packets are not those of the index"
                    )
                if not holds(source.video.codec_context.codec.name):
                    raise UnjoinableError(f"MP4 cannot hold {source.video.codec_context.codec.canonical_name}")
                return self._copier(span, source) if mode == "copy" else self._smart(span, source)
            except UnjoinableError as error:
                why = str(error)
        return Transcoder(span, source, why)

    def _copier(self, span: Span, source: Source) -> Cutter:
        context = source.video.codec_context
        if context.codec.canonical_name == "h264" and context.profile == UNCOPIED:
            raise UnjoinableError(f"H.264 profile {UNCOPIED}: decoders may need the source's first packet")
        packets = self.groups.copied(span.start_pts, span.end_pts)
        if packets is None:
            raise UnjoinableError("no keyframe to begin at")
        if self.groups.hidden(packets):
            raise UnjoinableError("an edit list hides pictures of it")
        return Copier(span, source, packets)

    def _smart(self, span: Span, source: Source) -> Cutter:
        if span.crop is not None and self.settings.clip_crop:
            raise UnjoinableError("black bars are cut away")
        joint = self.groups.joint(span.start_pts, span.end_pts)
        if joint is None:
            raise UnjoinableError("no whole closed group of pictures in it")
        if self.groups.hidden(joint.copied):
            raise UnjoinableError("an edit list hides pictures of it")
        context = source.video.codec_context
        return Smart(span, source, joint, Joiner(context.codec.canonical_name, context.extradata))

    def _made(self, cutter: Cutter, size: int) -> None:
        span, sound, source = cutter.span, cutter.sound, cutter.source
        names = [
            span.clip_id + ending if (self.folder / (span.clip_id + ending)).exists() else None
            for ending in (THUMBNAIL, STRIP)
        ]
        self.pieces[span.clip_id] = Piece(
            span.clip_id,
            span.clip_id + ENDING,
            cutter.mode,
            cutter.fell_back,
            lead_seconds=float((span.start_pts - cutter.shown[0]) * source.time_base),
            tail_seconds=float((cutter.shown[1] - span.end_pts) * source.time_base),
            bytes=size,
            frames=cutter.frames,
            encoded_frames=cutter.encoded,
            width=cutter.width,
            height=cutter.height,
            audio_codec=cutter.sound_codec,
            audio_copied=isinstance(sound, CopiedSound),
            audio_seconds=sound.heard / sound.rate if sound is not None else 0.0,
            thumbnail=names[0],
            strip=names[1],
        )


def _failed(span: Span, cutter: Cutter | None, error_class: str, message: str) -> Piece:
    mode, why = (cutter.mode, cutter.fell_back) if cutter is not None else (Transcoder.mode, None)
    return Piece(span.clip_id, None, mode, why, error=(error_class, message))
