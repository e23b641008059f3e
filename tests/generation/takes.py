"""Takes and assets for tests: small videos whose every frame tells its number, and assets that are cut from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw

from generation.asset import Asset, Brand, Copy, EndCard, File, Format, SafeArea, ShotTake, Shown, Subtitle


def grey(number: int) -> int:
    """Luma of a take's frame, by its number, from 0 to 63."""
    return 20 + 3 * number


def render_take(
    path: Path,
    width: int = 320,
    height: int = 180,
    frames: int = 30,
    rate: str = "24",
    luma: Callable[[int], int] = grey,
    tone: float = 0.0,
    texture: bool = False,
    late: float = 0.0,
    silent_from: float = 1e9,
) -> Path:
    """A video of even frames, or of a moving pattern, with a tone of an amplitude (0: no sound).

    The sound begins `late` seconds after the picture, and has no more samples from `silent_from` on.
    """
    generator = np.random.default_rng(7)
    pattern = generator.integers(40, 200, (height, width * 2), dtype=np.uint8)
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=Fraction(rate))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "10"}
        video.codec_context.colorspace = 1
        sound: Any = out.add_stream("aac", rate=44_100, layout="stereo") if tone else None
        for number in range(frames):
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = pattern[:, number * 4 % width :][:, :width] if texture else luma(number)
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number, 1 / Fraction(rate)
            frame.colorspace, frame.color_range = 1, 1
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if sound is not None:
            length = round(min(float(frames / Fraction(rate)), silent_from) * 44_100)
            wave = tone * np.sin(2 * np.pi * 440 * np.arange(length) / 44_100)
            for start in range(0, length, 1024):
                part = np.ascontiguousarray(np.stack([wave[start : start + 1024]] * 2).astype(np.float32))
                heard = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
                heard.sample_rate, heard.pts = 44_100, start + round(late * 44_100)
                out.mux(sound.encode(heard))
            out.mux(sound.encode(None))
    return path


def file_of(path: Path) -> File:
    """A file as assets name it."""
    return File(uri=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def render_logo(path: Path) -> Path:
    """A logo with transparency."""
    image = Image.new("RGBA", (120, 40), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((0, 0, 39, 39), fill=(230, 80, 40, 255))
    ImageDraw.Draw(image).rectangle((50, 10, 119, 30), fill=(255, 255, 255, 255))
    image.save(path)
    return path


WORDS = {
    "en": ("Cold for a whole day", "19.90 €", "Shop now", "Tested at 20 °C.", "Made with AI", "Six in the morning."),
    "ar": ("بارد ليوم كامل", "19.90 €", "تسوّق الآن", "اختُبر عند 20 مئوية.", "صُنع بالذكاء الاصطناعي", "السادسة صباحًا."),
    "he": ("קר יום שלם", "19.90 ₪", "לקנייה", "נבדק ב-20 מעלות.", "נוצר בבינה מלאכותית", "שש בבוקר."),
    "hi": ("पूरे दिन ठंडा", "₹1,990", "अभी खरीदें", "20 °C पर जाँचा गया।", "एआई से बना", "सुबह के छह बजे।"),
}
"""Headline, price, call to action, legal line, label and subtitle, by language."""


def make_asset(
    folder: Path,
    language: str = "en",
    width: int = 320,
    height: int = 180,
    safe: SafeArea | None = None,
    shots: tuple[ShotTake, ...] = (),
    card: int = 20,
    **changes: Any,
) -> Asset:
    """An asset of two shots with a dissolve of 6 frames between, 44 frames long together, and an end card."""
    headline, price, action, legal, label, said = WORDS[language]
    shots = shots or (
        ShotTake(name="a", requests=("a",), start=0, frames=25, transition="dissolve", transition_frames=6, sound=True),
        ShotTake(name="b", requests=("b",), start=19, frames=25, sound=True),
    )
    end = shots[-1].start + shots[-1].frames
    whole = {"start": 2, "end": end}
    copy = Copy(
        language=language,
        headline=headline,
        price=price,
        call_to_action=action,
        legal=(legal,),
        disclosure=label,
        shown=tuple(Shown(role=role, **whole) for role in ("headline", "price", "call_to_action", "legal")),
        subtitles=(Subtitle(start=4, end=20, text=said),),
    )
    given: dict[str, Any] = {
        "campaign": "test",
        "cell": f"language={language}/format={width}x{height}",
        "name": f"test_{language}",
        "format": Format(
            name="test", width=width, height=height, frames=end + card, frame_rate="24", safe_area=safe or SafeArea()
        ),
        "brand": Brand(name="Test", logo=file_of(render_logo(folder / "logo.png"))),
        "shots": shots,
        "copy": copy,
        "end_card": EndCard(start=end, frames=card) if card else None,
    }
    return Asset(**{**given, **changes})


def make_takes(folder: Path, width: int = 320, height: int = 180, tone: float = 0.1) -> dict[str, Path]:
    """Takes of `make_asset`'s two requests."""
    return {
        name: render_take(folder / f"{name}.mp4", width, height, tone=tone, texture=name == "b") for name in ("a", "b")
    }


def lumas(path: Path) -> list[float]:
    """Mean luma of each frame of a video."""
    with av.open(str(path), "r") as container:
        return [float(frame.to_ndarray()[: frame.height].mean()) for frame in container.decode(video=0)]


def frame_at(path: Path, number: int) -> Any:
    """One frame of a video, as RGB."""
    with av.open(str(path), "r") as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError(f"{path} has no frame {number}")
