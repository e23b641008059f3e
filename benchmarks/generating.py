"""Generating: what the ledger costs, and whether it holds when workers are killed.

    python -m benchmarks.generating [overhead|kills] [--requests 10000] [--kills 1000] [--seed 1] \
        [--ledger sqlite|postgresql]

`overhead`: an engine on loopback that takes a second a job, 50 in flight, one worker; every change of the ledger and
every file is durable. Claim: at most 10 % more than the requests' seconds divided by 50. `kills`: two workers at a
time, one of which is killed with -9 at random and replaced. Claim: the engine took no request twice, all are stored,
and what was spent is what it charged.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from generation.execution import DriveSettings, drive
from generation.ledger.ledger import open_ledger
from tests.generation.ledger import asks, killed, paidserver, postgresql

IN_FLIGHT: Final = 50
"""Jobs at once."""
OVERHEAD: Final = 0.10
"""Most of what a run may take over its ideal time."""
TAKES: Final = 1.0
"""Seconds that a job takes."""


@contextlib.contextmanager
def new_place(kind: str, folder: Path) -> Iterator[str]:
    """Where a new ledger may be made."""
    if kind == "sqlite":
        yield str(folder / "ledger.sqlite")
        return
    with postgresql.running() as address:
        yield address % "postgres"


def overhead(count: int, kind: str) -> bool:
    """Run `count` requests and print how long it took. False: the claim does not hold."""
    with (
        tempfile.TemporaryDirectory() as folder,
        paidserver.running(TAKES) as url,
        new_place(kind, Path(folder)) as place,
        open_ledger(place) as ledger,
    ):
        began = time.monotonic()
        ledger.plan(asks.planned(number) for number in range(count))
        entered = time.monotonic() - began
        engine = paidserver.PaidEngine(url, in_flight=IN_FLIGHT)

        async def run() -> None:
            await drive(ledger, "spring", lambda *lane: engine, "worker", DriveSettings(), Path(folder))
            await engine.close()

        used, began = time.process_time(), time.monotonic()
        asyncio.run(run())
        took, used = time.monotonic() - began, time.process_time() - used
        killed.check(ledger, url, Path(folder))
        assert ledger.summary("spring").states == {"stored": count}
    ideal = count * TAKES / IN_FLIGHT
    over = took / ideal - 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{kind}: {count:,} requests entered in {entered:.1f} s, made in {took:.1f} s where {ideal:.0f} s are ideal: "
        f"{over:+.1%} (at most {OVERHEAD:.0%}); {used / count * 1000:.1f} ms of processor time each, {memory:.0f} MB"
    )
    return over <= OVERHEAD


def kills(count: int, kind: str, seed: int) -> bool:
    """Kill workers `count` times and print what came of it. False: the claim does not hold."""
    rows = [asks.planned(number) for number in range(count * 8)]
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        paidserver.running(0.1) as url,
        new_place(kind, Path(folder)) as place,
        open_ledger(place) as ledger,
    ):
        ledger.plan(rows)
        ledger.lane("paid", "m", "draft", in_flight=8)
        done = killed.killed_at_random(place, url, Path(folder), count, seed)
        try:
            killed.check(ledger, url, Path(folder))
            assert ledger.summary("spring").states == {"stored": len(rows)}
        except AssertionError as error:
            print(f"{kind}, seed {seed}: {done:,} kills: {error}")
            return False
        spent, twice = ledger.summary("spring").spending.settled, sum(row.sends > 1 for row in ledger.rows("spring"))
    print(
        f"{kind}, seed {seed}: {done:,} kills of two workers in {time.monotonic() - began:.0f} s: {len(rows):,} "
        f"requests, each taken once and stored, {spent / 1e6:.3f} spent as charged, {twice} sent twice"
    )
    return done == count


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["overhead", "kills"])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ledger", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    held = True
    for kind in [options.ledger] if options.ledger else ["sqlite", "postgresql"]:
        if options.what != "kills":
            held &= overhead(options.requests, kind)
        if options.what != "overhead":
            held &= kills(options.kills, kind, options.seed)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
