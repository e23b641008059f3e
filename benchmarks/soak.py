"""Memory against the number of sources: the real job on many tiny sources, no two alike.

    python -m benchmarks.soak --sources 1000,10000,100000

renders that many films of a few frames, runs `rushes curate` on them, and prints the most memory of all its processes
at one moment. Claim: at most 10 kB more a source, from the smallest number to any other. Every source must have become
a row of `sources`, `videos` and `clips`. 100,000 sources need about 6 GB of temporary disk (`--folder`), freed after.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from benchmarks.footprint import watch
from pipelines.footage import render_tiny

BUDGET = 10.0
"""Most kB (1000 bytes) of memory that one more source may cost."""

_PER_FOLDER = 1000
_CURVES, _COLOURS = ("peak_mb", "parent_mb"), ("#c0392b", "#2471a3")
_TABLES = ("sources", "videos", "clips")


def run(sources: int, place: Path) -> dict[str, Any]:
    """Render so many sources below a folder and curate them.

    Returns:
        `sources`, `rows` by table, `seconds`, `cpu_seconds`, `peak_mb` of all processes, `parent_mb`, `child_mb`,
        and `exact`: every sample was of the proportional set size.

    Raises:
        RuntimeError: The job failed.
    """
    media, output, log = place / "media", place / "output", place / "log.txt"
    for number in range(sources):
        folder = media / f"{number // _PER_FOLDER:04d}"
        if number % _PER_FOLDER == 0:
            folder.mkdir(parents=True)
        render_tiny(folder / f"{number:07d}.mp4", number)
    took = watch(
        [sys.executable, "-m", "pipelines.main", "curate", str(media), "--output", str(output), "--no-report"], log
    )
    if took.code != 0:
        raise RuntimeError(f"the job ended with {took.code}:\n{log.read_text(errors='replace')[-4000:]}")
    rows = {name: DeltaTable(str(output / "tables" / name)).to_pyarrow_dataset().count_rows() for name in _TABLES}
    return {
        "sources": sources,
        "rows": rows,
        "seconds": round(took.seconds, 1),
        "cpu_seconds": round(took.cpu, 1),
        "peak_mb": round(took.peak / 1e6, 2),
        "parent_mb": round(took.parent / 1e6, 2),
        "child_mb": round(took.child / 1e6, 2),
        "exact": took.exact,
    }


def more_a_source(one: Mapping[str, Any], smallest: Mapping[str, Any], name: str) -> float:
    """kB more a source than at the smallest number of sources."""
    return float((one[name] - smallest[name]) * 1000 / (one["sources"] - smallest["sources"]))


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The results as a Markdown table, smallest first."""
    lines = [
        "| Sources | All processes, peak MB | kB more a source | Parent, peak MB | kB more a source "
        "| Largest child, MB | Seconds | Sources a second |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in found:
        first = one is found[0]
        more = ["" if first else f"{more_a_source(one, found[0], name):.2f}" for name in ("peak_mb", "parent_mb")]
        lines.append(
            f"| {one['sources']:,} | {one['peak_mb']:.0f} | {more[0]} | {one['parent_mb']:.0f} | {more[1]} "
            f"| {one['child_mb']:.0f} | {one['seconds']:,.0f} | {one['sources'] / one['seconds']:.1f} |"
        )
    return "\n".join(lines)


def _line(points: Sequence[tuple[float, float]], colour: str, dashed: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = (
        ""
        if dashed or len(points) > 12
        else "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    )
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>{dots}'


def _text(x: float, y: float, words: str, anchor: str = "middle", colour: str = "#444") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def draw(found: Sequence[Mapping[str, Any]]) -> str:
    """An SVG of peak memory against sources, beside what the budget allows."""
    largest, smallest = found[-1], found[0]
    allowed: list[float] = [
        smallest["peak_mb"] + (one["sources"] - smallest["sources"]) * BUDGET / 1000 for one in found
    ]
    top: float = max(*allowed, *(one["peak_mb"] for one in found)) * 1.1
    width, height, left = 480, 240, 60

    def x(sources: float) -> float:
        return left + width * sources / float(largest["sources"])

    def y(megabytes: float) -> float:
        return 30 + height * (1 - megabytes / top)

    parts = [f'<rect x="{left}" y="30" width="{width}" height="{height}" fill="none" stroke="#bbb"/>']
    parts.append(_text(left + width / 2, 20, "Peak memory, MB, against sources", colour="#111"))
    step = next(s for s in (50, 100, 200, 250, 500, 1000, 2500, 5000) if top / s <= 8)
    for mark in range(step, int(top) + 1, step):
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" stroke="#eee"/>')
        parts.append(_text(left - 6, y(mark) + 4, f"{mark:,}", "end"))
    for one in found[-2:]:
        parts.append(_text(x(one["sources"]), 46 + height, f"{one['sources']:,}"))
    lines = [("#999", allowed), *((c, [one[n] for one in found]) for c, n in zip(_COLOURS, _CURVES, strict=True))]
    for colour, values in lines:
        points = [(x(one["sources"]), y(mb)) for one, mb in zip(found, values, strict=True)]
        parts.append(_line(points, colour, dashed=colour == "#999"))
    key = 68 + height
    for place, colour, words in (
        (left, _COLOURS[0], "all processes"),
        (left + 130, _COLOURS[1], "parent"),
        (left + 220, "#999", f"allowed: {BUDGET:g} kB a source"),
    ):
        parts.append(f'<rect x="{place}" y="{key - 9}" width="14" height="4" fill="{colour}"/>')
        parts.append(_text(place + 20, key, words, "start"))
    size = f'width="{left + width + 60}" height="{height + 80}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


def _save(path: Path, found: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in found) + "\n]\n")
    path.with_suffix(".svg").write_text(draw(found))


def main(argv: list[str] | None = None) -> int:
    """Run, print the table, and say whether the claim holds: 0 when it does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", default="1000,10000", help="numbers of sources [1000,10000]")
    parser.add_argument("--folder", type=Path, help="where temporary files go [the system's]")
    parser.add_argument(
        "--save", type=Path, metavar="FILE.json", help="keep results here, beside older ones, and draw FILE.svg"
    )
    asked = parser.parse_args(argv)
    old = json.loads(asked.save.read_text()) if asked.save and asked.save.exists() else []
    by_size = {one["sources"]: one for one in old}
    for sources in sorted(int(word) for word in asked.sources.split(",")):
        place = Path(tempfile.mkdtemp(prefix="rushes-soak-", dir=asked.folder))
        try:
            one = run(sources, place)
            print(json.dumps(one), flush=True)
            by_size[sources] = one
            if asked.save:
                _save(asked.save, [by_size[size] for size in sorted(by_size)])
        finally:
            shutil.rmtree(place, ignore_errors=True)
    found = [by_size[size] for size in sorted(by_size)]
    print("\n" + table(found))
    lost = [
        f"{one['sources']} sources, {n} rows of {t}"
        for one in found
        for t, n in one["rows"].items()
        if n != one["sources"]
    ]
    over = [one["sources"] for one in found[1:] if more_a_source(one, found[0], "peak_mb") > BUDGET]
    print(f"\nEvery source became a row of {', '.join(_TABLES)}: {'no: ' + '; '.join(lost) if lost else 'yes'}")
    if len(found) > 1:
        print(f"At most {BUDGET:g} kB more a source: {'no, at ' + ', '.join(map(str, over)) if over else 'yes'}")
    return 1 if lost or over else 0


if __name__ == "__main__":
    sys.exit(main())
