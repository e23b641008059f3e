"""Encoding: how clips are encoded, with every option that decides it, and encoders that give the same bytes each time.

An encoder works on one thread, whatever the machine has, so that a clip depends on nothing but its frames, the settings
and the build. What a picture is beside its pixels (colour tags, aspect, rotation, field order, HDR metadata) is read
off the source's frames (`Look`) and told to the encoder again.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

import av
import av.error
from av.codec.context import Flags
from av.sidedata.sidedata import Type

from transforms.failures import ElementError
from transforms.settings import ConfigError, setting

MODES: Final = ("none", "copy", "smart", "transcode")

_SOFTWARE: Final = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
_QUALITY: Final = {"h264": 18, "hevc": 20, "av1": 28}
"""CRF where none is given: what their authors call visually lossless, or a step above."""
_PRESET: Final = {"libx264": "medium", "libx265": "fast", "libsvtav1": "8", "nvenc": "p5", "qsv": "medium"}
_MOST: Final = {"h264": 51, "hevc": 51, "av1": 63}
_DEVICES: Final = ("nvenc", "qsv")
"""Hardware encoders that are told a quality, by the ending of their names."""
_RATE: Final = Fraction(25)
"""Frame rate claimed where nothing is known."""


@dataclasses.dataclass(frozen=True)
class ClipSettings:
    """How clip files are made."""

    clips: str = setting(
        "none",
        "Clip files: 'copy' copies packets from keyframe to keyframe; 'smart' is exact and encodes only what lies "
        "before the first and after the last keyframe; 'transcode' is exact and encodes everything.",
        choices=MODES,
    )
    clip_codec: str = setting("h264", "Codec of what is encoded; smart joins H.264 only", choices=tuple(_SOFTWARE))
    clip_encoder: str = setting(
        "software", "Encoder: 'software', or one of the hardware such as 'h264_nvenc', whose bytes may differ"
    )
    clip_crf: int | None = setting(
        None, "Quality, smaller is better; 18 for H.264, 20 for HEVC and 28 for AV1 by default", low=0, high=63
    )
    clip_preset: str | None = setting(
        None, "The encoder's preset; 'medium' (libx264), 'fast' (libx265) or '8' (libsvtav1) by default"
    )
    clip_side: int = setting(
        0, "Shorter side of the picture; larger ones are made smaller; 0: as the source", unit="px", low=0, high=8192
    )
    clip_frame_rate: float = setting(
        0.0, "Constant frame rate; 0: the frames and times of the source", unit="1/s", low=0.0, high=1000.0
    )
    clip_pixel_format: str = setting(
        "source", "Pixel format, such as 'yuv420p'; 'source': the source's, or the nearest that the encoder takes"
    )
    clip_audio: str = setting(
        "auto",
        "Sound: 'auto' copies it where pictures are copied, else AAC (beside AV1: Opus); 'none' leaves it out",
        choices=("auto", "aac", "opus", "none"),
    )
    clip_audio_kbps: int = setting(
        64, "Bit rate of encoded sound for each channel", unit="kbit/s", low=8, high=256, source="FFmpeg's AAC guide"
    )
    clip_crop: bool = setting(False, "Cut black bars away (transcode; smart encodes clips that have bars)")
    clip_thumbnail: bool = setting(True, "A WebP picture of each clip's middle")
    clip_strip: int = setting(5, "Pictures side by side in each clip's WebP preview; 0: none", low=0, high=32)
    clip_bytes_budget: float = setting(
        0.0,
        "Most bytes of clip files that a run writes on each machine; 0: as many as fit on its disk",
        unit="GB",
        low=0.0,
        scale=True,
    )


def check_settings(settings: ClipSettings) -> None:
    """Refuse settings that do not go together or that this machine cannot follow.

    Raises:
        ConfigError: Naming the option and the fix.
    """
    if settings.clips == "none":
        return
    if settings.clips != "transcode":
        for name, plain in (("clip_side", 0), ("clip_frame_rate", 0.0), ("clip_pixel_format", "source")):
            if getattr(settings, name) != plain:
                raise ConfigError(f"--{name.replace('_', '-')} changes every picture: use --clips transcode")
    if settings.clips == "copy":
        if settings.clip_crop:
            raise ConfigError("--clip-crop changes every picture: use --clips transcode, or smart")
        if settings.clip_audio in ("aac", "opus"):
            raise ConfigError(f"--clip-audio {settings.clip_audio}: --clips copy encodes no sound; use auto or none")
    if settings.clips == "smart" and (settings.clip_codec, settings.clip_encoder) != ("h264", "software"):
        raise ConfigError("--clips smart joins to H.264 only: leave --clip-codec h264 and --clip-encoder software")
    codec = settings.clip_codec
    if settings.clip_crf is not None and settings.clip_crf > _MOST[codec]:
        raise ConfigError(f"--clip-crf {settings.clip_crf}: {codec} goes to {_MOST[codec]}")
    known = [f.name for f in av.Codec(encoder_name(settings), "w").video_formats or []]
    if settings.clip_pixel_format not in ("source", *known):
        raise ConfigError(f"--clip-pixel-format {settings.clip_pixel_format}: the encoder takes {', '.join(known)}")
    _try_encoder(settings)


def encoder_name(settings: ClipSettings) -> str:
    """The encoder that is used.

    Raises:
        ConfigError: This build has none of that name, or it does not fit the codec.
    """
    codec, name = settings.clip_codec, settings.clip_encoder
    if name == "software":
        name = _SOFTWARE[codec]
    elif name.partition("_")[0] != codec or name.partition("_")[2] not in _DEVICES:
        known = ", ".join(f"{codec}_{device}" for device in _DEVICES)
        raise ConfigError(f"--clip-encoder {name}: for --clip-codec {codec} use software, {known}")
    try:
        av.Codec(name, "w")
    except ValueError as error:
        raise ConfigError(f"--clip-encoder {name}: this build of FFmpeg has no such encoder; use software") from error
    return name


@functools.cache
def _try_encoder(settings: ClipSettings) -> None:
    """Open the encoder once, so that a wrong preset or a device that is absent is told before any work."""
    name = encoder_name(settings)
    context: Any = av.CodecContext.create(name, "w")
    format_name = (av.Codec(name, "w").video_formats or [av.VideoFormat("yuv420p")])[0].name
    blank = Look(format_name, 256, 256, Fraction(1, 25), _RATE)
    configure(context, blank, settings)
    try:
        context.open()
    except (av.error.FFmpegError, OSError) as error:
        text = getattr(error, "strerror", None) or str(error)
        if settings.clip_encoder == "software":
            raise ConfigError(
                f"--clip-preset {settings.clip_preset}: {name} does not open with it ({text}); check its spelling"
            ) from error
        raise ConfigError(
            f"--clip-encoder {name}: it does not open on this machine ({text}); check its driver, or use software"
        ) from error


@dataclasses.dataclass(frozen=True)
class Look:
    """What a picture is, beside its pixels.

    Attributes:
        pixels: Pixel format.
        width: Pixels, before any rotation.
        height: The same.
        time_base: Of the frames' times.
        rate: Frame rate that is claimed.
        aspect: Of a sample; 0 where unknown.
        colour: Primaries, transfer, matrix and range, by number (H.273; FFmpeg for the range).
        matrix: The display matrix; none where the picture is shown as it is.
        interlaced: Frames of two fields.
        mastering: Of the HDR master: x and y of red, green, blue and white, least and most luminance in cd/m².
        light: MaxCLL and MaxFALL in cd/m².
    """

    pixels: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    aspect: Fraction = Fraction(0)
    colour: tuple[int, int, int, int] = (2, 2, 2, 0)
    matrix: tuple[int, ...] = ()
    interlaced: bool = False
    mastering: tuple[Fraction, ...] = ()
    light: tuple[int, int] | None = None


def look_of(frame: Any, stream: Any) -> Look:
    """What the pictures of a stream are, from a frame of it."""
    side: Mapping[Any, Any] = {data.type: data for data in frame.side_data}
    # Guessed from many frames by FFmpeg; a nonsense claim of a variable rate must not reach an encoder.
    rate = stream.average_rate or stream.guessed_rate or _RATE
    aspect = stream.sample_aspect_ratio
    full = frame.format.name.startswith("yuvj")
    return Look(
        pixels=frame.format.name,
        width=frame.width,
        height=frame.height,
        time_base=stream.time_base,
        rate=Fraction(rate).limit_denominator(1001) if 1 <= rate <= 1000 else _RATE,
        aspect=Fraction(aspect) if aspect and aspect > 0 else Fraction(0),
        colour=(
            int(frame.color_primaries),
            int(frame.color_trc),
            int(frame.colorspace),
            2 if full else int(frame.color_range),
        ),
        matrix=struct.unpack("=9i", bytes(side[Type.DISPLAYMATRIX])) if Type.DISPLAYMATRIX in side else (),
        interlaced=bool(frame.interlaced_frame),
        mastering=_mastering(side),
        light=_light(side),
    )


def _mastering(side: Mapping[Any, Any]) -> tuple[Fraction, ...]:
    """libavutil's AVMasteringDisplayMetadata: ten rationals, and whether primaries and luminances are given."""
    if Type.MASTERING_DISPLAY_METADATA not in side:
        return ()
    numbers = struct.unpack_from("=22i", bytes(side[Type.MASTERING_DISPLAY_METADATA]))
    if not (numbers[20] and numbers[21]) or not all(numbers[1:20:2]):
        return ()
    return tuple(Fraction(numbers[n], numbers[n + 1]) for n in range(0, 20, 2))


