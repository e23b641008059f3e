"""Encoding: pictures and sound into an MP4 that platforms take, and the proof that it holds what it should.

H.264 in 4:2:0 and BT.709 at a constant frame rate, AAC, the index before the media so that it plays at once. Encoders
run on one thread and nothing of time or host is written, so that the same pictures give the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
import numpy.typing as npt

from generation.asset import Format
from generation.boxes import boxes
from generation.planes import Picture
from transforms.clipfile import ClipFile
from transforms.encoding import ClipSettings, Look
from transforms.failures import ElementError
from transforms.media import open_media

Samples = npt.NDArray[np.float32]

_BT709: Final = (1, 1, 1, 1)
"""Primaries, transfer and matrix of BT.709 (H.273), and limited range (FFmpeg)."""
_CHUNK: Final = 4096
_KEY_SECONDS: Final = 2
"""At most so long between two frames that a player can start at: what platforms and packagers ask for."""
_OVER: Final = 1.1
"""How far above a platform's lowest bit rate is encoded: a short file begins with an empty buffer."""
_BUFFER: Final = 0.5
"""Seconds of the rate that the encoder may save up: so much more or less than its rate a file may have."""
_PLAIN_KBPS: Final = 8_000
"""Bit rate of 1920x1080 where a platform asks for a lowest one: its picture must not suffer from a low figure."""
_UNDER: Final = 0.95
"""How much of a platform's largest file may be used: its peaks and the index need some."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """Sound to be encoded.

    Attributes:
        samples: Two channels, -1 to 1: shape (2, samples).
        rate: Samples a second.
        codec: `aac` or `flac`.
        kbps: Bit rate in kbit/s; 0 of what is lossless.
    """

    samples: Samples
    rate: int
    codec: str = "aac"
    kbps: int = 192

    @classmethod
    def lossless(cls, samples: Samples, rate: int) -> Track:
        """Sound that will be encoded again."""
        return cls(samples=samples, rate=rate, codec="flac", kbps=0)

    def add(self, out: Any) -> Any:
        """A stream for it in a container that is being written; `out` is a `ClipFile` or one of PyAV's."""
        if isinstance(out, ClipFile):
            return out.encoded_audio(self.codec, self.rate, "stereo", self.kbps * 1000)
        stream = out.add_stream(self.codec, rate=self.rate, layout="stereo", bit_rate=self.kbps * 1000)
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.thread_count = 1
        return stream

    def packets(self, stream: Any) -> Iterator[Any]:
        """Its packets, one after the other."""
        whole = self.codec == "flac"
        for start in range(0, self.samples.shape[1], _CHUNK):
            part = np.clip(self.samples[:, start : start + _CHUNK], -1.0, 1.0)
            if whole:
                packed = np.ascontiguousarray(np.rint(part * 32767).astype(np.int16).T.reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(packed, "s16", "stereo")
            else:
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = self.rate, start, Fraction(1, self.rate)
            yield from stream.encode(frame)
        yield from stream.encode(None)


def rate_options(form: Format, crf: int, preset: str) -> dict[str, str]:
    """The encoder's options for a format: a quality, or the bit rate that its platform asks for, within its limits.

    Args:
        form: The format.
        crf: x264's quality where the platform asks for no bit rate: 0 to 51, smaller is better.
        preset: x264's preset.
    """
    rate = Fraction(form.frame_rate)
    options = {"preset": preset, "g": str(round(_KEY_SECONDS * rate)), "flags": "+cgop"}
    most = 0.0
    if form.most_bytes:
        seconds = float(form.frames / rate)
        room = form.most_bytes * 8 * _UNDER / 1000 - form.audio_kbps * seconds
        most = max(1.0, room / (seconds + _BUFFER))
    if not form.least_kbps:
        return options | {"crf": str(crf)} | (_held(most) if 0 < most < _PLAIN_KBPS * 10 else {})
    wanted = max(form.least_kbps * _OVER, _PLAIN_KBPS * form.width * form.height / (1920 * 1080))
    wanted = min(wanted, most) if most else wanted
    # A still end card needs hardly any bits: filler keeps the file's rate where the platform measures it.
    return options | {"b": f"{wanted:.0f}k", "x264-params": "nal-hrd=cbr:filler=1"} | _held(wanted)


def _held(kbps: float) -> dict[str, str]:
    return {"maxrate": f"{kbps:.0f}k", "bufsize": f"{kbps * _BUFFER:.0f}k"}


def write_video(
    path: Path,
    pictures: Iterable[Picture],
    form: Format,
    frames: int,
    options: Mapping[str, str],
    track: Track | None,
) -> None:
    """Write a whole MP4, under its name when it is done.

    Args:
        path: Where it will lie.
        pictures: Its pictures, exactly `frames` of them.
        form: Size and rate.
        frames: How many.
        options: The encoder's, see `rate_options`.
        track: Its sound; None: none.

    Raises:
        ElementError: `internal`: there are more or fewer pictures, or one of another size. Nothing is left.
        OSError: The disk is full or broken. Nothing is left.
    """
    rate = Fraction(form.frame_rate)
    file = ClipFile(path)
    try:
        look = Look("yuv420p", form.width, form.height, 1 / rate, rate, Fraction(1), _BT709)
        video = file.encoded_video(look, ClipSettings(clip_preset=options.get("preset")))
        kept = {"threads": "1"} if "crf" in options or "b" in options else {}
        # One way through x264 on every processor: its fastest one gives other bytes from run to run.
        steady = ":".join(filter(None, ("cpu-independent=1", options.get("x264-params", ""))))
        video.codec_context.options = {**kept, **options, "x264-params": steady}
        sound = track.add(file) if track else None
        waiting = track.packets(sound) if track else iter(())
        packet = next(waiting, None)
        made = 0
        for picture in pictures:
            if made == frames or picture.size != (form.width, form.height):
                raise ElementError("internal", f"picture {made + 1} of {frames} is {picture.size} pixels, or too many")
            for coded in video.encode(picture.frame(made, 1 / rate)):
                file.mux(coded)
            made += 1
            while packet is not None and packet.pts * packet.time_base <= made / rate:
                file.mux(packet)
                packet = next(waiting, None)
        if made != frames:
            raise ElementError("internal", f"{made} pictures came, {frames} should have")
        for coded in video.encode(None):
            file.mux(coded)
        while packet is not None:
            file.mux(packet)
            packet = next(waiting, None)
        file.close()
    finally:
        file.abandon()


def check_video(path: Path, form: Format, frames: int) -> None:
    """Read a finished file back: its size, every frame's time, bit rate, colours, and the index before the media.

    Raises:
        ElementError: `internal`: it is not what should have been written; `too_large`: more than the platform takes.
    """

    def refuse(what: str) -> None:
        raise ElementError("internal", f"{path.name}: {what}")

    with open_media(str(path)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        packets = [(p.pts * p.time_base, p.size) for p in container.demux(video) if p.size and p.pts is not None]
        times = sorted(time for time, _ in packets)
        wanted = [number / Fraction(form.frame_rate) for number in range(frames)]
        if times != wanted:
            refuse(f"{len(times)} frames at uneven times, {frames} even ones should be there")
        kbps = sum(size for _, size in packets) * 8 / 1000 * Fraction(form.frame_rate) / frames
        if kbps < form.least_kbps:
            refuse(f"{float(kbps):.0f} kbit/s of video, the platform asks for {form.least_kbps}")
        if (context.width, context.height) != (form.width, form.height) or context.codec.name != "h264":
            refuse(f"{context.codec.name} of {context.width}x{context.height}, not H.264 of {form.width}x{form.height}")
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        if tuple(int(tag) for tag in tags) != _BT709:
            refuse(f"colours are tagged {tags}")
    if [box.name for box in boxes(path)][:2] != ["ftyp", "moov"]:
        refuse("its index does not come first")
    if form.most_bytes and (size := path.stat().st_size) > form.most_bytes:
        raise ElementError("too_large", f"{path.name}: {size} bytes, the platform takes {form.most_bytes}")
