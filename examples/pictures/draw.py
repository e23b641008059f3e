"""Draw the pictures of the example campaign: `python examples/pictures/draw.py`. Brand and products are invented."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from generation.typesetting import font_for

HERE: Final = Path(__file__).parent
FINE: Final = 4  # drawn so many times larger, then made smaller: smooth edges
NAVY, TEAL, SAND, EMBER = (22, 37, 54), (38, 92, 99), (242, 228, 205), (232, 106, 51)

Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]


def body(width: int, height: int, box: Box, corner: float, colour: Colour) -> Image.Image:
    """A round body seen from the side: lit from the left, with an edge of light on the right."""
    size = (width * FINE, height * FINE)
    mask = Image.new("L", size)
    scaled = [side * FINE for side in box]
    ImageDraw.Draw(mask).rounded_rectangle(scaled, corner * FINE, fill=255)
    shade = Image.new("RGB", size)
    pen = ImageDraw.Draw(shade)
    for x in range(int(scaled[0]), int(scaled[2]) + 1):
        part = (x - scaled[0]) / (scaled[2] - scaled[0])
        light = 0.62 + 0.75 * max(0.0, 1 - abs(part - 0.28) / 0.3) ** 1.5 + 0.25 * max(0.0, 1 - abs(part - 0.93) / 0.06)
        pen.line([(x, 0), (x, size[1])], fill=(_lit(colour[0], light), _lit(colour[1], light), _lit(colour[2], light)))
    made = shade.convert("RGBA")
    made.putalpha(mask)
    return made


def _lit(value: int, light: float) -> int:
    return min(255, round(value * light))


def sign(size: float) -> Image.Image:
    """The brand's sign: a flame in a ring, one colour."""
    side = round(size * FINE)
    made = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(made)
    pen.ellipse([0, 0, side - 1, side - 1], outline=(*SAND, 255), width=round(side * 0.075))
    low, middle = side * 0.76, side * 0.5
    pen.polygon(
        [
            (middle, side * 0.17),
            (side * 0.69, side * 0.5),
            (side * 0.66, side * 0.66),
            (middle, low),
            (side * 0.34, side * 0.66),
            (side * 0.31, side * 0.5),
        ],
        fill=(*EMBER, 255),
    )
    pen.ellipse([side * 0.42, side * 0.5, side * 0.58, side * 0.7], fill=(*SAND, 255))
    return made


def flask() -> Image.Image:
    """A tall bottle with a copper lid."""
    width, height = 320, 760
    made = body(width, height, (50, 190, 270, 745), 46, TEAL)
    made.alpha_composite(body(width, height, (88, 120, 232, 215), 26, (176, 182, 186)))
    made.alpha_composite(body(width, height, (100, 18, 220, 150), 30, (196, 118, 72)))
    made.alpha_composite(body(width, height, (50, 640, 270, 664), 0, (196, 118, 72)))
    made.alpha_composite(sign(110), ((width - 110) * FINE // 2, 380 * FINE))
    return made.resize((width, height), Image.Resampling.LANCZOS)


def cup() -> Image.Image:
    """A wide cup with a lid and a band to hold it by."""
    width, height = 420, 560
    made = body(width, height, (70, 110, 350, 545), 70, (224, 208, 182))
    made.alpha_composite(body(width, height, (52, 62, 368, 130), 30, NAVY))
    made.alpha_composite(body(width, height, (120, 22, 220, 78), 20, NAVY))
    made.alpha_composite(body(width, height, (70, 250, 350, 430), 0, TEAL))
    made.alpha_composite(sign(110), ((width - 110) * FINE // 2, 285 * FINE))
    return made.resize((width, height), Image.Resampling.LANCZOS)


def logo() -> Image.Image:
    """Sign and name."""
    made = Image.new("RGBA", (620 * FINE, 150 * FINE))
    made.alpha_composite(sign(140), (5 * FINE, 5 * FINE))
    font = font_for("Lumbrel", 104 * FINE, "en", 700)
    ImageDraw.Draw(made).text((172 * FINE, 74 * FINE), "Lumbrel", font=font, fill=(*SAND, 255), anchor="lm")
    return made.crop(made.getbbox()).resize((580, 140), Image.Resampling.LANCZOS)


def main() -> None:
    """Draw all of them beside this file."""
    for name, picture in (("flask", flask()), ("cup", cup()), ("logo", logo())):
        picture.save(HERE / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