def _light(side: Mapping[Any, Any]) -> tuple[int, int] | None:
    """libavutil's AVContentLightMetadata: two numbers."""
    if Type.CONTENT_LIGHT_LEVEL not in side:
        return None
    most, average = struct.unpack_from("=2I", bytes(side[Type.CONTENT_LIGHT_LEVEL]))
    return most, average


def configure(context: Any, look: Look, settings: ClipSettings, **more: str) -> None:
    """Set up a video encoder that is not open yet.

    Args:
        context: An encoder of `encoder_name`.
        look: What it will be given.
        settings: How to encode.
        more: Further options of the encoder.
    """
    context.width, context.height, context.pix_fmt = look.width, look.height, look.pixels
    context.time_base, context.framerate = look.time_base, look.rate
    if look.aspect:
        context.sample_aspect_ratio = look.aspect
    context.color_primaries, context.color_trc, context.colorspace, context.color_range = look.colour
    context.flags |= Flags.bitexact
    os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 would tell standard error about every clip
    context.thread_count = 1
    if look.interlaced and context.name == "libx264":
        context.flags |= Flags.interlaced_dct
    options = _options(context.name, look, settings)
    for key, value in more.items():
        options[key] = f"{options[key]}:{value}" if key.endswith("-params") and key in options else value
    context.options = options


