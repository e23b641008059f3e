"""Rendered footage with known edits: for the demo, the tests and the benchmarks.

What a detector finds can only be judged against what is there: files are rendered from shots whose edits are known to
the frame, and `truth.json` says what they are, in the shape of a list of cuts checked by eye.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import shutil
import struct
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from pipelines.shots import Camera, Shot, Tone, pictures, plan
from pipelines.shots import sound as sound_of

__all__ = ["RECIPE", "TRUTH", "Shot", "Tone", "render", "render_demo", "render_long", "render_tiny"]

RECIPE = 1
"""Raised when the demo's footage changes, so that an older rendering is not taken for it."""

TRUTH = "truth.json"

LOOP_SECONDS = 64
"""Length of the loop of `render_long`: a whole number of AAC packets at 48 kHz (3000), so that copies leave no gap."""


_ENCODERS = {
    "libx264": {"preset": "superfast", "crf": "23", "threads": "1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "32", "b": "0", "threads": "1"},
    "mpeg4": {"b": "2000000", "threads": "1"},
}


def render(
    path: str | Path,
    shots: Sequence[Shot],
    *,
    width: int = 320,
    height: int = 180,
    fps: Fraction | int | str = 25,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    ticks: Sequence[int] = (),
    rotation: Literal[0, 90, 180, 270] = 0,
    bars: tuple[int, int] = (0, 0),
    tones: Sequence[Tone] = (),
    sample_rate: int = 48000,
) -> dict[str, Any]:
    """Render shots into a file and return what is true of it.

    Args:
        path: The file; its ending chooses the container (`.mp4`, `.mov`, `.mkv`, `.webm`).
        shots: The film; at least one shot.
        width: Width as shown, in pixels; even.
        height: Height as shown, in pixels; even.
        fps: Frames a second, as a fraction where it is one (`24000/1001`).
        codec: `libx264`, `libvpx-vp9`, `mpeg4` or any encoder of the build that takes 4:2:0.
        options: Encoder options over the defaults (H.264: superfast, CRF 23).
        ticks: For a variable frame rate: durations of frames in 1/600 s, repeated over the film; then `fps`
            is not used.
        rotation: Clockwise turn that a player has to make; frames are stored turned the other way (MP4 and MOV).
        bars: Black rows at the top and at the bottom, inside `height`.
        tones: Mono sound from the first frame on, AAC (Opus in WebM); none for no audio stream.
        sample_rate: Of the sound, in Hz.

    Returns:
        `frames`; `hard` (first frame of each shot entered by a cut); `gradual` ([kind, first, last] with kind
        `dissolve`, `wipe`, `fade-in`, `fade-to-black` or `fade-to-white`); `flashes` ([first, last]); `fps`,
        `seconds`, `width`, `height`, `rotation`, `variable_frame_rate`, `bars`, `codec` and `sound` ([hertz, start,
        end] in seconds). JSON-able.
    """
    path = Path(path)
    steps, edits = plan(shots)
    settings = _ENCODERS.get(codec, {}) | (options or {})
    rate, base = Fraction(fps), Fraction(1) / Fraction(fps)
    pts = list(range(len(steps) + 1))
    if ticks:
        settings = {"bf": "0"} | settings  # MP4 stores steps of decoding time: with B-frames those are no frame lengths
        base = Fraction(1, 600)
        pts = [0, *np.cumsum([ticks[k % len(ticks)] for k in range(len(steps))]).tolist()]
        rate = Fraction(len(steps)) / (pts[-1] * base)
    lengths = {now: later - now for now, later in itertools.pairwise(pts)}
    samples = sound_of(tones, sample_rate)
    webm = path.suffix == ".webm"
    turned = rotation in (90, 270)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        video = out.add_stream(codec, rate=rate.limit_denominator(1001), options=settings)
        if not isinstance(video, av.VideoStream):
            raise ValueError(f"{codec} does not encode pictures")
        video.width, video.height = (height, width) if turned else (width, height)
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = base
        if rotation:
            video.set_display_rotation(-rotation)
        audio = out.add_stream("libopus" if webm else "aac", rate=sample_rate, layout="mono") if tones else None
        sent, piece = 0, 960 if webm else 1024

        def send_pictures(frame: av.VideoFrame | None) -> None:
            for packet in video.encode(frame):
                if packet.pts is not None and packet.time_base == base:
                    packet.duration = lengths[packet.pts]  # encoders assume that all frames last equally long
                out.mux(packet)

        def send_sound(until: float) -> None:
            nonlocal sent
            while isinstance(audio, av.AudioStream) and sent < min(until * sample_rate, len(samples)):
                part = av.AudioFrame.from_ndarray(samples[None, sent : sent + piece], "fltp", "mono")
                part.sample_rate, part.pts, part.time_base = sample_rate, sent, Fraction(1, sample_rate)
                sent += piece
                out.mux(audio.encode(part))

        for k, picture in enumerate(pictures(shots, width, height, bars)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(picture, rotation // 90)), "bgr24")
            frame.pts, frame.time_base = pts[k], base
            send_pictures(frame)
            send_sound(float(pts[k + 1] * base))
        send_sound(math.inf)
        send_pictures(None)
        if isinstance(audio, av.AudioStream):
            out.mux(audio.encode(None))
    heard, at = [], 0.0
    for tone in tones:
        heard.append([tone.hertz, at, at + tone.seconds])
        at += tone.seconds
    return edits | {
        "fps": float(rate),
        "seconds": float(pts[-1] * base),
        "width": width,
        "height": height,
        "rotation": rotation,
        "variable_frame_rate": len(set(ticks)) > 1,
        "bars": list(bars),
        "codec": codec,
        "sound": heard,
    }


@functools.cache
def _tiny(kind: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tiny.mp4")
        side = (16, 24, 32, 48, 64)[kind % 5]
        render(path, [Shot(3 + kind % 4, seed=kind)], width=side, height=side, options={"preset": "ultrafast"})
        return path.read_bytes()


def render_tiny(path: str | Path, seed: int) -> None:
    """Write a tiny MP4 (16 to 64 px, 3 to 6 frames, no sound) whose bytes no other seed has.

    Twenty different films are drawn once a process; the seed makes the bytes unique in a `free` box, which
    players pass over.
    """
    Path(path).write_bytes(_tiny(seed % 20) + struct.pack(">I4sQ", 16, b"free", seed))


def render_long(
    path: str | Path,
    seconds: float,
    *,
    width: int = 320,
    height: int = 180,
    fps: int = 24,
    shot_seconds: float = 4.0,
    sound: bool = True,
) -> dict[str, Any]:
    """Write a long MP4 cheaply: about a minute is rendered, its packets are copied again and again with later times.

    Args:
        path: The file.
        seconds: Length; hours are fine, memory stays bounded.
        width: In pixels; even.
        height: In pixels; even.
        fps: Frames a second.
        shot_seconds: Length of a shot. Every shot, and every repetition, begins with a hard cut.
        sound: Whether a tone and silence alternate.

    Returns:
        `frames`, `hard`, `gradual` and `flashes` (empty), `fps`, `seconds`.
    """
    loop = LOOP_SECONDS * fps
    each = max(1, round(shot_seconds * fps))
    starts = list(range(0, loop, each))
    cameras: tuple[Camera, ...] = ("static", "pan", "shake", "zoom")
    shots = [Shot(min(each, loop - s), seed=100 + i, camera=cameras[i % 4]) for i, s in enumerate(starts)]
    tones = [Tone(LOOP_SECONDS / 4, hertz) for hertz in (330.0, 0.0, 550.0, 0.0)] if sound else []
    frames = round(seconds * fps)
    with tempfile.TemporaryDirectory() as folder:
        part = os.path.join(folder, "loop.mp4")
        # Without B-frames a packet is a frame in the order shown, so that the end can fall on any frame.
        render(part, shots, width=width, height=height, fps=fps, tones=tones, options={"crf": "28", "bf": "0"})
        with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
            targets: dict[int, av.stream.Stream] = {}
            for turn in range(math.ceil(frames / loop)):
                with av.open(part) as source:
                    for stream in source.streams:
                        if stream.index not in targets:
                            targets[stream.index] = out.add_stream_from_template(stream)
                    for packet in source.demux():
                        if packet.pts is None or packet.dts is None or packet.pts < 0 or packet.time_base is None:
                            continue
                        shift = int(turn * LOOP_SECONDS / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        if packet.pts * packet.time_base < Fraction(frames, fps):
                            packet.stream = targets[packet.stream.index]
                            out.mux(packet)
    cuts = [t * loop + s for t in range(math.ceil(frames / loop)) for s in starts]
    hard = [c for c in cuts if 0 < c < frames]
    return {"frames": frames, "hard": hard, "gradual": [], "flashes": [], "fps": float(fps), "seconds": frames / fps}


def _films() -> dict[str, tuple[str, list[Shot], dict[str, Any]]]:
    """The demo's films: a sentence about each, its shots and how `render` is to store it."""
    hd, tv = {"width": 1280, "height": 720}, {"width": 640, "height": 360}
    return {
        "hard_cuts.mp4": (
            "Hard cuts between static and moving shots, one to a shot in the same colours; tones and silence.",
            [
                Shot(90, seed=11),
                Shot(60, seed=12, camera="pan"),
                Shot(110, seed=13, camera="shake"),
                Shot(50, seed=14),
                Shot(75, seed=15, palette=14),
                Shot(130, seed=16, camera="zoom"),
                Shot(40, seed=17),
                Shot(95, seed=18, camera="pan"),
                Shot(80, seed=19, camera="shake"),
                Shot(100, seed=20),
            ],
            tv | {"fps": 25, "tones": [Tone(8, 440), Tone(6), Tone(8, 660), Tone(5), Tone(6.2, 330)]},
        ),
        "transitions.mp4": (
            "Dissolves and fades through black of several lengths, between hard cuts; fades in from black.",
            [
                Shot(100, seed=21, enter="fade", enter_frames=24),
                Shot(110, seed=22, camera="pan", enter="dissolve", enter_frames=24),
                Shot(90, seed=23, enter="fade", enter_frames=18),
                Shot(80, seed=24, camera="shake"),
                Shot(120, seed=25, enter="dissolve", enter_frames=12),
                Shot(100, seed=26, camera="zoom", enter="fade", enter_frames=12),
                Shot(90, seed=27, enter="dissolve", enter_frames=36),
                Shot(80, seed=28),
            ],
            tv | {"fps": 24},
        ),
        "flash.mp4": (
            "Photo flashes in two shots: no new shot begins with them; one hard cut.",
            [Shot(180, seed=31, flashes=(45, 51, 120)), Shot(150, seed=32, camera="shake", flashes=(70,))],
            tv | {"fps": 30},
        ),
        "camera.mp4": (
            "A tripod, a pan, a zoom and a hand-held camera, in 720p.",
            [
                Shot(75, seed=41),
                Shot(80, seed=42, camera="pan"),
                Shot(70, seed=43, camera="zoom"),
                Shot(85, seed=44, camera="shake"),
            ],
            hd | {"fps": 25},
        ),
        "letterbox.mp4": (
            "A 2.39:1 film with black bars at the top and the bottom.",
            [Shot(120, seed=51, camera="pan"), Shot(140, seed=52), Shot(100, seed=53, camera="shake")],
            tv | {"fps": "24000/1001", "bars": (46, 46)},
        ),
        "variable_rate.mp4": (
            "Frames of unequal length, as telephones and screen recorders store them.",
            [Shot(150, seed=61), Shot(120, seed=62, camera="shake"), Shot(130, seed=63)],
            tv | {"ticks": (20, 20, 24, 20, 40, 20, 20, 60)},
        ),
        "portrait.mp4": (
            "Held upright: stored as 640x360 with a rotation matrix, shown as 360x640.",
            [Shot(150, seed=71, camera="shake"), Shot(120, seed=72), Shot(90, seed=73, camera="pan")],
            {"width": 360, "height": 640, "fps": 30, "rotation": 90, "tones": [Tone(6, 520), Tone(6)]},
        ),
        "web.webm": (
            "VP9 and Opus in WebM.",
            [Shot(120, seed=81), Shot(100, seed=82, camera="pan"), Shot(130, seed=83, camera="zoom")],
            tv | {"fps": 25, "codec": "libvpx-vp9", "tones": [Tone(7, 392), Tone(7, 523)]},
        ),
        "stills.mkv": (
            "A moving shot, then a frozen picture, black, and another moving shot: what a filter should drop.",
            [Shot(100, seed=91), Shot(125, seed=92, camera="still"), Shot(75, camera="black"), Shot(100, seed=94)],
            tv | {"fps": 25},
        ),
    }


def render_demo(folder: str | Path) -> Path:
    """Render the demo's footage, about three minutes in twelve files, with `truth.json` beside it.

    Nothing is rendered again where an earlier call finished. `truth.json` maps each file's name below the folder to
    what is true of it: `outcome` (`video`, `duplicate`, `failure`), a `note`, for a duplicate `of`, and for all but
    failures what `render` returns. Keys that begin with an underscore are no files.

    Args:
        folder: Where to; made when absent.

    Returns:
        The path of `truth.json`.
    """
    folder = Path(folder)
    path = folder / TRUTH
    if path.exists():
        old = json.loads(path.read_text())
        if old.get("_recipe") == RECIPE and all((folder / name).is_file() for name in old if not name.startswith("_")):
            return path
    (folder / "copies").mkdir(parents=True, exist_ok=True)
    films = _films()
    longest_first = sorted(films, key=lambda n: -sum(s.frames for s in films[n][1]) * films[n][2]["width"])
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # drawing and encoding leave the interpreter's lock
        jobs = {n: threads.submit(render, folder / n, films[n][1], **films[n][2]) for n in longest_first}
    truth: dict[str, Any] = {
        "_doc": "What is true of each file: hard = first frame (from 0, as shown) of each shot entered by a cut; "
        "gradual = [kind, first, last]; flashes = [first, last].",
        "_recipe": RECIPE,
    }
    for name, (note, _, _) in films.items():
        truth[name] = {"outcome": "video", "note": note} | jobs[name].result()
    again = "copies/flash_again.mp4"
    shutil.copyfile(folder / "flash.mp4", folder / again)
    truth[again] = truth["flash.mp4"] | {
        "outcome": "duplicate",
        "of": "flash.mp4",
        "note": "The bytes of flash.mp4 under another name.",
    }
    whole = (folder / "letterbox.mp4").read_bytes()
    (folder / "cut_off.mp4").write_bytes(whole[: len(whole) // 2])
    truth["cut_off.mp4"] = {
        "outcome": "failure",
        "note": "The first half of an MP4: its index, which stands at the end, is missing.",
    }
    (folder / "noise.mp4").write_bytes(np.random.default_rng(7).bytes(100_000))
    truth["noise.mp4"] = {"outcome": "failure", "note": "Random bytes under the name of a film."}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(truth, indent=1))
    part.replace(path)
    return path
