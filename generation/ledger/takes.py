"""Takes: the files that engines made, and the files they are given.

A file is fetched beside its place, looked at, synced and renamed: what has a take's name is whole. So after a crash
between the rename and the ledger's word of it, the file is there, and is not fetched again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import av

from generation.boxes import boxes
from generation.ledger.entries import Entry, Take
from generation.request import Input
from transforms.failures import ElementError
from transforms.media import as_failure, choose_video, open_media, prepare_decoder
from transforms.storage import is_remote, redact, stage

TAKES: Final = "takes"
"""Folder of what engines made, within the run's."""
INPUTS: Final = "inputs"
"""Folder of copies of remote inputs, within the run's."""


def take_path(entry: Entry) -> str:
    """Where an attempt's file belongs, relative to the run's folder."""
    return f"{TAKES}/{entry.request_id[:2]}/{entry.name}.mp4"


def temporary_path(entry: Entry, folder: Path) -> Path:
    """A name beside it that nobody has, to fetch it to; its folder is made."""
    place = folder / take_path(entry)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.with_name(f".{entry.name}.{secrets.token_hex(4)}.part")


def take_in_place(entry: Entry, folder: Path) -> Take | None:
    """The file of an attempt, where an earlier worker had put it in its place."""
    place = folder / take_path(entry)
    return Take(take_path(entry), digest_of(place), place.stat().st_size) if place.is_file() else None


def put_in_place(entry: Entry, folder: Path, fetched: Path) -> Take:
    """Look at a fetched file, and give it its name. It is on the disk when this returns.

    Raises:
        ElementError: It is empty or can't be decoded to its end; it is deleted.
    """
    try:
        look_at(fetched)
    except ElementError:
        fetched.unlink(missing_ok=True)
        raise
    place = folder / take_path(entry)
    _move(fetched, place)
    for left in place.parent.glob(f".{entry.name}.*.part"):  # of workers that died
        left.unlink(missing_ok=True)
    return Take(take_path(entry), digest_of(place), place.stat().st_size)


def look_at(path: Path) -> None:
    """See that a video is whole: its first frame and its last ones decode, and no packet is missing.

    Raises:
        ElementError: It isn't.
    """
    _whole(path)
    with open_media(str(path)) as container:
        stream = choose_video(container)
        if stream is None:
            raise ElementError("no_streams", "it holds no video")
        prepare_decoder(stream)
        packets, first = 0, False
        since_key: list[Any] = []
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                packets += 1
                if not first:
                    first = bool(packet.decode())
                since_key = [packet] if packet.is_keyframe else [*since_key, packet]
            last = _decoded(stream.codec_context, since_key)
        except (av.error.FFmpegError, ValueError) as error:
            raise as_failure(error, "decoding") from error
        if not packets or not last or packets < stream.frames:
            raise ElementError("damaged", f"it is cut short: {packets} packets of {stream.frames or 'some'} frames")


def local_inputs(entry: Entry, paths: Mapping[str, str], folder: Path) -> dict[int, Path]:
    """Local files of all inputs of an attempt, by their number.

    Args:
        entry: The attempt.
        paths: Paths of takes it is made from, relative to `folder`, by the attempts' names.
        folder: The run's folder.

    Raises:
        ElementError: One is missing, or is not the file that was planned with.
    """
    found = {}
    for number, one in enumerate(entry.request.inputs):
        if one.request:
            found[number] = folder / paths[f"{one.request}-{entry.made_from[one.request]}"]
        else:
            found[number] = _local_input(one, folder)
    return found


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _local_input(one: Input, folder: Path) -> Path:
    if not is_remote(one.uri):
        return _same(one, Path(one.uri))
    copy = folder / INPUTS / f"{one.sha256}{Path(one.uri).suffix}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with stage(one.uri, str(copy.parent)) as staged:
            part = copy.with_name(f".{copy.name}.{secrets.token_hex(4)}.part")
            shutil.copyfile(staged.path, part)
        _move(part, copy)
    return _same(one, copy)


def _same(one: Input, path: Path) -> Path:
    try:
        found = digest_of(path)
    except OSError as error:
        raise ElementError("unreadable", f"input {one.role} {redact(one.uri)}: {error.strerror}") from None
    if found != one.sha256:
        raise ElementError(
            "changed", f"input {one.role} {redact(one.uri)}: its bytes are not those planned; plan again"
        )
    return path


def _whole(path: Path) -> None:
    """See that an MP4 file ends where its last box does: what is cut off an index at the end, decoders don't miss."""
    found, size = boxes(path), path.stat().st_size
    if found and found[0].name == "ftyp" and found[-1].end != size:
        raise ElementError("damaged", f"it is cut short: {size} bytes, and its boxes end at {found[-1].end}")


def _move(file: Path, place: Path) -> None:
    for path, rename in ((file, True), (place.parent, False)):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if rename:
            os.replace(file, place)


def _decoded(decoder: Any, packets: list[Any]) -> bool:
    """Whether packets from a key frame on decode to a frame at least."""
    decoder.flush_buffers()
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    return bool(frames or decoder.decode(None))
