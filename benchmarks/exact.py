"""Are clip files exact? Every one of a corpus against its source, by picture and by ear.

    rushes curate FOOTAGE --output OUT --clips smart
    python -m benchmarks.exact OUT

decodes every source once and every clip file. Claims, for `smart` and `transcode`: the first and the last picture of
the file are nearer to those of the span than to any of the two before and after, there are as many pictures as the span
has, and the sound is off by less than half a frame (largest cross-correlation within 0.1 s, where there is sound enough
to tell; of a tone, which fits at many places, the nearest).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt

from transforms import media, storage, tables
from transforms.frames import Counts, shown_frames
from transforms.measure import stream_of

Floats = npt.NDArray[np.float32]

AROUND = 2
"""Pictures before and after that a picture is compared with."""
RATE = 8000
"""Samples a second that sound is compared at."""
REACH = RATE // 10
_TIE = 0.05
"""Mean square difference by which a still picture may be as near to its neighbour."""
_LOUD = 1e-3
_ALIKE = 0.5
"""Least root mean square, and least correlation, of sound that tells an offset."""


class Found(NamedTuple):
    """What was found of a clip: wrong in words, and the offset of its sound in seconds; None where none can be told."""

    wrong: list[str]
    offset: float | None


def small(frame: Any) -> Floats:
    """A picture as gray levels, 180 x 320."""
    return np.asarray(frame.reformat(width=320, height=180, format="gray").to_ndarray(), np.float32)


def pictures(path: str, facts: Mapping[str, Any], wanted: set[int]) -> dict[int, Floats]:
    """The wanted frames of a source, by their number among those shown."""
    found = {}
    with media.open_media(path) as container:
        stream = stream_of(container, facts)
        media.prepare_decoder(stream)
        for number, shown in enumerate(shown_frames(container, stream, Counts(), facts.get("nominal_frame_rate"))):
            if number in wanted:
                found[number] = small(shown.frame)
    return found


def sound(path: str, start: float) -> Floats:
    """A file's sound, mono, from a moment of its clock on; what lies before it is cut off, what is missing is zero."""
    parts: list[Floats] = []
    first: float | None = None
    with av.open(path) as container:
        stream = media.choose_audio(container)
        if stream is None:
            return np.zeros(0, np.float32)
        resampler = av.AudioResampler("fltp", "mono", RATE)
        frames = container.decode(stream)
        for frame in [*frames, None]:
            if first is None and frame is not None and frame.time is not None:
                first = frame.time
            parts += [np.asarray(made.to_ndarray()[0], np.float32) for made in resampler.resample(frame)]
    whole = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    skipped = round((start - (first or 0.0)) * RATE)
    return whole[skipped:] if skipped >= 0 else np.concatenate([np.zeros(-skipped, np.float32), whole])


def lag(clip: Floats, source: Floats) -> float | None:
    """Seconds by which a clip's sound is late against its source's; None where there is too little to tell."""
    length = min(len(clip), len(source), 10 * RATE)
    a, b = clip[:length], source[:length]
    if length < 4 * REACH or min(np.sqrt((a * a).mean()), np.sqrt((b * b).mean())) < _LOUD:
        return None
    middle = a[REACH:-REACH]
    windows = np.lib.stride_tricks.sliding_window_view(b, len(middle))
    size = np.sqrt((windows * windows).sum(1) * (middle @ middle)) + 1e-9
    likeness = (windows @ middle) / size
    as_good = np.flatnonzero(likeness >= 0.99 * likeness.max())
    best = int(as_good[np.abs(as_good - REACH).argmin()])
    return (REACH - best) / RATE if likeness[best] >= _ALIKE else None


def looked_at(root: str, clips: Sequence[Mapping[str, Any]], path: str, video: Mapping[str, Any]) -> Iterator[Found]:
    """Each clip of one video."""
    places = {c["clip_id"]: (c["start_frame"], c["start_frame"] + c["frames"] - 1) for c in clips}
    near = {n for ends in places.values() for at in ends for n in range(at - AROUND, at + AROUND + 1)}
    stored = pictures(path, video, near)
    for clip in clips:
        file = storage.join(root, *clip["clip_uri"].split("/"))
        with av.open(file) as container:
            frames = [small(frame) if n == 0 else frame for n, frame in enumerate(container.decode(video=0))]
        wrong = [] if len(frames) == clip["frames"] else [f"{len(frames)} pictures, not {clip['frames']}"]
        for word, at, shown in zip(("first", "last"), places[clip["clip_id"]], (frames[0], frames[-1]), strict=True):
            seen = shown if isinstance(shown, np.ndarray) else small(shown)
            far = {n: float(((seen - p) ** 2).mean()) for n, p in stored.items() if abs(n - at) <= AROUND}
            if far[at] > min(far.values()) + _TIE:
                wrong.append(f"its {word} picture is that {min(far, key=far.__getitem__) - at:+d} frames away")
        tick = clip["time_base_num"] / clip["time_base_den"]
        offset = lag(sound(file, 0.0), sound(path, clip["start_pts"] * tick)) if clip["clip_audio"] else None
        if offset is not None and abs(offset) >= 0.5 / clip["frame_rate"]:
            wrong.append(f"its sound is {1000 * offset:+.1f} ms off")
        yield Found(wrong, offset)


def main(argv: list[str] | None = None) -> int:
    """Look at all of them, print, and say whether the claims hold: 0 when they do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="an output folder with clip files, its sources on local disk")
    corpus = tables.open_corpus(parser.parse_args(argv).output)
    uris = {row["video_id"]: row["uri"] for row in tables.read(corpus, "sources").to_pylist()}
    clips = [c for c in tables.read(corpus, "clips").to_pylist() if c["clip_mode"] in ("smart", "transcode")]
    checked, bad, offsets = 0, 0, list[float]()
    for video in tables.read(corpus, "videos").to_pylist():
        mine = [clip for clip in clips if clip["video_id"] == video["video_id"]]
        path = storage.normalise(uris[video["video_id"]])
        for clip, found in zip(mine, looked_at(corpus.root, mine, path, video) if mine else (), strict=True):
            checked += 1
            bad += bool(found.wrong)
            offsets += [abs(found.offset)] if found.offset is not None else []
            for text in found.wrong:
                print(f"{Path(path).name} {clip['clip_id'][:8]} ({clip['clip_mode']}): {text}", flush=True)
    largest = f"{1000 * max(offsets):.1f} ms at most over {len(offsets)} clips" if offsets else "none to be told"
    print(f"{checked} clips, {bad} not as they should be; offset of sound: {largest}")
    return 1 if bad or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
