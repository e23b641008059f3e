"""Windows in, answers out, a batch at a time; a bad window is an error at its own place and nobody else's.

Preparing a window (decoding and resizing its frames) and asking the model are two steps. While the model works on a
batch, threads prepare the next one, so that a call with several batches pays for the first preparation alone. When a
whole batch fails, its windows are asked one by one, and only those that fail alone are errors.
"""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from PIL import Image

from transforms.failures import ElementError

_Item = TypeVar("_Item")
_Ready = TypeVar("_Ready")
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
    ask: Callable[[list[_Ready]], Sequence[_Answer]],
    batch_size: int,
) -> list[_Answer | ElementError]:
    """The answer to every item, in their order; of one that fails, the error.

    Args:
        items: Any number.
        prepare: Makes ready what the model is given for an item; is called in threads, and may raise ElementError.
        ask: Asks the model about one to `batch_size` of them, and answers each.
        batch_size: Items that the model is asked about at once, at most.
    """
    batches = [items[first : first + batch_size] for first in range(0, len(items), batch_size)]
    found: list[_Answer | ElementError] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="prepare") as threads:

        def begun(batch: Sequence[_Item]) -> list[Future[_Ready]]:
            return [threads.submit(prepare, item) for item in batch]

        waiting = begun(batches[0]) if batches else []
        for number in range(len(batches)):
            made = [_tried(future.result) for future in waiting]
            waiting = begun(batches[number + 1]) if number + 1 < len(batches) else []
            found += _asked(made, ask)
    return found


def _asked(
    made: Sequence[_Ready | ElementError], ask: Callable[[list[_Ready]], Sequence[_Answer]]
) -> list[_Answer | ElementError]:
    def alone(one: _Ready) -> _Answer:
        (answer,) = ask([one])
        return answer

    good = [one for one in made if not isinstance(one, ElementError)]
    answers = _tried(lambda: _one_each(good, ask)) if good else []
    if isinstance(answers, ElementError):
        # The exception is gone by now, and with it what its traceback held of the model's memory.
        if len(good) > 1:
            _logger.warning("a batch of %d failed and is tried one by one: %s", len(good), answers)
        answers = [_tried(functools.partial(alone, one)) for one in good] if len(good) > 1 else [answers]
    given = iter(answers)
    return [one if isinstance(one, ElementError) else next(given) for one in made]


def _one_each(good: list[_Ready], ask: Callable[[list[_Ready]], Sequence[_Answer]]) -> Sequence[_Answer | ElementError]:
    answers = ask(good)
    if len(answers) != len(good):
        raise RuntimeError(f"{len(answers)} answers to {len(good)} windows: none can be told to be its own")
    return answers


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
