"""Content: fetching what a job made, and keeping of it what is new."""

from __future__ import annotations

import asyncio
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import av
import av.error
import httpx

from generation.engines.engine import Blip, Lost
from transforms import media
from transforms.addresses import check_public, redact
from transforms.failures import ElementError
from transforms.frames import Counts, shown_frames

_REDIRECTS: Final = 3
"""Addresses that a server may send us on to, one after the other."""
_GONE: Final = frozenset({404, 410})
_TEXT: Final = ("application/json", "text/")
_CRF: Final = "12"
"""Quality of x264 where the beginning of a file is cut off: what is lost is not seen."""


async def download(
    client: httpx.AsyncClient, address: str, headers: dict[str, str], to: Path, most: int, hosts: tuple[str, ...]
) -> None:
    """Write what is at an address to a file.

    Args:
        client: Without redirects of its own.
        address: At the server itself.
        headers: For the server itself; no other host gets them.
        to: The file; it is there only when all of it is.
        most: Largest size in bytes.
        hosts: Other hosts that it may be at; empty: any public one, by https.

    Raises:
        Blip: It was cut short, or there was no answer.
        Lost: It is gone, too large, empty, or somewhere it may not be.
    """
    first = urlsplit(address)
    for _ in range(_REDIRECTS + 1):
        own = urlsplit(address)[:2] == first[:2]
        async with client.stream("GET", address, headers=headers if own else {}) as answer:
            if answer.has_redirect_location:
                address = urljoin(address, answer.headers["location"])
                if urlsplit(address)[:2] != first[:2]:
                    await _check_host(address, hosts)
                continue
            _check_status(answer, own)
            await _write(answer, to, most)
            return
    raise Lost(f"sent on more than {_REDIRECTS} times", "redirects")


async def is_empty(client: httpx.AsyncClient, address: str, headers: dict[str, str]) -> bool:
    """Whether a server says plainly that there is nothing at an address; no is also: nobody knows."""
    async with client.stream("GET", address, headers=headers) as answer:
        return answer.status_code == 204 or (answer.status_code == 200 and answer.headers.get("content-length") == "0")


def count_frames(path: Path) -> int:
    """How many frames a video has, by its packets.

    Raises:
        ElementError: It is no video.
    """
    with media.open_media(str(path)) as source:
        stream = media.choose_video(source)
        if stream is None:
            raise ElementError("no_streams", f"{path.name}: no video in it")
        media.only(source, stream)
        return sum(packet.size > 0 for packet in media.packets(source, stream))


def write_last_frame(path: Path, to: Path) -> None:
    """Write the last frame of a video as a picture.

    Raises:
        ElementError: It is no video, or has no frame.
    """
    last = None
    with media.open_media(str(path)) as source:
        stream = media.choose_video(source)
        if stream is None:
            raise ElementError("no_streams", f"{path.name}: no video in it")
        media.prepare_decoder(stream)
        for shown in shown_frames(source, stream, Counts()):
            last = shown.frame
    if last is None:
        raise ElementError("damaged", f"{path.name}: not one frame can be decoded")
    last.to_image().save(to)


def cut_head(path: Path, frames: int) -> None:
    """Cut the first frames off a video, and as much of its sound. It is encoded again.

    Raises:
        ElementError: It cannot be decoded, or has no more frames than that.
    """
    part = path.with_name(path.name + ".cut")
    try:
        with media.open_media(str(path)) as source:
            stream = media.choose_video(source)
            if stream is None:
                raise ElementError("no_streams", "no video in what was fetched")
            rate = Fraction(stream.average_rate or 25)
            audio = media.choose_audio(source)
            with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as made:
                _recode(source, stream, audio, made, frames, rate)
        os.replace(part, path)
    except (av.error.FFmpegError, ValueError) as error:
        raise media.as_failure(error, "cutting off what was there before") from error
    finally:
        part.unlink(missing_ok=True)


def _recode(source: Any, stream: Any, audio: Any, made: Any, frames: int, rate: Fraction) -> None:
    media.prepare_decoder(stream)
    video: Any = made.add_stream("libx264", rate=rate, options={"crf": _CRF, "preset": "medium"})
    video.width, video.height, video.pix_fmt = stream.width, stream.height, "yuv420p"
    video.codec_context.thread_count = 1
    sound: Any = made.add_stream("aac", rate=audio.rate, layout=audio.layout.name) if audio else None
    n = 0
    for shown in shown_frames(source, stream, Counts(), float(rate)):
        if n >= frames:
            frame = shown.frame.reformat(format="yuv420p")
            frame.pts, frame.time_base, frame.pict_type = n - frames, 1 / rate, 0
            made.mux(video.encode(frame))
        n += 1
    if n <= frames:
        raise ElementError("damaged", f"{n} frames came, and {frames} of them were there before")
    made.mux(video.encode(None))
    if sound is not None:
        _recode_sound(source, audio, made, sound, round(frames / rate * audio.rate))


def _recode_sound(source: Any, audio: Any, made: Any, sound: Any, skip: int) -> None:
    source.seek(0)
    fifo = av.AudioFifo()
    for frame in source.decode(audio):
        frame.pts = None
        fifo.write(frame)
    if fifo.samples > skip:
        if skip:
            fifo.read(skip)
        while (piece := fifo.read(sound.codec_context.frame_size or 1024, partial=True)) is not None:
            piece.pts = None
            made.mux(sound.encode(piece))
    made.mux(sound.encode(None))


async def _write(answer: httpx.Response, to: Path, most: int) -> None:
    size = 0
    try:
        with to.open("xb") as file:
            async for piece in answer.aiter_bytes():
                size += len(piece)
                if size > most:
                    raise Lost(f"larger than {most >> 20} MB: raise most_mb if it is wanted", "too_large")
                file.write(piece)
        if not size:
            raise Lost("done, and the file is empty", "empty")
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def _check_status(answer: httpx.Response, own: bool) -> None:
    status = answer.status_code
    if status in _GONE:
        raise Lost(f"status {status}: the file is gone", "gone")
    if status == 204:
        raise Lost("done, and there is no file", "empty")
    if status != 200:
        where = "" if own else " at the host that the server sent us to"
        raise Blip(f"status {status}{where}")
    if answer.headers.get("content-type", "").startswith(_TEXT):
        raise Blip("a text came instead of a video")


async def _check_host(address: str, hosts: tuple[str, ...]) -> None:
    if (urlsplit(address).hostname or "") in hosts:
        return
    if hosts or urlsplit(address).scheme != "https":
        raise Lost(f"sent on to {redact(address)}: name its host in content_hosts if that is right", "host")
    try:
        await asyncio.to_thread(check_public, address)
    except ElementError as error:
        kind = Blip if error.error_class == "unreachable" else Lost
        raise kind(f"sent on: {error.message}", "host") from None
