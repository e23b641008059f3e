from __future__ import annotations

import io
import threading
import time

import pytest
from PIL import Image

from captioning.batches import answered, decoded, failure
from transforms.failures import ElementError


def doubled(items: list[int]) -> list[int]:
    return [2 * item for item in items]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 23])
def test_every_item_gets_its_own_answer_in_order(count):
    asked: list[int] = []

    def ask(items: list[int]) -> list[int]:
        asked.append(len(items))
        return doubled(items)

    def prepare(item: int) -> int:
        time.sleep(0.001 * (item % 3))  # so that threads end out of order
        return item + 100

    assert answered(range(count), prepare, list, ask, 4) == [2 * (n + 100) for n in range(count)]
    assert sum(asked) == count
    assert max(asked, default=0) <= 4


def test_what_cannot_be_prepared_is_an_error_at_its_place_and_the_model_never_sees_it():
    seen: list[int] = []

    def prepare(item: int) -> int:
        if item % 3 == 0:
            raise ElementError("damaged", f"item {item}")
        if item == 4:
            raise KeyError("four")
        return item

    def ask(items: list[int]) -> list[int]:
        seen.extend(items)
        return doubled(items)

    found = answered(range(8), prepare, list, ask, 3)
    assert [str(one) if isinstance(one, ElementError) else one for one in found] == [
        "damaged: item 0", 2, 4,
        "damaged: item 3", "internal: the model failed: KeyError: 'four'", 10,
        "damaged: item 6", 14,
    ]  # fmt: skip
    assert seen == [1, 2, 5, 7]


def test_when_a_batch_fails_only_those_that_fail_alone_are_errors():
    calls: list[list[int]] = []

    def ask(items: list[int]) -> list[int]:
        calls.append(items)
        if 5 in items:
            raise RuntimeError("CUDA error: odd\nmore")
        if len(items) > 2:
            raise MemoryError
        return doubled(items)

    found = answered([1, 2, 3, 4, 5, 6], lambda item: item, list, ask, 3)
    assert [one if isinstance(one, int) else one.message for one in found] == [
        2, 4, 6, 8, "the model failed: RuntimeError: CUDA error: odd", 12,
    ]  # fmt: skip
    assert calls == [[1, 2, 3], [1], [2], [3], [4, 5, 6], [4], [5], [6]]


def test_answers_that_cannot_be_matched_are_asked_for_again():
    def ask(items: list[int]) -> list[int]:
        return doubled(items)[: 1 if len(items) == 1 else -1]

    assert answered([1, 2, 3], lambda item: item, list, ask, 3) == [2, 4, 6]
    (nothing,) = answered([1], lambda item: item, list, lambda items: [], 3)
    assert isinstance(nothing, ElementError)


def test_a_failed_try_is_let_go_before_the_next():
    class Memory:
        held = 0

        def __init__(self) -> None:
            Memory.held += 1

        def __del__(self) -> None:
            Memory.held -= 1

    def ask(items: list[int]) -> list[int]:
        assert Memory.held == 0
        kept = Memory()
        if len(items) > 1:
            raise MemoryError(f"{kept is None}")
        return doubled(items)

    assert answered([1, 2, 3], lambda item: item, list, ask, 3) == [2, 4, 6]


def test_items_that_cannot_be_gathered_are_tried_alone():
    def gather(items: list[int]) -> list[int]:
        if 5 in items:
            raise ValueError("odd one")
        return items

    found = answered([4, 5, 6, 7], lambda item: item, gather, doubled, 3)
    assert [one if isinstance(one, int) else one.message for one in found] == [
        8, "the model failed: ValueError: odd one", 12, 14,
    ]  # fmt: skip


def test_the_next_batch_is_prepared_while_the_model_works():
    prepared, reached = set(), threading.Event()

    def prepare(item: int) -> int:
        prepared.add(item)
        if item == 5:
            reached.set()
        return item

    def ask(items: list[int]) -> list[int]:
        if 0 in items:
            assert reached.wait(5), "the second batch is not prepared before the first is answered"
            assert not prepared & {6, 7}
        return doubled(items)

    assert answered(range(8), prepare, list, ask, 3) == doubled(list(range(8)))


def test_frames_become_pictures_and_broken_ones_errors():
    file = io.BytesIO()
    Image.new("L", (16, 9), 128).save(file, "JPEG")
    picture = decoded(file.getvalue())
    assert (picture.mode, picture.size) == ("RGB", (16, 9))
    for broken in (b"", b"no picture", file.getvalue()[:200], file.getvalue()[:-60]):
        with pytest.raises(ElementError, match="damaged: a stored frame cannot be decoded"):
            decoded(broken)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"), "out_of_memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
        (ElementError("damaged", "x"), "damaged"),
        (ValueError("shape"), "internal"),
    ],
)
def test_what_an_exception_means(error, expected):
    assert failure(error).error_class == expected
