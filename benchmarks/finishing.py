"""What finishing costs beside the encoder itself: processor time of the plate, of copy and sound, and of plain x264.

    python -m benchmarks.finishing                      # 6 s at 1920x1080, with an end card of 2 s
    python -m benchmarks.finishing --size 1080x1920 --preset medium

makes two takes with as much detail as footage has, and an asset of two shots with every kind of text and an end card.
`x264` encodes the finished pictures once more with the same options and nothing else; `finish` is a whole asset whose
plate is there, as for every further language; `plate` is made once for all languages. Claim: `finish` takes at most
1.6 times as long as `x264`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from generation.asset import Asset, Brand, Copy, EndCard, File, Format, ShotTake, Shown, Subtitle
from generation.encoding import rate_options, write_video
from generation.finishing import FinishSettings, finish
from generation.planes import Picture
from generation.plates import make_plate

BUDGET = 1.6
"""Most that a finished asset may take, in times of its plain encoding."""
RATE = 25


def take(path: Path, width: int, height: int, frames: int, seed: int) -> Path:
    """A pan over a coarse picture with grain, and a tone."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 20, 3), dtype=np.uint8))
    wide = np.asarray(coarse.resize((width * 2, height), Image.Resampling.BICUBIC), np.float32)
    wide = np.clip(wide + rng.normal(0, 3, (height, width * 2, 1)), 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "veryfast", "crf": "18"}
        sound: Any = out.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(frames):
            left = number * width // frames
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(wide[:, left : left + width]), "rgb24")
            frame.pts = number
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        wave = 0.2 * np.sin(np.arange(frames * 48_000 // RATE) * 0.03).astype(np.float32)
        for start in range(0, len(wave), 1024):
            heard = av.AudioFrame.from_ndarray(np.stack([wave[start : start + 1024]] * 2), "fltp", "stereo")
            heard.sample_rate, heard.pts = 48_000, start
            out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
    return path


def an_asset(folder: Path, width: int, height: int) -> Asset:
    """Six seconds: two shots with a dissolve, four seconds together, and an end card."""
    logo = folder / "logo.png"
    Image.new("RGBA", (400, 120), (255, 255, 255, 255)).save(logo)
    shots = tuple(
        ShotTake(
            name=name, requests=(name,), start=start, frames=55, sound=True,
            transition="dissolve" if name == "a" else "cut", transition_frames=10 if name == "a" else 0,
        )
        for name, start in (("a", 0), ("b", 45))
    )  # fmt: skip
    copy = Copy(
        language="en", headline="Ice cold for a whole day, even on the longest run", price="39.90",
        call_to_action="Shop now", legal=("Tested at 20 degrees.",), disclosure="Made with AI",
        shown=tuple(Shown(role=role, start=5, end=95) for role in ("headline", "price", "call_to_action", "legal")),
        subtitles=(Subtitle(start=5, end=90, text="Six in the morning."),),
    )  # fmt: skip
    mark = File(uri=str(logo), sha256=hashlib.sha256(logo.read_bytes()).hexdigest())
    return Asset(
        campaign="benchmark", cell="all", name="benchmark", brand=Brand(name="Benchmark", logo=mark), shots=shots,
        format=Format(name="f", width=width, height=height, frames=150, frame_rate=str(RATE)),
        copy=copy, end_card=EndCard(start=100, frames=50),
    )  # fmt: skip


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of some work, and what came of it."""
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the claim holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1920x1080", help="of the finished file")
    parser.add_argument("--preset", default=FinishSettings().preset, help="x264's")
    options = parser.parse_args(argv)
    width, height = map(int, options.size.split("x"))
    settings = FinishSettings(preset=options.preset)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        takes = {one: take(folder / f"{one}.mp4", width, height, 60, seed) for seed, one in enumerate("ab")}
        asset = an_asset(folder, width, height)
        plate, _ = seconds(lambda: make_plate(asset, takes, folder / "plates"))
        whole, made = seconds(lambda: finish(asset, takes, folder, settings))
        again, _ = seconds(lambda: finish(asset, takes, folder, settings))
        with av.open(str(made.path), "r") as container:
            pictures = [Picture.of_frame(frame) for frame in container.decode(video=0)]
        how = rate_options(asset.format, settings.crf, settings.preset)
        plain, _ = seconds(lambda: write_video(folder / "plain.mp4", pictures, asset.format, 150, how, None))
    length = float(asset.format.frames / Fraction(RATE))
    print(f"{options.size}, {length:g} s, x264 {settings.preset} at crf {settings.crf}, {made.bytes:,} bytes")
    print(f"x264 alone       {plain:6.2f} s of processor time")
    print(f"finish           {whole:6.2f} s, {whole / plain:.2f} times as long")
    print(f"plate, once      {plate:6.2f} s")
    print(f"finish, unchanged{again:6.2f} s")
    return 0 if whole <= BUDGET * plain else 1


if __name__ == "__main__":
    sys.exit(main())
