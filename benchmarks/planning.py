"""How long it takes to plan many requests, and how much memory.

Cells come from a CSV file, each with a scene of its own, so that nothing is shared: as many requests as assets. Words
are rewritten by the template and checked for claims, minors and the brand's own list; names are looked for as well with
`--rights REGISTRY`.

    python -m benchmarks.planning [--requests 100000] [--rights REGISTRY]

Prints seconds, the peak of memory, and what was planned; exits with 1 beyond 60 s or 2 GB at 100,000 requests (both in
proportion to the number).
"""

from __future__ import annotations

import argparse
import csv
import functools
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from filters.rights import prompts
from filters.rights.policy import RightsSettings
from generation.campaign_file import load_campaign, load_offers
from generation.planning import plan
from generation.preparing import prepare_all

SECONDS: Final = 60.0
"""Most seconds for 100,000 requests."""
BYTES: Final = 2e9
"""Most memory for 100,000 requests."""
FULL: Final = 100_000

_PLACES: Final = ("harbour", "ridge", "orchard", "market", "station", "lake", "workshop", "roof", "meadow", "kitchen")
_LIGHTS: Final = ("at dawn", "at noon", "under lamps", "in fog", "in rain", "after snow", "at dusk", "by candles")


def campaign(folder: Path, requests: int) -> Path:
    """Write a campaign of so many cells, each with one request."""
    languages = ("en", "de", "ar")
    with (folder / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "product", "language", "format", "scene", "headline"])
        for n in range(requests):
            scene = f"{_PLACES[n % 10]} of day {n} {_LIGHTS[n // 10 % 8]}"
            form = ("wide", "story", "square")[n // 3 % 3]
            rows.writerow([f"r{n}", f"p{n % 50}", languages[n % 3], form, scene, f"Offer of day {n}"])
    (folder / "logo.png").write_bytes(b"a logo")
    products = {
        f"p{n}": {"name": f"Product {n}", "look": f"a flask of colour {n}", "facts": [f"holds {n} cups"]}
        for n in range(50)
    }
    values = {
        "campaign": "many",
        "brand": {"name": "Lumbrel", "logo": "logo.png", "banned": ["best in the world"]},
        "products": products,
        "languages": {"en": {"markets": ["US"]}, "de": {"markets": ["DE", "AT"]}, "ar": {"markets": ["SA"]}},
        "formats": {
            "wide": {"width": 1280, "height": 720, "seconds": 6, "platform": "youtube-bumper"},
            "story": {"width": 720, "height": 1280, "seconds": 6, "platform": "tiktok-in-feed"},
            "square": {"width": 1080, "height": 1080, "seconds": 6, "platform": "meta-feed"},
        },
        "storyboards": {
            "main": {
                "shots": [
                    {
                        "name": "hero",
                        "prompt": "{product.look} in a {row.scene}, it {product.facts}",
                        "camera": "slow push in",
                        "seconds": 4.5,
                        "copy": ["headline"],
                    }
                ],
                "end_card": {},
            }
        },
        "copy": {"headline": "Warm", "call_to_action": {"en": "See more", "de": "Mehr", "ar": "المزيد"}},
        "matrix": {"rows": "cells.csv"},
    }
    path = folder / "campaign.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    return path


def main(argv: Sequence[str]) -> int:
    """Plan once and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=FULL)
    parser.add_argument("--rights", help="a registry to screen with")
    given = parser.parse_args(argv)
    held = prompts.of_settings(RightsSettings(rights=given.rights)) if given.rights else None
    with tempfile.TemporaryDirectory() as folder:
        path = campaign(Path(folder), given.requests)
        begun = time.perf_counter()
        read = load_campaign(str(path))
        loaded = time.perf_counter()
        found = plan(read, load_offers(read), words=functools.partial(prepare_all, held=held))
        ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{len(found.requests):,} requests, {len(found.assets):,} assets, {len(found.refusals):,} refused")
    print(f"read and checked in {loaded - begun:.1f} s, planned in {ended - loaded:.1f} s, peak {peak / 1e9:.2f} GB")
    part = max(given.requests / FULL, 0.1)
    if len(found.requests) != given.requests:
        print("not every request was planned", file=sys.stderr)
        return 1
    return int(ended - begun > SECONDS * part or peak > BYTES * max(part, 0.25))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
