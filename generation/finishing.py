"""Finishing: from an asset and its takes to the file that is delivered, in a chain of steps.

First the clean plate; then steps that change its pictures (end card, copy), the encoding with sound at its level, and
steps that look at or add to the file. A step is a function and its name in a list: a watermark is one more that changes
pictures, a signed manifest one more that comes after the file. The same asset and takes give the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av.error
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from generation.asset import Asset, File
from generation.drawing import open_picture
from generation.encoding import check_video, rate_options, write_video
from generation.endcard import end_card
from generation.loudness import Level, to_level
from generation.overlays import overlays
from generation.planes import Picture, darkened, mixed
from generation.plates import Plate, digest, fade_light, make_plate
from generation.sound import read_sound, with_music
from transforms.failures import ElementError
from transforms.media import as_failure, choose_video, open_media, prepare_decoder
from transforms.settings import setting
from transforms.store import canonical

RECIPE: Final = 1
"""Raised when the code changes what a finished file looks or sounds like."""

_ASSETS: Final = "assets"
_PLATES: Final = "plates"
_GLANCES: Final = 32
"""Most frames of a plate that are looked at before a text is laid over it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinishSettings:
    """How assets are finished."""

    crf: int = setting(
        18,
        "Quality of the picture where the platform asks for no bit rate, smaller is better",
        low=0,
        high=40,
        source="x264: 17 or 18 is visually lossless or nearly so",
    )
    preset: str = setting(
        "faster",
        "The encoder's preset: slower ones make smaller files",
        choices=("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finished:
    """What came of an asset.

    Attributes:
        path: The finished file.
        sha256: SHA-256 of its bytes, in hexadecimal.
        bytes: Its size.
        plate: The clean plate that it is made of.
        frames: Its length in frames, as read back.
        seconds: Its length.
        loudness: Integrated, in LUFS, of the sound as it is decoded; None: nothing can be heard.
        true_peak: In dBTP; None: digital silence.
        steps: Names of the steps, in order.
        told: What was done and should be known: sizes of texts, contrast, what could not be reached.
        key: SHA-256 of all that it is made of, 32 hexadecimal digits: an equal key means an equal file.
    """

    path: Path
    sha256: str
    bytes: int
    plate: Path
    frames: int
    seconds: float
    loudness: float | None
    true_peak: float | None
    steps: tuple[str, ...]
    told: tuple[str, ...]
    key: str


@dataclasses.dataclass(kw_only=True)
class Work:
    """What steps know of the asset they work on.

    Attributes:
        asset: The asset.
        plate: Its clean plate.
        files: Local files of what the asset names, by SHA-256.
        settings: How it is finished.
        told: What steps want to be known; they add to it.
    """

    asset: Asset
    plate: Plate
    files: Mapping[str, Path]
    settings: FinishSettings
    told: list[str] = dataclasses.field(default_factory=list)

    def local(self, file: File) -> Path:
        """Where a file of the asset lies on this machine."""
        return self.files[file.sha256]

    @property
    def fonts(self) -> list[Path]:
        """Font files of the brand."""
        return [self.local(one) for one in self.asset.brand.fonts]

    @property
    def logo(self) -> Image.Image | None:
        """The brand's logo."""
        logo = self.asset.brand.logo
        return None if logo is None else open_picture(self.local(logo))


PictureStep = Callable[[Iterator[Picture], Work], Iterator[Picture]]
FileStep = Callable[[Path, Work], None]


def finish(
    asset: Asset,
    takes: Mapping[str, Path],
    folder: Path,
    settings: FinishSettings | None = None,
    files: Mapping[str, Path] | None = None,
    picture_steps: Sequence[tuple[str, PictureStep]] | None = None,
    file_steps: Sequence[tuple[str, FileStep]] | None = None,
) -> Finished:
    """Make the finished file of an asset. What is there already, made of the same, is not made again.

    Args:
        asset: The asset, as planned.
        takes: Local files of the takes that are used, by request id.
        folder: Where `plates/` and `assets/` lie; made if need be.
        settings: How.
        files: Local copies of what the asset names, by SHA-256; what is not in it is opened at its own address.
        picture_steps: Steps that change pictures, by name, instead of `PICTURE_STEPS`.
        file_steps: Steps that look at the file or change it before it gets its name, instead of `FILE_STEPS`.

    Raises:
        ConfigError: A font of the brand is none; texts cannot be shaped.
        ElementError: A take or a file of the brand cannot be used, has changed, or is missing; a text does not fit, or
            there are no letters for it (`bad_copy`); the plan does not add up.
        OSError: The disk is full or broken. Nothing half-made is left under a name.
    """
    cv2.setNumThreads(1)  # A process a core uses the machine better than threads on one picture.
    how = settings or FinishSettings()
    changing = PICTURE_STEPS if picture_steps is None else tuple(picture_steps)
    ending = FILE_STEPS if file_steps is None else tuple(file_steps)
    found = _found(asset, files or {})
    plate = make_plate(asset, takes, folder / _PLATES)
    names = ("plate", *(name for name, _ in changing), "sound", "encode", *(name for name, _ in ending))
    key = _key(asset, plate, how, names)
    path = folder / _ASSETS / asset.asset_id[:2] / f"{asset.asset_id}.mp4"
    if (done := _done(path, key)) is not None:
        return done
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Work(asset=asset, plate=plate, files=found, settings=how)
    half = path.with_name(f".{asset.asset_id}-{uuid.uuid4().hex}.mp4")
    try:
        pictures = _pictures_of(plate.path)
        for _, step in changing:
            pictures = step(pictures, work)
        track, level = to_level(
            asset_sound(work), asset.format.sample_rate, asset.format.loudness, asset.format.true_peak,
            asset.format.audio_kbps,
        )  # fmt: skip
        _tell_level(work, level)
        options = rate_options(asset.format, how.crf, how.preset)
        write_video(half, pictures, asset.format, asset.format.frames, options, track)
        for _, finishing in ending:
            finishing(half, work)
        made = Finished(
            path=path,
            sha256=digest(half),
            bytes=half.stat().st_size,
            plate=plate.path,
            frames=asset.format.frames,
            seconds=float(asset.format.frames / Fraction(asset.format.frame_rate)),
            loudness=level.loudness,
            true_peak=level.true_peak,
            steps=names,
            told=tuple(work.told),
            key=key,
        )
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    _note(made)
    return made


def with_end_card(pictures: Iterator[Picture], work: Work) -> Iterator[Picture]:
    """The plate's pictures, and the end card after them for exactly the frames that remain."""
    card, last = work.asset.end_card, work.asset.shots[-1]
    if card is None:
        yield from pictures
        return
    product = None if card.picture is None else open_picture(work.local(card.picture))
    image = Picture.of_image(end_card(work.asset, work.logo, product, work.fonts))
    overlap = last.start + last.frames - card.start
    for number, picture in enumerate(pictures):
        over = number - card.start + 1
        yield mixed(picture, image, over / (overlap + 1)) if over > 0 else picture
    for number in range(last.start + last.frames, work.asset.format.frames):
        light = fade_light(last, number)
        yield Picture(image.data.copy()) if light >= 1 else darkened(image, light)


def with_copy(pictures: Iterator[Picture], work: Work) -> Iterator[Picture]:
    """Logo, texts, subtitles and label over the pictures of the shots."""
    card = work.asset.end_card
    until = work.asset.format.frames if card is None else card.start
    numbers, behind = _glances(work.plate)
    overlap = work.plate.frames - until
    laid = overlays(work.asset, work.logo, work.fonts, behind, numbers, until, overlap)
    work.told += laid.told
    for number, picture in enumerate(pictures):
        for layer in laid.layers:
            layer.lay(picture, number)
        yield picture


def read_back(path: Path, work: Work) -> None:
    """See that the file holds what it should, see `check_video`."""
    check_video(path, work.asset.format, work.asset.format.frames)


PICTURE_STEPS: Final[tuple[tuple[str, PictureStep], ...]] = (("end_card", with_end_card), ("copy", with_copy))
"""What changes pictures, in order: whatever must be in every pixel that is delivered comes last."""

FILE_STEPS: Final[tuple[tuple[str, FileStep], ...]] = (("read_back", read_back),)
"""What is done with the encoded file, in order: a signature over its bytes comes last."""


def asset_sound(work: Work) -> npt.NDArray[np.float32]:
    """The asset's sound before its level is set: that of the plate and music under it, as long as the pictures."""
    form = work.asset.format
    length = round(form.frames * form.sample_rate / Fraction(form.frame_rate))
    heard = read_sound(work.plate.path, form.sample_rate) if work.plate.sound else np.zeros((2, 0), np.float32)
    sound = np.zeros((2, length), np.float32)
    sound[:, : heard.shape[1]] = heard[:, :length]
    if work.asset.music is not None:
        sound = with_music(sound, read_sound(work.local(work.asset.music), form.sample_rate), form.sample_rate)
    return sound


def _tell_level(work: Work, level: Level) -> None:
    form = work.asset.format
    if level.loudness is None:
        work.told.append("nothing can be heard: a silent track stands for sound")
    elif abs(level.loudness - form.loudness) > 1:
        work.told.append(
            f"{level.loudness:.1f} LUFS instead of {form.loudness:.1f}: peaks of at most {form.true_peak:.1f} dBTP, or "
            "being next to silent, allow no more"
        )


def _pictures_of(path: Path) -> Iterator[Picture]:
    with open_media(str(path)) as container:
        video: Any = choose_video(container)
        prepare_decoder(video)
        try:
            for frame in (frame for packet in container.demux(video) for frame in packet.decode()):
                yield Picture.of_frame(frame)
        except av.error.FFmpegError as error:
            raise as_failure(error, f"decoding the plate {path.name}, which may be removed and made again") from error


def _glances(plate: Plate) -> tuple[list[int], npt.NDArray[np.uint8]]:
    """Luma of some of a plate's key frames, and their numbers: what texts will stand on, twice a second or less."""
    numbers: list[int] = []
    lumas: list[npt.NDArray[np.uint8]] = []
    with open_media(str(plate.path)) as container:
        video: Any = choose_video(container)
        prepare_decoder(video)
        video.codec_context.skip_frame = "NONKEY"
        for packet in container.demux(video):
            for frame in packet.decode():
                number = round(frame.pts * Fraction(frame.time_base) * Fraction(video.average_rate))
                if not numbers or number - numbers[-1] >= plate.frames / _GLANCES:
                    numbers.append(number)
                    lumas.append(Picture.of_frame(frame).y)
    return numbers, np.stack(lumas)


def _found(asset: Asset, files: Mapping[str, Path]) -> dict[str, Path]:
    """Where everything that an asset names lies; what is not what it was when it was planned is refused."""
    card = asset.end_card
    named = [*asset.brand.fonts, asset.brand.logo, asset.music, card.picture if card else None]
    found = {}
    for file in named:
        if file is None:
            continue
        path = files.get(file.sha256) or Path(file.uri.removeprefix("file://"))
        if digest(path) != file.sha256:
            raise ElementError("changed", f"{asset.name}: {path.name} is not what it was when the campaign was planned")
        found[file.sha256] = path
    return found


def _key(asset: Asset, plate: Plate, settings: FinishSettings, steps: Sequence[str]) -> str:
    what = asset.to_json()
    for unseen in ("campaign", "name", "product", "markets", "people", "works", "factors", "lint", "shots"):
        what.pop(unseen)
    made_of = {"recipe": RECIPE, "what": what, "plate": plate.key, "how": dataclasses.asdict(settings), "steps": steps}
    return hashlib.sha256(canonical(made_of).encode()).hexdigest()[:32]


def _done(path: Path, key: str) -> Finished | None:
    """What was noted of a file that is there, if it is made of the same."""
    try:
        noted = json.loads(path.with_suffix(".json").read_text("utf-8"))
        if noted["key"] != key or digest(path) != noted["sha256"]:
            return None
        places = {"path": path, "plate": path.parents[2] / _PLATES / noted["plate"]}
        lists = {name: tuple(noted[name]) for name in ("steps", "told")}
        return Finished(**{**noted, **places, **lists}) if places["plate"].exists() else None
    except (OSError, ValueError, KeyError, TypeError, ElementError):
        return None


def _note(made: Finished) -> None:
    """Write beside the file what came of it, so that it is not made again."""
    noted = {**dataclasses.asdict(made), "path": made.path.name, "plate": made.plate.name}
    half = made.path.with_name(f".{made.path.stem}-{uuid.uuid4().hex}.json")
    half.write_text(json.dumps(noted, indent=1, sort_keys=True), "utf-8")
    os.replace(half, made.path.with_suffix(".json"))
