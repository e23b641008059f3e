"""Opening media: which containers are let in, which streams are used, and what an FFmpeg error means.

A file is opened by its bytes alone: its name and extension decide nothing, and a container that names other files
(playlists, image sequences, external references) can open none of them. FFmpeg's own log is silent, because its Python
callback can deadlock; what went wrong is said by the failure's class and message instead.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Iterator
from typing import Any, Final

import av
import av.error
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer

from transforms.failures import ElementError
from transforms.settings import ConfigError

DEMUXERS: Final[tuple[str, ...]] = (
    *("mov", "mp4", "matroska", "webm", "avi", "flv", "mpegts", "mpeg", "mxf", "asf", "ogg", "nut", "rm", "wtv", "gxf"),
    *(
        "h261",
        "h263",
        "h264",
        "hevc",
        "vvc",
        "m4v",
        "mpegvideo",
        "vc1",
        "av1",
        "obu",
        "ivf",
        "dirac",
        "cavsvideo",
        "dv",
    ),
    *(
        "mp3",
        "aac",
        "ac3",
        "eac3",
        "ac4",
        "dts",
        "truehd",
        "flac",
        "wav",
        "w64",
        "aiff",
        "au",
        "caf",
        "amr",
        "ape",
        "tta",
        "wv",
    ),
    *("gif", "yuv4mpegpipe", "mjpeg", "mpc", "mpc8", "latm", "loas"),
)
"""Demuxers that read one self-contained file: no HLS, DASH, concat, image sequences, SDP, RTSP or devices."""

MAX_SIDE: Final = 16384
"""Longest side of a frame that is decoded, in pixels (the limit of H.264 level 6.2 is 16,888 at one row)."""

MAX_PIXELS: Final = 1 << 26
"""Most pixels of a frame that is decoded: twice 8K UHD."""

READ_SIZE: Final = 1 << 18
"""Bytes asked for at a time; larger blocks cost more on files whose index sends the reader back and forth."""

SOFTWARE: Final = "none"
"""The name that asks for no device."""

_ACCELERATED: Final = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "mpeg4", "vc1", "mjpeg")
"""Decoders by which it is found out whether a device opens."""

_FILTERED: Final = ("h264", "hevc")
"""Decoders that can leave out the loop filter of B frames: 13 to 15 % less time. VP9's and AV1's filter all or none."""

_OPEN_OPTIONS: Final = {
    "format_whitelist": ",".join(DEMUXERS),
    "protocol_whitelist": "file,pipe",
    "max_pixels": str(MAX_PIXELS),
}


class NamelessFile:
    """A file opened for reading that does not tell its name, so that FFmpeg judges its bytes only."""

    _fd = -1

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size
        self._position = 0

    def read(self, size: int) -> bytes:
        data = os.pread(self._fd, size, self._position)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self.size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


def _refuse_other_files(url: str, flags: int, options: dict[str, str]) -> Any:
    raise PermissionError(f"the container asks for another file: {url}")


@functools.cache
def hardware(name: str) -> HWAccel | None:
    """A device to decode on, opened once to see that it is there; nothing is decoded in software instead.

    Args:
        name: `none`, or a kind of device such as `cuda`, `vaapi` or `videotoolbox`.

    Returns:
        What PyAV opens a container with; None for `none`.

    Raises:
        ConfigError: This build knows no such device, or none of its decoders uses it, or it does not open here.
    """
    if name == SOFTWARE:
        return None
    known = sorted(hwdevices_available())
    if name not in known:
        raise ConfigError(f"--hwaccel {name}: this build of FFmpeg knows {', '.join([SOFTWARE, *known])}")
    accel = HWAccel(name, allow_software_fallback=False)
    for decoder in (av.Codec(n) for n in _ACCELERATED if n in av.codecs_available):
        if any(c.is_supported and c.device_type.name == name for c in decoder.hardware_configs):
            try:
                accel.create(decoder)
            except (av.error.FFmpegError, OSError, RuntimeError) as error:
                text = getattr(error, "strerror", None) or str(error)
                raise ConfigError(
                    f"--hwaccel {name}: no such device opens on this machine ({text}); check its driver, or use none"
                ) from error
            return accel
    raise ConfigError(f"--hwaccel {name}: no decoder of this build of FFmpeg uses it; use none")


def open_media(path: str, file: NamelessFile | None = None, hwaccel: str = SOFTWARE) -> InputContainer:
    """Open a media file for reading.

    Args:
        path: A local path. Its name has no influence on how the bytes are read.
        file: Read through this object instead of opening `path` (to count or hash what is read).
        hwaccel: Device that decodes its video, see `hardware`. Frames come back in main memory.

    Returns:
        A PyAV container, to be used in a `with` statement.

    Raises:
        ConfigError: The device is not there.
        ElementError: `empty`, `unreadable`, `not_media` or `damaged`; `unsupported_codec` of a device.
    """
    av.logging.set_level(None)
    device = hardware(hwaccel)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ElementError("unreadable", "not a regular file")
        if os.stat(path).st_size == 0:
            raise ElementError("empty", "the file has no bytes")
        source = NamelessFile(path) if file is None else file
    except OSError as error:
        raise ElementError("unreadable", f"cannot open the file: {error.strerror}") from error
    try:
        return av.open(
            source,
            mode="r",
            options=dict(_OPEN_OPTIONS),
            buffer_size=READ_SIZE,
            io_open=_refuse_other_files,
            metadata_errors="replace",
            hwaccel=device,
        )
    except (av.error.ArgumentError, PermissionError) as error:
        if device is not None and isinstance(error, av.error.PermissionError):
            raise ElementError("unsupported_codec", f"{hwaccel} does not open: use --hwaccel none") from error
        raise ElementError(
            "not_media", "the bytes are a playlist, a picture or another format that is not let in"
        ) from error
    except av.error.InvalidDataError as error:
        raise ElementError("not_media", "no container format recognises the bytes, or its header is broken") from error
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise as_failure(error, "reading the header") from error
    except RuntimeError as error:  # PyAV found no stream that the device decodes.
        raise ElementError("unsupported_codec", f"{hwaccel} decodes none of the streams: use --hwaccel none") from error


def as_failure(error: BaseException, doing: str) -> ElementError:
    """The failure that an FFmpeg error stands for; `doing` says at which step it happened."""
    if isinstance(error, ElementError):
        return error
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, (av.error.DecoderNotFoundError, av.error.PatchWelcomeError, av.error.ExperimentalError)):
        return ElementError("unsupported_codec", f"{doing}: {text}")
    if isinstance(error, (MemoryError, av.error.MemoryError)):
        return ElementError("out_of_memory", f"{doing}: {text}")
    return ElementError("damaged", f"{doing}: {text}")


def is_picture(stream: Any) -> bool:
    """A video stream that is cover art, not footage."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def choose_video(container: InputContainer) -> Any | None:
    """The video stream to measure: the default one, else the largest; one that can be decoded before one that can't.

    Attached pictures never count. Ties go to the first. None when there is no video stream.
    """
    footage = [s for s in container.streams.video if not is_picture(s)]

    def rank(stream: Any) -> tuple[bool, bool, int, int]:
        context = stream.codec_context
        area = context.width * context.height if context else 0
        return (context is not None, bool(stream.disposition & av.stream.Disposition.default), area, -stream.index)

    return max(footage, key=rank, default=None)


