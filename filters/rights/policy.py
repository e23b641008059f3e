"""Policy: which registry a job goes by, which regime holds for each use, what becomes of what nobody decided."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from filters.rights.records import TERRITORIES
from transforms.settings import ConfigError, setting

REGIMES: Final = ("opt-out", "opt-in")
"""Allowed unless refused; refused unless granted."""

KEEP_OUT: Final = ("keep-out", "let-in")


@dataclass(frozen=True)
class RightsSettings:
    """What a job asks of the rights team's registry."""

    rights: str | None = setting(
        None, "Registry of rights to screen with, a folder or bucket; without one nothing is screened.", scale=True
    )
    rights_version: int | None = setting(
        None, "Version of the registry; none: the latest when the job is launched.", low=0, scale=True
    )
    as_of: str | None = setting(
        None, "Moment that is decided for, ISO 8601 in UTC; none: when the job is launched.", scale=True
    )
    train_regime: str = setting("opt-out", "Regime of training.", choices=REGIMES, scale=True)
    caption_regime: str = setting("opt-out", "Regime of captioning.", choices=REGIMES, scale=True)
    generate_regime: str = setting("opt-in", "Regime of generating.", choices=REGIMES, scale=True)
    display_regime: str = setting("opt-out", "Regime of showing.", choices=REGIMES, scale=True)
    territories: tuple[str, ...] = setting(
        (), "Countries in which the footage is to be used, ISO 3166-1 alpha-2; none: the whole world.", scale=True
    )
    recipient: str | None = setting(
        None, "Who uses the footage: grants made to certain recipients need it.", scale=True
    )
    on_review: str = setting(
        "keep-out", "What happens to footage that waits for a person.", choices=KEEP_OUT, scale=True
    )
    on_unknown: str = setting(
        "keep-out", "What happens to footage of which too little is known.", choices=KEEP_OUT, scale=True
    )
    on_generated: str = setting(
        "keep-out",
        "What happens in training to footage that is known to be generated, wholly or in part.",
        choices=KEEP_OUT,
        scale=True,
    )

    def regime(self, use: str) -> str:
        """The regime of a use."""
        return str(getattr(self, f"{use}_regime"))

    @property
    def moment(self) -> datetime:
        """The moment that is decided for, UTC.

        Raises:
            ConfigError: It is none.
        """
        try:
            found = datetime.fromisoformat(self.as_of) if self.as_of else datetime.now(UTC)
        except ValueError as error:
            raise ConfigError(f"--as-of {self.as_of}: no moment such as 2026-11-23 or 2026-11-23T09:00:00Z") from error
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def pinned(settings: RightsSettings, root: str, version: int) -> RightsSettings:
    """The settings with the registry, version and moment that a whole job goes by.

    Raises:
        ConfigError: A territory or the moment is none.
    """
    for name in settings.territories:
        if name not in TERRITORIES:
            raise ConfigError(f"--territories {name}: no code of ISO 3166-1 (such as DE), and not WORLD")
    moment = settings.moment.isoformat()
    return dataclasses.replace(settings, rights=root, rights_version=version, as_of=moment)


def kept_out(verdict: str, settings: RightsSettings) -> bool:
    """Whether a verdict keeps footage out."""
    chosen = {"allow": "let-in", "review": settings.on_review, "unknown": settings.on_unknown}
    return chosen.get(verdict) != "let-in"
