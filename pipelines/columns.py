"""Columns: tables of words for people, whose cells are never cut.

On a terminal long texts wrap at its width; in a pipe or a file every row is one line, as wide as it needs to be, so
that `grep` and `cut` work. Ids and paths never wrap and never end in an ellipsis: they are there to be copied.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_UNBOUNDED: Final = 1_000_000
"""Width of what is no terminal."""


def columns(
    names: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    right: Collection[str] = (),
    wrap: Collection[str] = (),
    header: bool = True,
) -> Table:
    """A table of words.

    Args:
        names: One a column.
        rows: Cells, taken as they are: no markup.
        right: Columns aligned to the right.
        wrap: Columns that may wrap where a terminal is narrow; all others keep their cells whole.
        header: Whether to print the names.
    """
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=header)
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    for at, name in enumerate(names):
        whole = name not in wrap
        widths = [line.cell_len for row in cells for line in row[at].split("\n")] + [len(name) * header]
        made.add_column(
            Text(name),
            justify="right" if name in right else "left",
            no_wrap=whole,
            min_width=max(widths) if whole else min(max(widths), 12),
            overflow="fold",
        )
    for row in cells:
        made.add_row(*row)
    return made


def say(what: RenderableType) -> None:
    """Print to standard output: a table fitted to the width of a terminal, as wide as it needs where it is none."""
    console = Console(highlight=False, markup=False)
    if isinstance(what, str) or console.is_terminal:
        console.print(what, soft_wrap=isinstance(what, str), crop=False)
        return
    wide = Console(highlight=False, markup=False, width=_UNBOUNDED)
    with wide.capture() as captured:
        wide.print(what)
    print("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def readable(text: str) -> str:
    """Text without characters that would steer a terminal: those are spelt as escapes. Line ends stay."""
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)
