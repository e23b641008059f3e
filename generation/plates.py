"""Plates: the shots of an asset cut together to exact frames and pixels, with their sound and without a word on them.

A plate is made of takes as engines gave them: brought to a constant frame rate, cut to length, scaled until they cover
the format and cropped around the point that matters, joined by cuts, dissolves and fades. It is a file of its own, at a
quality that can be encoded once more, named by what it is made of: assets that differ in their words share it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.filter import Graph

from generation.asset import Asset, Format, ShotTake
from generation.encoding import Track, write_video
from generation.planes import Picture, darkened, mixed
from generation.sound import shots_sound
from transforms.failures import ElementError
from transforms.media import as_failure, choose_video, open_media, prepare_decoder
from transforms.store import canonical

_RECIPE: Final = 1
"""Raised when the code changes what a plate looks like."""
_CRF: Final = 14
_PRESET: Final = "veryfast"
_KEY_FRAMES: Final = 12
"""A plate is encoded again: finer than the eye can tell, in a third of the time, with frames to look at throughout."""
_HELD: Final = Fraction(1, 4)
"""Seconds for which the last frame is held where a take is a little short; a gate lets pass 0.1 s."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plate:
    """A clean plate.

    Attributes:
        path: The file: H.264 and FLAC in MP4.
        key: SHA-256 of what it is made of, 32 hexadecimal digits: its name.
        frames: Its length.
        sound: Whether a shot brought sound.
    """

    path: Path
    key: str
    frames: int
    sound: bool


def make_plate(asset: Asset, takes: Mapping[str, Path], folder: Path) -> Plate:
    """Cut an asset's shots together, unless that is done already.

    Args:
        asset: The asset.
        takes: What the engine made, by request id.
        folder: Where plates lie.

    Raises:
        ElementError: A take is missing, cannot be decoded or is too short; the shots do not follow one another.
        OSError: The disk is full or broken.
    """
    frames = check_timeline(asset)
    missing = [one for one in asset.requests if one not in takes]
    if missing:
        raise ElementError("unreadable", f"{asset.name}: there is no take of request {missing[0]}")
    key = _key(asset, takes)
    path = folder / f"{key}.mp4"
    sound = any(shot.sound for shot in asset.shots)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Two workers may make the same plate at the same time: whoever is last puts the same bytes in place.
        half = path.with_name(f".{key}-{uuid.uuid4().hex}.mp4")
        try:
            samples = shots_sound(asset.shots, takes, asset.format, frames) if sound else None
            write_video(
                half,
                plate_pictures(asset, takes),
                asset.format,
                frames,
                {"crf": str(_CRF), "preset": _PRESET, "g": str(_KEY_FRAMES), "bf": "0"},
                None if samples is None else Track.lossless(samples, asset.format.sample_rate),
            )
            os.replace(half, path)
        finally:
            half.unlink(missing_ok=True)
    return Plate(path=path, key=key, frames=frames, sound=sound)


def check_timeline(asset: Asset) -> int:
    """See that the shots follow one another and end where the end card or the asset does; their length in frames.

    Raises:
        ElementError: `internal`: they do not; the plan is wrong.
    """
    place = 0
    for number, shot in enumerate(asset.shots):
        overlap = shot.transition_frames if shot.transition == "dissolve" else 0
        if shot.start != place or shot.frames <= 0 or not 0 <= overlap <= shot.frames:
            raise ElementError("internal", f"{asset.name}: shot {shot.name} begins at {shot.start}, not at {place}")
        last = number == len(asset.shots) - 1
        place = shot.start + shot.frames - (0 if last and asset.end_card is None else overlap)
    end = asset.format.frames
    if asset.end_card is not None:
        if asset.end_card.start != place:
            raise ElementError(
                "internal", f"{asset.name}: the end card begins at {asset.end_card.start}, not at {place}"
            )
        place += asset.end_card.frames
    if place != end or not asset.shots:
        raise ElementError("internal", f"{asset.name}: shots and end card last {place} frames, the format {end}")
    return asset.shots[-1].start + asset.shots[-1].frames


def plate_pictures(asset: Asset, takes: Mapping[str, Path]) -> Iterator[Picture]:
    """The pictures of an asset's shots, joined as their transitions say.

    Raises:
        ElementError: See `make_plate`.
    """
    going: dict[int, Iterator[Picture]] = {}
    shots = asset.shots
    for number in range(shots[-1].start + shots[-1].frames):
        seen = [i for i, shot in enumerate(shots) if shot.start <= number < shot.start + shot.frames]
        for i in [i for i in going if i not in seen]:
            del going[i]
        pictures = []
        for i in seen:
            if i not in going:
                paths = [takes[one] for one in shots[i].requests]
                going[i] = shot_pictures(shots[i], paths, asset.format)
            pictures.append(next(going[i]))
        picture = pictures[0]
        for i, over in zip(seen[1:], pictures[1:], strict=True):
            overlap = shots[i - 1].transition_frames
            picture = mixed(picture, over, (number - shots[i].start + 1) / (overlap + 1))
        light = min(fade_light(shot, number) for shot in shots)
        yield picture if light >= 1 else darkened(picture, light)


