"""Configuration: one name an option wherever it is given, and what was resolved is kept with the run."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest

from pipelines import config, curate, options, scenes
from pipelines.config import Config
from tests.pipelines import corpora
from transforms import records, tables
from transforms.settings import ConfigError, validate

GROUPS = [f.name for f in dataclasses.fields(Config)]
FIELDS = [(group, field) for group in GROUPS for field in dataclasses.fields(config.group_class(group))]
EACH = pytest.mark.parametrize(("group", "field"), FIELDS, ids=[f"{g}.{f.name}" for g, f in FIELDS])


@EACH
def test_every_setting_is_explained_and_its_default_is_allowed(group, field):
    doc = field.metadata["doc"]
    assert doc[0].isupper(), doc
    assert "\n" not in doc
    assert set(field.metadata) == {"doc", "unit", "low", "high", "choices", "source", "scale", "repeat"}
    validate(getattr(Config(), group))
    hint = typing.get_type_hints(config.group_class(group))[field.name]
    kinds = [k for k in typing.get_args(hint) or (hint,) if k is not Ellipsis]
    value = field.default
    for one in value if isinstance(value, tuple) else (value,):
        assert type(one) in kinds, f"default {one!r} of {hint}"


@pytest.mark.parametrize(
    "groups", [curate.GROUPS, curate.INGEST_GROUPS, scenes.GROUPS], ids=["curate", "ingest", "scenes"]
)
def test_no_two_settings_of_a_job_share_a_name(groups):
    known = config.option_groups(groups)
    assert len(known) == sum(len(dataclasses.fields(config.group_class(g))) for g in groups)
    assert not set(known) & {"inputs", "output", "config", "runner"}
    assert set(config.TITLES) == set(GROUPS)


def test_one_name_in_two_groups_is_a_fault():
    with pytest.raises(ConfigError, match="min_seconds: named by quality and by quality"):
        config.option_groups(["quality", "quality"])


FLAT = {"min_seconds": 4, "detectors": ["content", "hash"], "max_motion": None, "verify": True}

FILES = {
    "flat.yaml": "min_seconds: 4\ndetectors: [content, hash]\nmax_motion: null\nverify: true\n",
    "dashed.yml": "min-seconds: 4\ndetectors: [content, hash]\nmax-motion:\nverify: yes\n",
    "sections.yaml": "quality:\n  min-seconds: 4\n  max_motion: null\n"
    "cut:\n  detectors: [content, hash]\nrun: {verify: true}\n",
    "flat.toml": 'min_seconds = 4\ndetectors = ["content", "hash"]\nmax_motion = "none"\nverify = true\n',
    "mixed.toml": 'verify = true\n[quality]\nmin-seconds = 4\nmax_motion = "off"\n'
    '[cut]\ndetectors = ["content", "hash"]\n',
}


@pytest.mark.parametrize("name", FILES)
def test_yaml_and_toml_with_and_without_sections_say_the_same(name, home):
    (home / name).write_text(FILES[name])
    arguments = curate.parser().parse_args(["in", "--output", "o", "--config", name])
    settled, words = options.settle(arguments, curate.GROUPS)
    assert settled == config.resolve(curate.GROUPS, FLAT)
    assert (settled.quality.min_seconds, settled.quality.max_motion) == (4.0, None)
    assert (settled.cut.detectors, settled.run.verify) == (("content", "hash"), True)
    assert words == options.Words(("in",), "o", "local")


def test_a_file_may_be_empty(home):
    (home / "c.yaml").write_text("# nothing yet\n")
    assert config.read_file("c.yaml") == {}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("c.yaml", "- a\n- b\n", ["c.yaml", "expected options by name, found list"]),
        ("c.yaml", "a: [1\n", ["c.yaml", "expected ',' or ']'"]),
        ("c.toml", "a = \n", ["c.toml", "Invalid value"]),
        ("c.yaml", "min_second: 4\n", ["unknown option 'min_second'"]),
        ("c.yaml", "quality:\n  content_threshold: nope\n", ["--content-threshold 'nope'", "expected float"]),
        ("c.yaml", "quality: 4\n", ["unknown option 'quality'"]),
        ("c.yaml", "min_seconds: -1\n", ["--min-seconds -1", "out of range"]),
        ("c.yaml", "runner: DaskRunner\n", ["DaskRunner", "refused"]),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(home, name, text, words):
    (home / name).write_text(text)
    arguments = curate.parser().parse_args(["in", "--output", "o", "--config", name])
    with pytest.raises(ConfigError) as caught:
        options.settle(arguments, curate.GROUPS)
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_is_not_there_is_named(home):
    with pytest.raises(ConfigError, match=r"--config gone\.yaml: .*No such file"):
        config.read_file("gone.yaml")


def test_bytes_that_are_no_text_are_refused(home):
    (home / "c.yaml").write_bytes(b"a: \xff\xfe\n")
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        config.read_file("c.yaml")


def test_a_file_names_inputs_output_and_runner_too_and_the_command_line_wins(home):
    (home / "c.yaml").write_text(
        "inputs: [a, b]\noutput: from-file\nrunner: FnApiRunner\nmin_seconds: 4\nmin_side: 100\n"
    )

    def settled(*argv):
        return options.settle(curate.parser().parse_args([*argv, "--config", "c.yaml"]), curate.GROUPS)

    made, words = settled()
    assert words == options.Words(("a", "b"), "from-file", "FnApiRunner")
    assert (made.quality.min_seconds, made.quality.min_side) == (4.0, 100)
    made, words = settled("c", "--output", "mine", "--runner", "local", "--min-seconds", "5")
    assert words == options.Words(("c",), "mine", "local")
    assert (made.quality.min_seconds, made.quality.min_side) == (5.0, 100)
    (home / "c.yaml").write_text("inputs: one\noutput: o\n")
    assert settled()[1].inputs == ("one",)


def test_later_layers_win_and_others_stay():
    made = config.resolve(("quality",), {"min_seconds": 3, "min_side": 9}, {"min_seconds": 7})
    assert (made.quality.min_seconds, made.quality.min_side) == (7.0, 9)
    assert made.cut == Config().cut


def test_an_option_of_another_job_is_unknown():
    with pytest.raises(ConfigError, match="unknown option 'min_seconds'"):
        config.resolve(curate.INGEST_GROUPS, {"min_seconds": 3})


def test_a_stored_configuration_gives_the_same_configuration_back():
    made = config.resolve(curate.GROUPS, {"min_seconds": 4, "detectors": "hash,content", "max_motion": 9})
    assert config.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert config.from_json(Config().to_json()) == Config()


def test_the_resolved_configuration_is_kept_with_every_run(curated):
    runs = corpora.runs(curated)
    assert [r["job"] for r in runs] == ["curate", "scenes"]
    for row, seconds in zip(runs, (1.0, 1.45), strict=True):
        stored = json.loads((curated / "runs" / row["run_id"] / "config.json").read_text())
        assert json.loads(row["config"]) == stored
        assert config.from_json(stored).quality.min_seconds == seconds
        assert set(stored) == set(GROUPS), "defaults are stored too"
    versions = json.loads(runs[0]["versions"])
    assert {"python", "rushes", "pyarrow", "av", "deltalake"} <= set(versions)
    assert tables.snapshot(tables.open_corpus(str(curated))).run_id == runs[-1]["run_id"]
    assert set(runs[0]) == set(records.schema(records.RunRow).names)
