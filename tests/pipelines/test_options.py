"""Options: ours are ours, Beam's pass through, and what neither knows is refused by name."""

from __future__ import annotations

import pytest

from pipelines import config as configuration
from pipelines import curate, options, scenes
from transforms.settings import ConfigError


@pytest.mark.parametrize(
    ("argv", "mine", "beam"),
    [
        ("in --output o", "in --output o", ""),
        ("in --output o --project p", "in --output o", "--project p"),
        ("--project p in --output o", "in --output o", "--project p"),
        ("--project=p in --output=o", "in --output=o", "--project=p"),
        ("p --project p --output o", "p --output o", "--project p"),
        ("--project p p --output o", "p --output o", "--project p"),
        ("a b --region r --num_workers 3 c --output o", "a b c --output o", "--region r --num_workers 3"),
        ("a --output o --runner local --temp_location gs://b/t", "a --output o --runner local", "--temp_location gs://b/t"),
        ("a --output o --setup_file s.py --dry_run=True", "a --output o", "--setup_file s.py --dry_run=True"),
        ("a --output o --experiments x --experiments y", "a --output o", "--experiments x --experiments y"),
        ("a --output o --direct_num_workers 2", "a --output o", "--direct_num_workers 2"),
        ("a --output o --no-verify --fade-bias -1", "a --output o --no-verify --fade-bias -1", ""),
        ("--help", "--help", ""),
    ],
)  # fmt: skip
def test_beams_options_pass_through_and_their_values_are_no_inputs(argv, mine, beam):
    found = options.split_beam(argv.split(), curate.parser())
    assert (sorted(found[0]), sorted(found[1])) == (sorted(mine.split()), sorted(beam.split()))
    if argv != "--help":
        parsed = curate.parser().parse_args(found[0])
        assert parsed.inputs == [w for w in mine.split() if w in ("in", "p", "a", "b", "c")]
        assert parsed.output == "o"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["in", "--min-second", "3"], ["unknown option --min-second", "did you mean --min-seconds?"]),
        (["in", "--mins-econds=3"], ["unknown option --mins-econds", "did you mean --min-seconds?"]),
        (["in", "--projct", "p"], ["unknown option --projct", "did you mean --project?"]),
        (["in", "--xyzzy"], ["unknown option --xyzzy", "see --help"]),
    ],
)
def test_an_option_that_neither_knows_is_refused_with_the_nearest_one(argv, words):
    with pytest.raises(ConfigError) as caught:
        options.split_beam(argv, curate.parser())
    for word in words:
        assert word in str(caught.value)


def test_an_option_of_another_job_is_not_taken_for_beams():
    with pytest.raises(ConfigError, match="unknown option --uri-column"):
        options.split_beam(["--output", "o", "--uri-column", "url"], scenes.parser())


@pytest.mark.parametrize("name", options.RUNNERS)
def test_runners_that_keep_rows_are_taken(name):
    assert options.runner_name(name) == name


@pytest.mark.parametrize("name", options.REFUSED_RUNNERS)
def test_runners_that_lose_rows_are_refused_with_the_reason(name):
    with pytest.raises(ConfigError) as caught:
        options.runner_name(name)
    assert options.REFUSED_RUNNERS[name] in str(caught.value)
    assert name in str(caught.value)


def test_an_unknown_runner_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="--runner Nope: not one of local, DataflowRunner"):
        options.runner_name("Nope")


def test_an_output_is_needed():
    with pytest.raises(ConfigError, match="no --output given"):
        options.settle(curate.parser().parse_args(["in"]), curate.GROUPS)


@pytest.mark.parametrize("word", ["none", "None", "off", "OFF"])
def test_none_and_off_switch_a_bound_off(word):
    arguments = curate.parser().parse_args(["in", "--output", "o", "--min-seconds", word, "--max-aspect", word])
    settled, _ = options.settle(arguments, curate.GROUPS)
    assert (settled.quality.min_seconds, settled.quality.max_aspect) == (None, None)


def test_abbreviations_are_not_guessed():
    with pytest.raises(ConfigError, match="--outpu"):
        options.split_beam(["in", "--outpu", "o"], curate.parser())


def test_a_preset_names_models_where_none_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUSHES_MODELS", "/weights")

    def settled(*words: str) -> configuration.Config:
        given = curate.parser().parse_args(["in", "--output", "o", *words])
        return options.settle(given, curate.GROUPS)[0]

    small = settled("--preset", "small").captions
    assert len(small.captioner) > 1
    assert "/weights" in str(small.recogniser)
    own = settled("--preset", "small", "--captioner", "attributes").captions
    assert (own.captioner, own.recogniser) == (("attributes",), small.recogniser)
    with pytest.raises(ConfigError, match="tiny"):
        settled("--preset", "tiny")
