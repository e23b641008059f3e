"""What a clip says is what its span holds of its video's words, wherever the video is cut."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transforms.spoken import Spoken


def utterance(words: list[tuple[float, float, str]], *flags: str) -> dict[str, Any]:
    starts, ends, texts = ([list(column) for column in zip(*words, strict=True)]) if words else ([], [], [])
    return {"words": texts, "word_starts": starts, "word_ends": ends, "flags": list(flags)}


HELLO = utterance([(1.0, 1.4, " Hello"), (1.5, 2.1, " there,"), (2.2, 2.6, " everybody.")])


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 2)), max_size=40), st.lists(st.floats(0, 60), max_size=6))
def test_clips_that_meet_share_no_word_and_lose_none(times, cuts):
    words = [(start, start + length, f" w{n}") for n, (start, length) in enumerate(times)]
    spoken = Spoken([utterance(words[::2]), utterance(words[1::2])])
    bounds = [0.0, *sorted(cuts), 61.0]
    found = [spoken.between(a, b).split() for a, b in itertools.pairwise(bounds)]
    assert sorted(word for part in found for word in part) == sorted(word.strip() for _, _, word in words)


def test_a_cut_in_a_word_gives_it_to_the_side_of_its_middle():
    spoken = Spoken([HELLO])
    assert spoken.between(0, 1.7) == "Hello"
    assert spoken.between(1.7, 9) == "there, everybody."
    assert spoken.between(9, 12) == ""


def test_what_may_be_invented_counts_only_where_it_is_asked_for():
    every = [HELLO, utterance([(5.0, 5.2, " Thanks"), (5.2, 5.9, " for watching.")], "no_speech", "outside_voice")]
    assert Spoken(every).between(4, 9) == "Thanks for watching."
    assert Spoken(every, doubtful=False).between(4, 9) == ""
    assert Spoken([utterance([(5.0, 5.2, " Hm.")], "low_probability")], doubtful=False).between(4, 9) == "Hm."


def test_utterances_stand_apart_and_scripts_without_spaces_keep_none():
    spoken = Spoken(
        [
            utterance([(0.0, 0.2, "砸"), (0.2, 0.5, "自己"), (0.5, 0.8, "的脚")]),
            utterance([(1.0, 1.2, "Good"), (1.2, 1.5, " day.")]),
        ]
    )
    assert spoken.between(0, 0.6) == "砸自己"
    assert spoken.between(0, 9) == "砸自己的脚 Good day."


def test_utterances_without_words_say_nothing():
    assert Spoken([{"words": None, "word_starts": None, "word_ends": None, "flags": None}]).between(0, 9) == ""
