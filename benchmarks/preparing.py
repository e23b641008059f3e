"""Preparing: how long it takes to check, rewrite and check again the words of many shots.

    python -m benchmarks.preparing [--shots 100000] [--different 100000] [--names 1000]

Every shot has a text, two slots, a negative prompt and headlines in three languages; the registry has works by name.
Claim: 100,000 shots, all different, in under 30 s on two cores; 100,000 shots of 50 in under a second.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.rescreening import batches
from filters.rights import prompts, registry
from filters.rights.publishing import publish
from filters.rights.records import IdentifierRow, PartyRow, WorkRow, identifier_id
from generation.preparing import prepare_all
from generation.prompts import ShotWords


def held(folder: str, names: int) -> prompts.Held:
    """A registry with so many works, of which nobody has granted anything."""
    there = registry.create(folder)
    rows: list[Any] = [PartyRow(party_id="owner", name="Owner", kind="studio", verified_by="legal")]
    for n in range(names):
        work, title = f"work-{n}", f"A Title Unheard{n:07d}"
        rows.append(WorkRow(work_id=work, title=title, kind="title", owners=["owner"]))
        known = identifier_id(work, "text", title)
        rows.append(IdentifierRow(identifier_id=known, work_id=work, kind="text", value=title))
    now = datetime.now(UTC)
    state = publish(there, batches(rows), base=0, author="benchmark", reason="benchmark", now=now)
    return prompts.ready(there, state, now, "opt-in")


def shot(number: int) -> ShotWords:
    """Words of a shot, like no other's."""
    return ShotWords(
        text=f"Runner {number} walks along the wet harbour at dawn, holding the bottle, while the gulls cry overhead",
        language="en",
        negative="blurry, text, watermark",
        engine_dialect="ltx",
        slots=(("camera", "slow push in"), ("sound", "gulls and rain")),
        beside=(("en", "Cold all day"), ("de", "Den ganzen Tag kalt"), ("ar", "باردة طوال اليوم")),
        markets=("DE",),
        product="flask",
        claims=("cold for 24 hours",),
        banned=("cheap",),
    )


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shots", type=int, default=100_000)
    parser.add_argument("--different", type=int, default=100_000)
    parser.add_argument("--names", type=int, default=1_000)
    words = parser.parse_args()
    shots = [shot(n % words.different) for n in range(words.shots)]
    with tempfile.TemporaryDirectory() as folder:
        by = held(folder, words.names)
        began = time.perf_counter()
        made = prepare_all(shots, held=by)
        seconds = time.perf_counter() - began
    told = {
        "shots": words.shots,
        "different": words.different,
        "allowed": sum(one.verdict == "allow" for one in made),
        "seconds": round(seconds, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
