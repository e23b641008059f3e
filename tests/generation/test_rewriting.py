"""The template: every part in its dialect's order, every word as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.faithfulness import compare, locked_spans
from generation.prompts import SLOTS, ShotWords
from generation.rewriting import DIALECTS, Template, load_rewriter, source_of
from transforms.settings import ConfigError

SHOT = ShotWords(
    text="A runner drinks from the nordlys flask",
    language="en",
    slots=(("sound", "gulls and rain"), ("dialogue", "Keep it cold."), ("camera", "slow push in")),
)


def written(**more) -> str:
    words = ShotWords(**{**{"text": SHOT.text, "slots": SHOT.slots}, **more})
    (made,) = Template().rewrite([words])
    return made.prompt


def test_a_text_without_slots_is_sent_as_it_is():
    (made,) = Template().rewrite([ShotWords(text="one word. another ", language="de")])
    assert (made.prompt, made.by, made.language, made.notes) == ("one word. another", "template-1", "de", ())


def test_parts_are_said_in_the_order_of_the_dialect():
    assert written() == ("A runner drinks from the nordlys flask. Slow push in. Gulls and rain. “Keep it cold.”")
    assert written(engine_dialect="veo").startswith("Slow push in. A runner")
    assert written(engine_dialect="wan").endswith("“Keep it cold.” Gulls and rain.")


def test_locked_words_are_not_touched_at_the_beginning_of_a_part():
    slots = (("style", "nordlys look"),)
    assert written(slots=slots).endswith("flask. Nordlys look.")
    assert written(slots=slots, locked=("nordlys",)).endswith("flask. nordlys look.")


def test_dialogue_that_is_quoted_already_keeps_its_quotation_marks():
    assert written(slots=(("dialogue", "She says: «Toujours froid»"),)).endswith("flask. She says: «Toujours froid»")


def test_a_prompt_longer_than_its_dialect_reads_well_is_whole_and_told():
    (made,) = Template().rewrite([ShotWords(text="word " * 101, engine_dialect="wan")])
    assert len(made.prompt.split()) == 101
    assert made.notes == ("101 words, where wan reads 100 well: the end may have no effect",)


def test_a_dialect_or_slot_that_is_none_is_refused():
    with pytest.raises(ValueError, match="dialect 'klingon': not one of plain"):
        Template().rewrite([ShotWords(text="a", engine_dialect="klingon")])
    with pytest.raises(ValueError, match="slot 'smell'"):
        ShotWords(text="a", slots=(("smell", "rain"),))


def test_rewriters_are_made_by_name():
    assert load_rewriter("template").name == "template"
    load_rewriter("template").check()
    with pytest.raises(ConfigError, match="rewriter magic: not one of template, openai"):
        load_rewriter("magic")


def test_every_dialect_says_the_text_and_every_slot_once_and_where_it_is_from():
    for dialect in DIALECTS.values():
        assert sorted(dialect.order) == sorted(["text", *SLOTS])
        assert dialect.about
        assert dialect.source


PARTS = st.text(min_size=1, max_size=30)


@given(PARTS, st.dictionaries(st.sampled_from(SLOTS), PARTS), st.sampled_from(sorted(DIALECTS)))
def test_no_word_is_lost_or_changed_whatever_is_said(text, slots, dialect):
    words = ShotWords(text=text, slots=tuple(slots.items()), engine_dialect=dialect)
    (made,) = Template().rewrite([words])
    assert not compare(source_of(words), made.prompt, locked_spans(source_of(words))).lost
