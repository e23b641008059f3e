"""The task of a source, with a decoder that misbehaves on the files whose names ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines import work
from tests import childtasks
from transforms import audio, cutting, measure, probe


def _eat_by_allocating() -> None:
    childtasks.eat(1 << 20)


def _eat_past_the_allocator() -> None:
    childtasks.eat_shared(4096)


DEEDS: dict[str, Callable[[], Any]] = {
    "hangs": childtasks.hang_native,
    "stops": childtasks.stop,
    "crashes": childtasks.segfault,
    "exits": lambda: childtasks.leave(7),
    "eats": _eat_by_allocating,
    "swells": _eat_past_the_allocator,
    "fails": childtasks.fail,
}
"""What a decoder can do: each by the word that starts a file's name."""

PLACES: dict[str, tuple[Any, str]] = {
    "probe": (probe, "probe"),
    "measure": (measure, "measure"),
    "audio": (audio, "extract"),
    "clips": (cutting, "cut"),
}
"""Where it does it: the module and the function that a phase calls; the word that ends a file's name."""


@contextmanager
def _misbehaving(deed: str, place: str) -> Iterator[None]:
    module, name = PLACES[place]
    good = getattr(module, name)
    setattr(module, name, lambda *_, **__: DEEDS[deed]())
    try:
        yield
    finally:
        setattr(module, name, good)


def curate_source(ref: dict[str, Any], **rest: Any) -> Any:
    """`work.curate_source`, but a file named like `crashes_measure.mp4` makes the decoder do so in that phase."""
    deed, _, place = Path(ref["uri"]).stem.partition("_")
    if deed not in DEEDS:
        return work.curate_source(ref=ref, **rest)
    with _misbehaving(deed, place):
        return work.curate_source(ref=ref, **rest)
