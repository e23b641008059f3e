"""Clip files: MP4 that starts to play at once, under its name only when it is whole.

A file is written beside its name and renamed when it is closed; what fails leaves nothing. No time, host or version is
written into it, so that the same packets give the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import functools
from pathlib import Path
from typing import Any, Final

import av
import av.error

from transforms.encoding import ClipSettings, Look, configure, encoder_name

ENDING: Final = ".mp4"
_HALF: Final = ".part"
_OPTIONS: Final = {"movflags": "+faststart", "fflags": "+bitexact", "movie_timescale": "90000"}
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


@functools.cache
def holds(codec: str) -> bool:
    """Whether MP4 can hold streams of a decoder's name."""
    with av.open("none", "w", format="mp4") as out:
        return codec in out.supported_codecs


def as_os_error(error: BaseException, path: Path) -> OSError | None:
    """The error of the disk that an FFmpeg error stands for, if it does."""
    number = getattr(error, "errno", None)
    return OSError(number, "cannot write a clip", str(path)) if number in _NO_ROOM else None


class ClipFile:
    """One MP4 being written.

    Attributes:
        path: Where it will lie.
        written: Bytes of the packets so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._half = path.with_name(path.name + _HALF)
        self._out: Any = av.open(str(self._half.absolute()), "w", format="mp4", container_options=_OPTIONS)
        self._done = False

    def encoded_video(self, look: Look, settings: ClipSettings) -> Any:
        """A stream that encodes pictures of a look."""
        name = encoder_name(settings)
        stream: Any = self._out.add_stream(name, rate=look.rate)
        configure(stream.codec_context, look, settings)
        if settings.clip_codec == "hevc":
            stream.codec_context.codec_tag = "hvc1"  # which Apple's players ask for
        if look.matrix:
            stream.set_display_matrix(look.matrix)
        return stream

    def encoded_audio(self, codec: str, rate: int, layout: str, bit_rate: int) -> Any:
        """A stream that encodes sound."""
        stream: Any = self._out.add_stream(codec, rate=rate, layout=layout, bit_rate=bit_rate)
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.thread_count = 1
        return stream

    def copied(self, template: Any, header: bytes | None = None) -> Any:
        """A stream of packets as they are.

        Args:
            template: The stream they come from.
            header: Codec's header instead of the template's.
        """
        stream: Any = self._out.add_stream_from_template(template, opaque=True)
        if header is not None:
            stream.codec_context.extradata = header
        if template.type == "video" and template.sample_aspect_ratio:
            stream.codec_context.sample_aspect_ratio = template.sample_aspect_ratio
        stream.time_base = template.time_base
        return stream

    def mux(self, packet: Any) -> None:
        """Write a packet of one of the streams.

        Raises:
            OSError: The disk is full or broken.
        """
        self.written += packet.size
        try:
            self._out.mux_one(packet)
        except (av.error.FFmpegError, OSError) as error:
            if (broken := as_os_error(error, self.path)) is not None:
                raise broken from error
            raise

    def close(self) -> int:
        """Finish the file, give it its name, and say its size.

        Raises:
            OSError: The disk is full or broken; nothing is left.
        """
        self._done = True
        try:
            self._out.close()
            size = self._half.stat().st_size
            self._half.replace(self.path)
        except BaseException as error:
            self._half.unlink(missing_ok=True)
            if (broken := as_os_error(error, self.path)) is not None:
                raise broken from error
            raise
        return size

    def abandon(self) -> None:
        """Leave nothing of a file that is not closed."""
        if not self._done:
            self._done = True
            # An encoder that never got a frame cannot write its header; the file goes all the same.
            with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
                self._out.close()
            self._half.unlink(missing_ok=True)
