"""Settings: what cannot work is refused before any work starts, in words that name the option."""

from __future__ import annotations

import dataclasses
import math

import pytest

from transforms import settings
from transforms.settings import ConfigError, setting


@dataclasses.dataclass(frozen=True)
class Some:
    """One field of every kind."""

    seconds: float = setting(2.0, "Length.", unit="s", low=0.5, high=60)
    side: int = setting(4, "Side.", low=1)
    word: str = setting("fast", "Word.", choices=("fast", "slow"))
    words: tuple[str, ...] = setting(("a",), "Words.", choices=("a", "b", "c"))
    weights: tuple[float, ...] = setting((1.0,), "Weights.", low=0, high=1)
    most: float | None = setting(None, "Most, or none.", low=0)
    flag: bool = setting(False, "Whether.")
    children: int = setting(1, "How many.", scale=True, low=0)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("seconds", 3, 3.0),
        ("seconds", "2.5", 2.5),
        ("seconds", "1e1", 10.0),
        ("side", "7", 7),
        ("word", "slow", "slow"),
        ("words", "a,c", ("a", "c")),
        ("words", " b , c,", ("b", "c")),
        ("words", ["b"], ("b",)),
        ("words", (), ()),
        ("weights", "0.5,1", (0.5, 1.0)),
        ("weights", [0, 1], (0.0, 1.0)),
        ("weights", 1, (1.0,)),
        ("most", None, None),
        ("most", "4", 4.0),
        ("most", 0, 0.0),
        ("flag", "Yes", True),
        ("flag", "0", False),
        ("flag", True, True),
    ],
)
def test_values_of_files_and_command_lines_become_those_of_the_field(name, given, kept):
    made = getattr(settings.from_mapping(Some, {name: given}), name)
    assert made == kept
    assert type(made) is type(kept)
    if isinstance(kept, tuple):
        assert [type(v) for v in made] == [type(v) for v in kept]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("seconds", 0.49, ["--seconds 0.49", "0.5 <= value <= 60 s"]),
        ("seconds", 61, ["--seconds 61", "<= 60"]),
        ("seconds", math.nan, ["--seconds nan", "out of range"]),
        ("seconds", math.inf, ["--seconds inf", "out of range"]),
        ("seconds", "long", ["--seconds 'long'", "expected float"]),
        ("seconds", True, ["--seconds True", "expected float"]),
        ("seconds", None, ["--seconds None", "expected float"]),
        ("side", 0, ["--side 0", "1 <= value"]),
        ("side", 1.5, ["--side 1.5", "expected int"]),
        ("side", "1.5", ["--side '1.5'", "expected int"]),
        ("side", True, ["--side True", "expected int"]),
        ("word", "medium", ["--word medium", "not one of fast, slow"]),
        ("word", 3, ["--word 3", "expected str"]),
        ("words", "a,x", ["--words x", "not one of a, b, c"]),
        ("weights", "0.5,2", ["--weights 2", "0 <= value <= 1"]),
        ("weights", [math.nan], ["--weights nan"]),
        ("most", -1, ["--most -1", "0 <= value"]),
        ("most", math.nan, ["--most nan"]),
        ("flag", "maybe", ["--flag 'maybe'", "expected bool"]),
        ("flag", 1, ["--flag 1", "expected bool"]),
        ("colour", 1, ["unknown setting 'colour' for Some", "known: children, flag"]),
    ],
)
def test_what_cannot_work_is_refused_and_named(name, given, words):
    with pytest.raises(ConfigError) as caught:
        settings.from_mapping(Some, {name: given})
    for word in words:
        assert word in str(caught.value)


def test_an_optional_bound_may_be_off_and_its_limits_are_kept_when_on():
    settings.validate(Some(most=None))
    with pytest.raises(ConfigError, match="--most -2"):
        settings.validate(Some(most=-2))


def test_option_names_with_dashes_are_field_names():
    @dataclasses.dataclass(frozen=True)
    class Dashed:
        min_seconds: float = setting(1.0, "Shortest.")

    assert settings.from_mapping(Dashed, {"min-seconds": 3}) == Dashed(3.0)
    assert settings.option_name(dataclasses.fields(Dashed)[0]) == "--min-seconds"


def test_keys_hold_what_changes_results_and_leave_out_what_changes_only_the_run():
    made = settings.key_fields(Some(children=9, side=5))
    assert made["side"] == 5
    assert set(made) == {f.name for f in dataclasses.fields(Some)} - {"children"}


def test_nothing_given_is_the_default():
    assert settings.from_mapping(Some, {}) == Some()
