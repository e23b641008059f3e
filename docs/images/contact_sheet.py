"""The contact sheet of a corpus: every film as a strip in time, with its cuts, what was kept, and the curve behind it.

    python docs/images/contact_sheet.py OUT FILE

draws the picture of the README from the output of `rushes demo`. It opens no footage: names, spans and decisions come
from the tables, pictures and curves from the store.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import pyarrow.dataset as ds
from PIL import Image, ImageDraw, ImageFont, ImageOps

from transforms import samples, signals, storage, tables

WIDTH, MARGIN, GAP = 1600, 28, 26
TITLE, LABEL, STRIP, BAR, CURVE, FOOT = 46, 30, 96, 20, 42, 30
ROW = LABEL + STRIP + BAR + CURVE + 18
PAPER, INK, FAINT, LINE = "#fbfbf9", "#1c1e21", "#6a6f76", "#d9dad6"
KEPT, DROPPED, SCORE = "#2f8f5b", "#c2452d", "#3b6fb5"
FULL_SCORE = 70.0
"""Content score at the top of a curve; higher ones are cut off there."""


class Film(NamedTuple):
    """A video as it is drawn: its row of `videos`, its clips in order, and the name of its first source."""

    name: str
    video: Mapping[str, Any]
    clips: Sequence[Mapping[str, Any]]


def films(corpus: tables.Corpus) -> list[Film]:
    """The videos of a corpus that have clips, by name."""
    names: dict[str, str] = {}
    for source in sorted(tables.read(corpus, "sources").to_pylist(), key=lambda s: (len(s["uri"]), s["uri"])):
        names.setdefault(source["video_id"], PurePath(source["uri"]).name)
    clips: dict[str, list[Mapping[str, Any]]] = {}
    for clip in tables.read(corpus, "clips", where=ds.field("cut") == "default").to_pylist():
        clips.setdefault(clip["video_id"], []).append(clip)
    found = [
        Film(names[v["video_id"]], v, sorted(clips[v["video_id"]], key=lambda c: int(c["start_pts"])))
        for v in tables.read(corpus, "videos").to_pylist()
        if v["video_id"] in clips and v["video_id"] in names
    ]
    return sorted(found, key=lambda film: film.name)


def rows_of(all_films: Sequence[Film], scale: float) -> list[list[Film]]:
    """Films side by side, the longest first, each row as full as it gets."""
    rows: list[tuple[float, list[Film]]] = []
    for film in sorted(all_films, key=lambda f: (-f.video["duration"], f.name)):
        wide = film.video["duration"] * scale + GAP
        for number, (used, row) in enumerate(rows):
            if used + wide <= WIDTH - 2 * MARGIN + GAP + 1:
                rows[number] = (used + wide, [*row, film])
                break
        else:
            rows.append((wide, [film]))
    return [row for _, row in rows]


def tiles(film: Film, scale: float) -> Iterator[tuple[int, int, float]]:
    """The pictures of a strip: left and right edge in pixels, and the time each should be of."""
    shape = film.video["width"] / film.video["height"]
    for clip in film.clips:
        left, right = (round(clip[f"{side}_seconds"] * scale) for side in ("start", "end"))
        count = max(1, round((right - left) / (STRIP * min(max(shape, 0.5), 2.4))))
        edges = np.linspace(left, right, count + 1).round().astype(int).tolist()
        for a, b in pairwise(edges):
            yield a, b, (a + b) / 2 / scale


def draw_film(sheet: Image.Image, film: Film, root: str, at: tuple[int, int], scale: float) -> None:
    """Draw one film with its upper left corner at a point."""
    draw, (x, y) = ImageDraw.Draw(sheet), at
    folder = storage.join(root, *film.video["measure_uri"].split("/"))
    stored = signals.read_signals(storage.read_bytes(storage.join(folder, "signals.parquet")))
    wide = round(film.video["duration"] * scale)
    draw.text((x, y + LABEL - 8), film.name, INK, font(17), anchor="ls")
    kept = sum(c["kept"] for c in film.clips)
    told = x + draw.textlength(film.name + "  ", font(17))
    about = f"{film.video['duration']:.1f} s, {kept} of {len(film.clips)} clips kept"
    if told + draw.textlength(about, font(14)) <= x + max(wide, 300):
        draw.text((told, y + LABEL - 8), about, FAINT, font(14), anchor="ls")
    top = y + LABEL
    base = film.video["time_base_num"] / film.video["time_base_den"]
    with samples.Samples(storage.read_bytes(storage.join(folder, "samples.zip"))) as pictures:
        times = np.array([(e.pts - film.video["start_pts"]) * base for e in pictures.frames])
        for left, right, middle in tiles(film, scale):
            entry = pictures.frames[int(np.argmin(np.abs(times - middle)))]
            picture = Image.open(io.BytesIO(pictures.jpeg(entry.pts))).convert("RGB")
            sheet.paste(ImageOps.fit(picture, (max(right - left, 1), STRIP)), (x + left, top))
    for clip in film.clips:
        left, right = (x + round(clip[f"{side}_seconds"] * scale) for side in ("start", "end"))
        if not clip["kept"]:
            box = (left, top, right, top + STRIP)
            grey = ImageOps.grayscale(sheet.crop(box)).convert("RGB")
            sheet.paste(Image.blend(grey, Image.new("RGB", grey.size, PAPER), 0.55), box)
        colour = KEPT if clip["kept"] else DROPPED
        draw.rectangle((left + 1, top + STRIP + 3, right - 2, top + STRIP + 7), colour)
        if not clip["kept"]:
            reason = next(
                (r for r in (", ".join(clip["reasons"]), clip["reasons"][0]) if fits(draw, r, right - left)), ""
            )
            draw.text(((left + right) / 2, top + STRIP + BAR), reason, DROPPED, font(12), anchor="ms")
        if clip["start_pts"] != film.video["start_pts"]:
            draw.rectangle((left - 1, top, left, top + STRIP), "white")
    low = top + STRIP + BAR + CURVE
    draw.line((x, low, x + wide, low), LINE)
    heights = np.clip(stored.content / FULL_SCORE, 0, 1) * (CURVE - 6)
    points = [(x + float(s) * scale, low - float(h)) for s, h in zip(stored.seconds, heights, strict=True)]
    draw.line(points, SCORE, 1)


def fits(draw: ImageDraw.ImageDraw, text: str, wide: float) -> bool:
    """Whether a reason can be written under its clip."""
    return draw.textlength(text, font(12)) <= wide - 2


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow, so that the picture is the same everywhere."""
    return ImageFont.load_default(size)


