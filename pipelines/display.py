"""Display: what a person sees of a run, live on a terminal, as plain lines elsewhere, and as a short table at the
end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from transforms.amounts import amount
from transforms.progress import Listener, Snapshot

_LINE_SECONDS = 10.0
_REFRESH_SECONDS = 0.25


class Running(Protocol):
    """Something that runs in a thread."""

    def is_alive(self) -> bool: ...
    def join(self, timeout: float | None = None) -> None: ...


def clock(seconds: float) -> str:
    """Seconds as `h:mm:ss`."""
    whole = int(max(seconds, 0))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def ratio(one: float, other: float) -> str:
    """One number over another; of nothing, nothing."""
    return f"{one / other if other else 0:.3f}"


def left(snapshot: Snapshot, elapsed: float) -> float | None:
    """Seconds left, from the share of sources that are done; None before anything is known."""
    done = snapshot.sources_done + snapshot.sources_failed
    if not done or not snapshot.sources_total:
        return None
    return elapsed * max(snapshot.sources_total - done, 0) / done


def line(snapshot: Snapshot, elapsed: float) -> str:
    """Where a run stands, in one line."""
    if snapshot.note:
        return f"{clock(elapsed)}  {snapshot.note}"
    rest = left(snapshot, elapsed)
    return (
        f"{clock(elapsed)}  sources {snapshot.sources_done}/{snapshot.sources_total}"
        f" ({snapshot.sources_reused} reused, {snapshot.sources_failed} failed)"
        f"  footage {snapshot.footage_seconds / 3600:.2f} h"
        f"  {snapshot.footage_seconds / max(elapsed, 1e-6):.1f} footage-s/s"
        f"  clips {snapshot.clips_kept} kept, {snapshot.clips_dropped} dropped"
        f"  frames {snapshot.decoded_frames}" + (f"  left {clock(rest)}" if rest is not None else "")
    )


def _live(snapshot: Snapshot, elapsed: float, title: str) -> Group:
    rest = left(snapshot, elapsed)
    table = Table.grid(padding=(0, 2))
    if not snapshot.note:
        _sources(table, snapshot, elapsed)
    table.add_row("time", f"{clock(elapsed)}" + (f"   {clock(rest)} left" if rest is not None else ""))
    now = time.monotonic()
    children = [
        Text(f"  {child.phase:<9} {clock(now - child.since)}  {child.label[-80:]}", style="dim", no_wrap=True)
        for child in list(snapshot.children.values())[:16]
    ]
    return Group(Text(title, style="bold"), *([Text(snapshot.note)] if snapshot.note else []), table, *children)


def _sources(table: Table, snapshot: Snapshot, elapsed: float) -> None:
    table.add_row(
        "sources",
        f"[bold]{snapshot.sources_done}[/bold] of {snapshot.sources_total}   {snapshot.sources_reused} reused   "
        + (f"[red]{snapshot.sources_failed} failed[/red]" if snapshot.sources_failed else "0 failed"),
    )
    table.add_row(
        "footage",
        f"[bold]{snapshot.footage_seconds / 3600:.2f} h[/bold]"
        f"   {snapshot.footage_seconds / max(elapsed, 1e-6):.1f} footage-seconds per second",
    )
    table.add_row("clips", f"[green]{snapshot.clips_kept} kept[/green]   {snapshot.clips_dropped} dropped")


def watch(worker: Running, listener: Listener | None, console: Console, title: str) -> None:
    """Show a run until it ends."""
    start = time.monotonic()
    if listener is None:
        console.print(f"{title}: handed to its runner", highlight=False)
        while worker.is_alive():
            worker.join(_REFRESH_SECONDS)
        return
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while worker.is_alive():
                live.update(_live(listener.snapshot, time.monotonic() - start, title))
                worker.join(_REFRESH_SECONDS)
        return
    console.print(title, highlight=False, markup=False)
    next_line = start + _LINE_SECONDS
    while worker.is_alive():
        worker.join(_REFRESH_SECONDS)
        if time.monotonic() >= next_line:
            console.print(line(listener.snapshot, time.monotonic() - start), highlight=False, soft_wrap=True)
            next_line += _LINE_SECONDS


def _words(counts: Mapping[str, int], most: int = 8) -> str:
    shown = [f"{name} {count}" for name, count in list(counts.items())[:most]]
    return ", ".join(shown) + (", ..." if len(counts) > most else "")


def _kinds(sizes: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {amount(count)}" for name, count in sizes.items())


def _an_hour(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an hour of the footage that was measured takes in the store, kind by kind."""
    hours = body["stored_seconds"] / 3600
    sizes = {name: count / hours for name, count in body["stored_bytes"].items()} if hours else {}
    return [("hourly", _kinds(sizes) + f"; together {amount(sum(sizes.values()))}")] if sizes else []


def summary(body: Mapping[str, Any], root: str, console: Console) -> None:
    """The end of a run: its balance, what failed and what it cost; the same numbers as `report.json`."""
    table = Table(
        title=f"{body['job']} {body['run_id']}: {body['status']}", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    for name, justify in (
        ("", "left"),
        ("in", "right"),
        ("kept", "right"),
        ("dropped", "right"),
        ("failed", "right"),
        ("why", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, step in body["balance"].items():
        why = "; ".join(w for w in (_words(step["dropped"]), _words(step["failed"])) if w)
        table.add_row(
            name,
            str(step["in"]),
            str(step["kept"]),
            str(step["dropped_total"]),
            str(sum(step["failed"].values())),
            Text(why),
        )
    console.print(table)
    lines = [] if "requests" in body["balance"] else _of_footage(body)
    lines.append(
        (
            "time",
            f"{body['elapsed_seconds']:.1f} s; working: "
            + (", ".join(f"{name} {seconds:.1f} s" for name, seconds in body["step_seconds"].items()) or "none"),
        )
    )
    grid = Table.grid(padding=(0, 2))
    for name, text in lines:
        grid.add_row(name, Text(text))
    console.print(grid)
    if body["message"]:
        console.print(Text.assemble(("Refused:", "bold red"), " ", body["message"]), soft_wrap=True)
    failed = sum(sum(s["failed"].values()) for s in body["balance"].values())
    if failed:
        console.print(
            f"{failed} failures are in the table `failures`: rushes show {root} failures",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _of_footage(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("footage", f"{clock(body['footage_seconds'])} of footage, {clock(body['kept_seconds'])} in kept clips"),
        (
            "decoded",
            f"{body['decoded_frames']} frames, {ratio(body['decoded_frames'], body['source_frames'])} per source frame"
            " of what was decoded",
        ),
        (
            "read",
            f"{amount(body['read_bytes'])}, {ratio(body['read_bytes'], body['source_bytes'])} per source byte",
        ),
        ("stored", _kinds(body["stored_bytes"]) or "nothing new"),
        *_an_hour(body),
        ("reused", ", ".join(f"{count} {name}" for name, count in body["reused"].items() if count) or "nothing"),
    ]