def fade_light(shot: ShotTake, number: int) -> float:
    """How light a frame is for the fade at a shot's end: 1 away from it, 0 in its middle."""
    if shot.transition != "fade" or not shot.transition_frames:
        return 1.0
    away = abs(number + 0.5 - (shot.start + shot.frames))
    return min(1.0, away / (shot.transition_frames / 2))


def shot_pictures(shot: ShotTake, paths: Sequence[Path], form: Format) -> Iterator[Picture]:
    """Exactly a shot's frames, from its parts in a row.

    Raises:
        ElementError: They cannot be decoded, or are too short by more than a moment.
    """
    made, last = 0, None
    for path in paths:
        for last in _part(path, shot, form):
            yield last
            made += 1
            if made == shot.frames:
                return
    short = shot.frames - made
    if last is None or short > _HELD * Fraction(form.frame_rate):
        raise ElementError("damaged", f"shot {shot.name}: its takes are {short} of {shot.frames} frames short")
    for _ in range(short):
        yield Picture(last.data.copy())


def _part(path: Path, shot: ShotTake, form: Format) -> Iterator[Picture]:
    """All pictures of a take at the format's rate and size: at each time the frame that is shown then."""
    rate = Fraction(form.frame_rate)
    with open_media(str(path)) as container:
        video = choose_video(container)
        if video is None:
            raise ElementError("no_streams", f"shot {shot.name}: {path.name} has no video")
        prepare_decoder(video)
        step = 1 / Fraction(video.average_rate or rate)
        fitted: Any = None
        shown: Picture | None = None
        begun, until, made = Fraction(0), Fraction(0), 0
        try:
            for frame in (frame for packet in container.demux(video) for frame in packet.decode()):
                if frame.pts is None:
                    continue
                time = frame.pts * Fraction(frame.time_base)
                if fitted is None:
                    fitted, begun = _Fit(frame, shot.focus, form), time
                # The frame before is shown until this one begins; a thousandth is lost in time bases such as 1/1000.
                while shown is not None and Fraction(made) / rate < time - begun - Fraction(1, 1000):
                    yield Picture(shown.data.copy())
                    made += 1
                shown, until = fitted.picture(frame), time - begun + step
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise as_failure(error, f"shot {shot.name}: decoding {path.name}") from error
        while shown is not None and Fraction(made) / rate < until - Fraction(1, 1000):
            yield Picture(shown.data.copy())
            made += 1


class _Fit:
    """Scales frames until they cover a format, crops them, and brings their colours to BT.709."""

    def __init__(self, frame: Any, focus: tuple[float, float], form: Format) -> None:
        scale = max(Fraction(form.width, frame.width), Fraction(form.height, frame.height))
        wide, high = (max(least, -int(-side * scale // 2) * 2) for side, least in
                      ((frame.width, form.width), (frame.height, form.height)))  # fmt: skip
        left = _crop(wide, form.width, focus[0])
        top = _crop(high, form.height, focus[1])
        # As players do where nothing is said: BT.601 below 720 lines, else BT.709.
        said = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}.get(int(frame.colorspace))
        colours = said or ("bt709" if min(frame.width, frame.height) >= 720 else "bt601")
        full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
        self._graph: Graph | None = None
        plain = colours == "bt709" and not full and frame.format.name == "yuv420p"
        if plain and (frame.width, frame.height) == (form.width, form.height):
            return
        graph = Graph()
        graph.threads = 1
        source: Any = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(frame.time_base)
        )
        ranges = f"in_range={'pc' if full else 'tv'}:out_range=tv"
        matrices = f"in_color_matrix={colours}:out_color_matrix=bt709"
        last = source
        for name, arguments in (
            ("scale", f"{wide}:{high}:flags=bicubic+accurate_rnd+full_chroma_int:{matrices}:{ranges}"),
            ("format", "yuv420p"),
            ("crop", f"{form.width}:{form.height}:{left}:{top}"),
        ):
            following = graph.add(name, arguments)
            last.link_to(following)
            last = following
        last.link_to(graph.add("buffersink"))
        graph.configure()
        self._graph = graph

    def picture(self, frame: Any) -> Picture:
        if self._graph is None:
            return Picture.of_frame(frame)
        self._graph.push(frame)
        return Picture.of_frame(self._graph.pull())


def _crop(have: int, want: int, focus: float) -> int:
    """Where a crop begins, in even pixels, so that the point at `focus` (0 to 1) is as near its middle as can be."""
    return min(max(round((have * focus - want / 2) / 2) * 2, 0), (have - want) // 2 * 2)


def _key(asset: Asset, takes: Mapping[str, Path]) -> str:
    form = asset.format
    made_of = {
        "recipe": [_RECIPE, _CRF, _PRESET, _KEY_FRAMES],
        "form": [form.width, form.height, form.frame_rate, form.sample_rate],
        "card": asset.end_card is not None,
        "shots": [{**dataclasses.asdict(shot), "name": "", "requests": _digests(shot, takes)} for shot in asset.shots],
    }
    return hashlib.sha256(canonical(made_of).encode()).hexdigest()[:32]


def _digests(shot: ShotTake, takes: Mapping[str, Path]) -> list[str]:
    return [digest(takes[one]) for one in shot.requests]


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        ElementError: `unreadable`: it is not there, or may not be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ElementError("unreadable", f"cannot read {path.name}: {error.strerror}") from error