def _options(name: str, look: Look, settings: ClipSettings) -> dict[str, str]:
    family = name if name in _PRESET else name.partition("_")[2]
    crf = str(_QUALITY[settings.clip_codec] if settings.clip_crf is None else settings.clip_crf)
    options = {"preset": settings.clip_preset or _PRESET[family]}
    if family == "nvenc":
        return options | {"rc": "vbr", "cq": crf}
    if family == "qsv":
        return options | {"global_quality": crf}
    options["crf"] = crf
    if name == "libx264":
        # Its AVX-512 code looks at memory that nobody wrote: without this the same pictures give other bytes.
        words = ["cpu-independent=1", *_hdr(look, "mastering-display", "cll", round)]
        return options | {"threads": "1", "x264-params": ":".join(words)}
    if name == "libx265":
        words = ["pools=none", "frame-threads=1", "log-level=none", *_hdr(look, "master-display", "max-cll", round)]
        return options | {"x265-params": ":".join(words)}
    words = ["lp=1", *_hdr(look, "mastering-display", "content-light", None)]
    return options | {"svtav1-params": ":".join(words)}


def _hdr(look: Look, master: str, light: str, rounded: Any) -> list[str]:
    """HDR metadata as the encoders want them: in units of 1/50000 and 1/10000 cd/m², or as plain numbers."""
    words = []
    if look.mastering:
        units = [50000] * 8 + [10000] * 2 if rounded else [1] * 10
        r, g, b, w, luminance = (
            ",".join(str(rounded(v * u)) if rounded else f"{float(v):.5f}" for v, u in pairs)
            for pairs in (list(zip(look.mastering, units, strict=True))[n : n + 2] for n in range(0, 10, 2))
        )
        low, high = luminance.split(",")
        words.append(f"{master}=G({g})B({b})R({r})WP({w})L({high},{low})")
    if look.light:
        words.append(f"{light}={look.light[0]},{look.light[1]}")
    return words


def pixels_for(name: str, source: str, wanted: str) -> str:
    """The pixel format to encode in: the one asked for, the source's, or the nearest the encoder takes.

    Nearest: no fewer bits and no coarser chroma than the source where there is one, else the finest of fewer bits.

    Raises:
        ElementError: `unsupported_codec`: the encoder takes none.
    """
    known = [f.name for f in av.Codec(name, "w").video_formats or []]
    if wanted != "source":
        return wanted
    if source in known and not source.startswith("gray"):  # which few players show
        return source
    if source.startswith("yuvj") and "yuv" + source[4:] in known:
        return "yuv" + source[4:]
    have = _shape(source)
    # Semi-planar ones only carry what planar ones do; gray has no colour to carry.
    planar = [k for k in known if k.startswith("yuv") and not k.startswith(("yuvj", "yuva"))] or known
    if not planar:
        raise ElementError("unsupported_codec", f"{name} takes no pixel format that is known")

    def rank(kind: str) -> tuple[bool, int, int]:
        bits, chroma = _shape(kind)
        return (bits < have[0] or chroma < have[1], abs(bits - have[0]), abs(chroma - have[1]))

    return min(planar, key=rank)


def _shape(kind: str) -> tuple[int, int]:
    """Bits of a component, and samples of a chroma plane to four of luma (RGB counts as 2: most players want 4:2:0)."""
    pixels = av.VideoFormat(kind, 16, 16)
    bits = max((c.bits for c in pixels.components), default=8)
    if pixels.is_rgb or not pixels.components or len(pixels.components) < 3:
        return bits, 1
    chroma = pixels.components[1]
    return bits, chroma.width * chroma.height // 64