def choose_audio(container: InputContainer) -> Any | None:
    """The audio stream to use: the default one, else the first; None when there is none."""
    streams = list(container.streams.audio)
    return next((s for s in streams if s.disposition & av.stream.Disposition.default), streams[0] if streams else None)


def only(container: InputContainer, stream: Any) -> None:
    """Let the demuxer skip the packets of every other stream."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all


def prepare_decoder(stream: Any, unfiltered: str = "", hwaccel: str = SOFTWARE) -> None:
    """One decode thread, and no frame larger than the limits.

    One thread: a child process a core uses the machine better, and two threads cost 13 to 15 % more CPU.

    Args:
        stream: A stream of a container that `open_media` opened.
        unfiltered: The pictures whose loop filter is left out where the decoder can (H.264, HEVC): none, B frames
            (`bidir`) or `all`. Their blocks show, and in what is predicted from them. Other codecs are decoded as ever.
        hwaccel: The device its container was opened with.

    Raises:
        ElementError: `unsupported_codec`, `damaged` or `out_of_memory`.
    """
    context = stream.codec_context
    if context is None:
        raise ElementError("unsupported_codec", f"stream {stream.index}: this build has no decoder for it")
    context.thread_type, context.thread_count = "NONE", 1
    if hwaccel != SOFTWARE and stream.type == "video" and not context.is_hwaccel:
        raise ElementError("unsupported_codec", f"{hwaccel} does not decode {context.name}: use --hwaccel none")
    context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}
    if unfiltered and context.name in _FILTERED:
        context.options = {**context.options, "skip_loop_filter": unfiltered}
    if stream.type == "video":
        check_size(context.width, context.height)


def check_size(width: int, height: int) -> None:
    """Refuse a frame size no decoder should be asked for.

    Raises:
        ElementError: `damaged` for a side over `MAX_SIDE`, `out_of_memory` for more than `MAX_PIXELS`.
    """
    if max(width, height) > MAX_SIDE:
        raise ElementError(
            "damaged", f"the header claims {width} x {height} pixels; the longest side allowed is {MAX_SIDE}"
        )
    if width * height > MAX_PIXELS:
        raise ElementError(
            "out_of_memory", f"a frame of {width} x {height} pixels; {MAX_PIXELS:,} pixels are the most decoded here"
        )


def encrypted_stream(stream: Any) -> bool:
    """The container says that the stream's samples are encrypted (Common Encryption, WebM encryption)."""
    try:
        tag = str(stream.codec_context.codec_tag) if stream.codec_context is not None else ""
    except UnicodeDecodeError:
        tag = ""
    return "enc_key_id" in stream.metadata or tag in ("encv", "enca")


def packets(container: InputContainer, stream: Any) -> Iterator[Any]:
    """Packets of one stream in file order.

    A demuxer that fails half-way ends the stream there, as after a cut-off download: what was read counts. So the last,
    empty packet that flushes a decoder may be missing: flush it with `None`.
    """
    with contextlib.suppress(av.error.FFmpegError, ValueError):
        yield from container.demux(stream)
