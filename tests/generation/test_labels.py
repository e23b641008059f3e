"""Disclosure labels: by market, language, people and day."""

from __future__ import annotations

import datetime
from importlib.resources import files

import pytest
import yaml

from generation.asset import Asset, Brand, Copy, Format, ShotTake
from generation.labels import disclosure, label

NOW = datetime.date(2026, 11, 23)


@pytest.mark.parametrize(
    ("markets", "language", "people", "text", "rules"),
    [
        (["DE"], "de", False, "KI-generiert", ("eu-ai-act-50",)),
        (["DE", "FR"], "fr-FR", False, "Généré par IA", ("eu-ai-act-50",)),
        (["DE"], "xx", False, "AI-generated", ("eu-ai-act-50",)),
        (["US"], "en", False, "", ()),
        (["US"], "en", True, "Contains AI-generated performers", ("us-ny-synthetic-performer",)),
        (["US-NY"], "es", True, "Incluye intérpretes generados con IA", ("us-ny-synthetic-performer",)),
        (["US-CA"], "en", True, "", ()),
        (["us", "de"], "de", True, "Enthält KI-generierte Darsteller · KI-generiert",
         ("us-ny-synthetic-performer", "eu-ai-act-50")),
        (["CN"], "en", False, "AI-generated · AI生成", ("cn-labelling",)),
        (["CN"], "zh-Hans", False, "AI生成", ("cn-labelling",)),
        (["GB"], "en", True, "", ()),
    ],
)  # fmt: skip
def test_the_label_of_a_market(markets, language, people, text, rules):
    found = label(markets, language, people, NOW)
    assert (found.text, found.rules) == (text, rules)


def test_everywhere_asks_for_all_that_anybody_asks_for():
    found = label([], "ar", True, NOW)
    assert found.text.startswith("يتضمن")
    assert {"eu-ai-act-50", "cn-labelling", "kr-ai-basic-act", "us-ny-synthetic-performer"} <= set(found.rules)
    assert found.least_height == 0.05


def test_a_rule_applies_from_its_day():
    assert label(["DE"], "de", True, datetime.date(2026, 8, 1)).text == ""
    assert label(["DE"], "de", True, datetime.date(2026, 8, 2)).text == "KI-generiert"


def test_markets_without_a_rule_and_rules_that_bind_others_are_told():
    assert label(["GB"], "en", True, NOW).notes == ("GB: no rule is known (labels of 2026-11-23)",)
    (note,) = label(["US-CA"], "en", True, NOW).notes
    assert note.startswith("us-ca-sb-942: ")


def test_an_animatic_is_labelled_as_any_other():
    asset = Asset(
        campaign="c",
        cell="language=de",
        name="a",
        format=Format(name="wide", width=64, height=36, frames=10, frame_rate="25"),
        brand=Brand(name="b"),
        shots=(ShotTake(name="one", requests=("r",), start=0, frames=10),),
        copy=Copy(language="de"),
        markets=("AT",),
    )
    assert disclosure(asset, NOW) == "KI-generiert"


def test_every_rule_has_its_source_and_texts():
    listed = yaml.safe_load(files("generation").joinpath("labels.yaml").read_text(encoding="utf-8"))
    for rule in listed["rules"].values():
        assert rule["source"].startswith("https://")
        assert rule["when"] in ("any", "people", "told")
        assert isinstance(rule["since"], datetime.date)
        assert rule["title"]
        assert rule["about"]
        assert (rule["when"] == "told") != ("text" in rule)
        assert rule.get("language", "en") in listed["texts"].get(rule.get("text", "generated"))
