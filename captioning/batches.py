"""Windows in, answers out, a batch at a time; a bad window is an error at its own place and nobody else's.

Preparing windows (decoding and resizing their frames) and asking the model are two steps. While the model works on a
batch, threads prepare the next one, so that a call with several batches waits for the first preparation alone. When a
whole batch fails, its windows are asked one by one, and only those that fail alone are errors.
"""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from PIL import Image

from transforms.failures import ElementError
from transforms.threads import ahead, mapped, pool

_Item = TypeVar("_Item")
_Ready = TypeVar("_Ready")
_Batch = TypeVar("_Batch")
_Answer = TypeVar("_Answer")

BATCHES: Final = 4
"""Batches of the model in a call: the share of the preparation that nothing hides is one in so many."""
_THREADS: Final = 4
"""Decoders at a time; they release Python's lock, and one process seldom feeds a model that needs more."""

_logger = logging.getLogger(__name__)


def decoded(jpeg: bytes) -> Image.Image:
    """The RGB picture of a stored frame.

    Raises:
        ElementError: It cannot be decoded (`damaged`).
    """
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            return image.convert("RGB")
    # Pillow's readers raise these and more by format; the bytes are another's.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ElementError("damaged", f"a stored frame cannot be decoded: {error}") from error


def answered(
    items: Sequence[_Item],
    prepare: Callable[[_Item], _Ready],
    gather: Callable[[list[_Ready]], _Batch],
    ask: Callable[[_Batch], Sequence[_Answer]],
    batch_size: int,
) -> list[_Answer | ElementError]:
    """The answer to every item, in their order; of one that fails, the error.

    Args:
        items: Any number.
        prepare: Makes an item ready; is called in threads, and may raise ElementError.
        gather: Makes a batch of one to `batch_size` of them; is called in a thread while the model works.
        ask: Asks the model about a batch: one answer for each that was gathered, in their order.
        batch_size: Items that the model is asked about at once, at most.
    """
    batches = [items[first : first + batch_size] for first in range(0, len(items), batch_size)]
    found: list[_Answer | ElementError] = []

    def begun() -> Iterator[tuple[list[_Ready | ElementError], _Batch | ElementError | None]]:
        for batch in batches:
            made = mapped(pool("prepare", _THREADS), lambda item: _tried(lambda: prepare(item)), batch)
            good = _good(made)
            yield made, _tried(functools.partial(gather, good)) if good else None

    for made, gathered in ahead(begun()):
        answers = [] if gathered is None else _asked(_good(made), gathered, gather, ask)
        given = iter(answers)
        found += [one if isinstance(one, ElementError) else next(given) for one in made]
    return found


def _good(made: Sequence[_Ready | ElementError]) -> list[_Ready]:
    return [one for one in made if not isinstance(one, ElementError)]


def _asked(
    good: list[_Ready],
    gathered: _Batch | ElementError,
    gather: Callable[[list[_Ready]], _Batch],
    ask: Callable[[_Batch], Sequence[_Answer]],
) -> Sequence[_Answer | ElementError]:
    """The answers to what could be prepared: as many as there are."""

    def one_each(batch: _Batch, count: int) -> Sequence[_Answer]:
        answers = ask(batch)
        if len(answers) != count:
            raise RuntimeError(f"{len(answers)} answers to {count} windows: none can be told to be its own")
        return answers

    answers = gathered if isinstance(gathered, ElementError) else _tried(lambda: one_each(gathered, len(good)))
    if not isinstance(answers, ElementError):
        return answers
    # The exception is gone by now, and with it what its traceback held of the model's memory.
    if len(good) == 1:
        return [answers]
    _logger.warning("a batch of %d failed and is tried one by one: %s", len(good), answers)
    return [_tried(functools.partial(lambda one: one_each(gather([one]), 1)[0], one)) for one in good]


def _tried(work: Callable[[], _Answer]) -> _Answer | ElementError:
    try:
        return work()
    except Exception as error:  # any fault of a model's code or memory; `failure` tells what is made of it
        return failure(error)


def failure(error: Exception) -> ElementError:
    """What a model's exception means for the element that caused it."""
    if isinstance(error, ElementError):
        return error
    said = (str(error).splitlines() or [""])[0][:300]
    # CUDA has a class of its own for it; the CPU's allocator says it in a RuntimeError.
    if (
        isinstance(error, MemoryError)
        or "OutOfMemory" in type(error).__name__
        or "can't allocate memory" in said
        or "out of memory" in said.lower()
    ):
        return ElementError("out_of_memory", f"the model needs more memory than there is for one window: {said}")
    return ElementError("internal", f"the model failed: {type(error).__name__}: {said}")