def draw_sheet(corpus: tables.Corpus) -> Image.Image:
    """The contact sheet of a corpus."""
    found = films(corpus)
    # A little air beside the longest film lets three short ones share a row.
    scale = (WIDTH - 2 * MARGIN) / max(film.video["duration"] for film in found) / 1.12
    rows = rows_of(found, scale)
    sheet = Image.new("RGB", (WIDTH, MARGIN + TITLE + ROW * len(rows) + FOOT), PAPER)
    draw = ImageDraw.Draw(sheet)
    clips = [clip for film in found for clip in film.clips]
    kept = [clip for clip in clips if clip["kept"]]
    seconds = sum(film.video["duration"] for film in found)
    heading = f"{len(found)} films, {seconds:.0f} s: {len(kept)} clips kept, {sum(c['seconds'] for c in kept):.0f} s"
    draw.text((MARGIN, MARGIN + 12), heading, INK, font(24), anchor="lm")
    x = WIDTH - MARGIN
    for colour, word in ((SCORE, "change from frame to frame"), (DROPPED, "dropped, and why"), (KEPT, "kept")):
        x -= round(draw.textlength(word, font(15)))
        draw.text((x, MARGIN + 12), word, FAINT, font(15), anchor="lm")
        draw.rectangle((x - 26, MARGIN + 10, x - 8, MARGIN + 14), colour)
        x -= 52
    for number, row in enumerate(rows):
        x = MARGIN
        for film in row:
            draw_film(sheet, film, corpus.root, (x, MARGIN + TITLE + ROW * number), scale)
            x += round(film.video["duration"] * scale) + GAP
    return sheet


def main(arguments: Sequence[str]) -> int:
    """Write the contact sheet of an output folder to a file; the suffix says the format."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    draw_sheet(tables.open_corpus(arguments[0])).save(arguments[1], quality=86, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
