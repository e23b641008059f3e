"""Playing: a source's bytes by range, and whether a browser can do anything with them.

What is played is named by its video, never by a path: the address comes from the `sources` table of the snapshot, and
the bytes there must still be those that were read (length, tag, time of change). Local files, and objects of `s3://`
and `gs://`, are read a block at a time; web addresses are not fetched again for a player.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from transforms import listing, storage
from transforms.attempts import DEFAULTS, attempt
from transforms.failures import ElementError

BLOCK: Final = 1 << 19
"""Bytes read at a time."""

_CODECS: Final = frozenset({"h264", "vp8", "vp9", "av1"})
"""What Chromium, Firefox and Safari decode in software; hevc depends on the machine."""
_CONTAINERS: Final = {"mp4": "video/mp4", "mov": "video/mp4", "webm": "video/webm", "ogg": "video/ogg"}
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)\Z")


class Gone(Exception):
    """There is nothing to play: the message says why, for people."""


class Media(NamedTuple):
    """Something that can be played.

    Attributes:
        uri: Where it lies.
        size: Bytes.
        kind: Its MIME type.
    """

    uri: str
    size: int
    kind: str


def mime(container: str | None) -> str | None:
    """The MIME type of a container as its demuxer names it; None where browsers play none such."""
    names = (container or "").split(",")
    return next((kind for name, kind in _CONTAINERS.items() if name in names), None)


def unplayable(video: Mapping[str, Any]) -> str:
    """Why browsers cannot play a video, from its row of `videos`; empty where they should."""
    container, codec = video.get("container"), video.get("video_codec")
    if codec is None:
        return "there is no video stream"
    if mime(container) is None:
        return f"browsers do not open {container}"
    if codec not in _CODECS:
        return f"browsers do not decode {codec}, or only on some machines"
    depth = video.get("bit_depth")
    if codec == "h264" and ((depth or 8) > 8 or not str(video.get("pixel_format") or "yuv420p").startswith("yuv")):
        return f"browsers do not decode {depth}-bit h264"
    if codec == "h264" and any(one in str(video.get("pixel_format")) for one in ("422", "444")):
        return f"browsers do not decode h264 in {video['pixel_format']}"
    return ""


def source_of(rows: list[dict[str, Any]], container: str | None) -> Media:
    """The first source of a video whose bytes are still those that were read.

    Args:
        rows: The video's rows of `sources`.
        container: Its container.

    Raises:
        Gone: None is there any more, or none can be read by range.
    """
    why = ["no source of it is listed"]
    for row in sorted(rows, key=lambda one: (storage.is_remote(one["uri"]), one["uri"])):
        shown = storage.redact(row["uri"])
        if storage.is_web(row["uri"]):
            why.append(f"{shown} is on the web: it is not fetched again for a player")
            continue
        try:
            found = storage.stat(row["uri"])
        except (ElementError, OSError) as error:
            why.append(f"the source is gone: {error}")
            continue
        known = (row["size"], row.get("etag"), row.get("modified"))
        now = (found.size, found.etag, found.modified)
        if any(then is not None and then != this for then, this in zip(known, now, strict=True)):
            why.append(f"{shown} has changed since it was read; run curate again")
            continue
        return Media(row["uri"], row["size"], mime(container) or "application/octet-stream")
    raise Gone("; ".join(why[1:] or why))


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes [first, end) that a `Range` header asks for; None where all are meant (RFC 9110: what is not
    understood, several ranges among it, is passed over).

    Raises:
        ValueError: There are no such bytes (416).
    """
    match = _RANGE.match((header or "").strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise ValueError(f"bytes {start} of {size}")
    return start, end


def blocks(media: Media, start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end), a block at a time; ends early where the source does."""
    if not storage.is_remote(media.uri):
        with open(media.uri, "rb") as file:
            file.seek(start)
            while start < end and (data := file.read(min(BLOCK, end - start))):
                start += len(data)
                yield data
        return
    files, path = listing.filesystem(media.uri), listing.path_of(media.uri)
    while start < end:
        stop = min(start + BLOCK, end)
        data = attempt(lambda a=start, b=stop: files.cat_file(path, start=a, end=b), media.uri, DEFAULTS)  # type: ignore[misc]
        if not data:
            return
        start += len(data)
        yield bytes(data)
