"""Policy: only `allow` lets footage in, unless somebody chose otherwise; a refusal never does."""

from __future__ import annotations

import pytest

from filters.rights.policy import RightsSettings, kept_out, pinned
from filters.rights.precedence import VERDICTS
from filters.rights.records import USES
from transforms.settings import ConfigError, from_mapping


def test_what_is_not_allowed_is_kept_out_unless_configured():
    assert [v for v in (*VERDICTS, "???") if not kept_out(v, RightsSettings())] == ["allow"]
    loose = from_mapping(RightsSettings, {"on_review": "let-in", "on_unknown": "let-in"})
    assert [v for v in (*VERDICTS, "???") if kept_out(v, loose)] == ["deny", "???"]


def test_every_use_has_its_regime():
    assert [RightsSettings().regime(use) for use in USES] == ["opt-out", "opt-out", "opt-in", "opt-out"]
    with pytest.raises(ConfigError, match="--train-regime"):
        from_mapping(RightsSettings, {"train_regime": "maybe"})


def test_a_job_is_pinned_to_a_version_and_a_moment():
    found = pinned(RightsSettings(territories=("DE", "WORLD"), as_of="2026-03-01"), "rights", 4)
    assert (found.rights, found.rights_version, found.as_of) == ("rights", 4, "2026-03-01T00:00:00+00:00")
    assert pinned(found, "rights", 4) == found
    assert pinned(RightsSettings(as_of="2026-03-01T02:00:00+02:00"), "rights", 4).moment == found.moment
    assert pinned(RightsSettings(), "rights", 4).as_of


@pytest.mark.parametrize(
    ("given", "said"),
    [({"territories": ("Germany",)}, "--territories Germany"), ({"as_of": "yesterday"}, "--as-of yesterday")],
)
def test_a_place_or_a_moment_that_is_none_is_refused(given: dict, said: str):
    with pytest.raises(ConfigError, match=said):
        pinned(RightsSettings(**given), "rights", 1)
