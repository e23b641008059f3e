"""Configuration: every setting of a job in one object, from the command line, a file, or code.

The settings classes stand beside the code they steer; here they are only gathered, named and turned into options.
"""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from captioning.captioner import CAPTIONERS
from captioning.checks import CheckSettings
from captioning.recogniser import RECOGNISERS
from captioning.scoring import SCORERS
from filters.quality import QualitySettings
from filters.rights.policy import RightsSettings
from filters.rights.signals.visit import SignalSettings
from transforms import settings
from transforms.audio import AudioSettings
from transforms.clips import BucketSettings
from transforms.cutting import ClipSettings
from transforms.measure import MeasureSettings
from transforms.pool import PoolSettings
from transforms.scenes import CutSettings
from transforms.settings import ConfigError, setting
from transforms.sources import ListSettings
from transforms.storage import StorageSettings


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How a run is carried out, and when it stops."""

    buckets: int = setting(
        16,
        "Buckets that each large table is split into; fixed when the output is created.",
        low=1,
        high=4096,
        scale=True,
    )
    failure_ratio: float = setting(
        0.1, "Largest share of failed sources before the run is refused.", low=0, high=1, scale=True
    )
    unreachable_ratio: float = setting(
        0.1, "Largest share of unreachable sources before the run is refused.", low=0, high=1, scale=True
    )
    least_failures: int = setting(20, "Fewer failures than this never refuse a run.", low=1, scale=True)
    verify: bool = setting(False, "Read every source again, also those that look unchanged.", scale=True)
    retry_failed: bool = setting(False, "Try sources again that failed before and look unchanged.", scale=True)
    report: bool = setting(True, "Write the run's page, runs/RUN_ID/report.html, at its end.", scale=True)


@dataclasses.dataclass(frozen=True)
class CaptionSettings:
    """Who describes kept clips, and who writes down what is said in them."""

    captioner: tuple[str, ...] = setting(
        ("attributes",),
        f"Who describes each kept clip, NAME[:MODEL][,SETTING=VALUE...] with a name out of {', '.join(CAPTIONERS)};"
        " several may be given",
        repeat=True,
    )
    preset: str | None = setting(
        None, "Captioners and a recogniser by one name, where they are not given: see `rushes models list`", scale=True
    )
    models: str | None = setting(
        None, "Folder where the weights of a preset lie, else the environment's RUSHES_MODELS", scale=True
    )
    window_seconds: float = setting(
        10.0,
        "Longest stretch of a clip that a model describes at once; a remainder under half of it joins the one before",
        unit="s",
        low=0.5,
        source="256 frames at 24 a second: NeMo Curator, Cosmos Curate",
    )
    recogniser: str | None = setting(
        None,
        f"Who writes down what is said, NAME:MODEL[,SETTING=VALUE...] with a name out of {', '.join(RECOGNISERS)}",
    )
    scorer: str | None = setting(
        None,
        "Who tells how well models' captions go with their frames, NAME:MODEL[,SETTING=VALUE...] with a name out of "
        f"{', '.join(SCORERS)}",
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of the jobs that turn sources into clips."""

    run: RunSettings = RunSettings()
    listing: ListSettings = ListSettings()
    storage: StorageSettings = StorageSettings()
    measure: MeasureSettings = MeasureSettings()
    audio: AudioSettings = AudioSettings()
    cut: CutSettings = CutSettings()
    quality: QualitySettings = QualitySettings()
    bucket: BucketSettings = BucketSettings()
    clips: ClipSettings = ClipSettings()
    captions: CaptionSettings = CaptionSettings()
    checks: CheckSettings = CheckSettings()
    rights: RightsSettings = RightsSettings()
    signals: SignalSettings = SignalSettings()
    pool: PoolSettings = PoolSettings()

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The resolved configuration, as it is stored with the run."""
        return {
            f.name: {
                k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(getattr(self, f.name)).items()
            }
            for f in dataclasses.fields(self)
        }


TITLES: dict[str, str] = {
    "run": "Run",
    "listing": "Sources",
    "storage": "Storage and network",
    "measure": "Measuring (changing one measures again)",
    "audio": "Audio (changing one extracts again)",
    "cut": "Scenes (nothing is decoded again)",
    "quality": "Quality filter (nothing is decoded again; 'none' switches one off)",
    "bucket": "Shape buckets",
    "clips": "Clip files (of the clips that are kept)",
    "captions": "Captions and transcripts (models: `rushes models`)",
    "checks": "Checks of captions (no model is asked again)",
    "rights": "Rights (decided anew in every run)",
    "signals": "Machine-readable signals (with --rights)",
    "pool": "Child processes",
}
"""What the help page calls each group."""


def group_class(group: str) -> type[Any]:
    """The settings class of a group."""
    found: type[Any] = typing.get_type_hints(Config)[group]
    return found


def option_groups(groups: Sequence[str]) -> dict[str, tuple[str, dataclasses.Field[Any]]]:
    """Every option of some groups: its name to its group and field.

    Raises:
        ConfigError: Two settings classes use one name: a fault of this program.
    """
    found: dict[str, tuple[str, dataclasses.Field[Any]]] = {}
    for group in groups:
        for field in dataclasses.fields(group_class(group)):
            if field.name in found:
                raise ConfigError(f"{field.name}: named by {found[field.name][0]} and by {group}")
            found[field.name] = (group, field)
    return found


def read_file(path: str) -> dict[str, Any]:
    """A configuration file, YAML or TOML by its suffix: options by name, in sections named as the groups or without
    any.

    Raises:
        ConfigError: It can't be read or isn't a mapping.
    """
    place = Path(path)
    try:
        text = place.read_text(encoding="utf-8")
        value = tomllib.loads(text) if place.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"--config {path}: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"--config {path}: expected options by name, found {type(value).__name__}")
    flat: dict[str, Any] = {}
    for name, entry in value.items():
        word = str(name).replace("-", "_")
        if isinstance(entry, dict) and word in TITLES:
            flat.update({str(k).replace("-", "_"): v for k, v in entry.items()})
        else:
            flat[word] = entry
    return flat


def resolve(groups: Sequence[str], *layers: Mapping[str, Any]) -> Config:
    """A configuration from layers of options by name; a later layer wins.

    Raises:
        ConfigError: An unknown option, a wrong type, or a value out of range.
    """
    known = option_groups(groups)
    chosen: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, value in layer.items():
            if name not in known:
                raise ConfigError(f"unknown option {name!r}; see --help for the options of this job")
            chosen.setdefault(known[name][0], {})[name] = value
    return Config(**{group: settings.from_mapping(group_class(group), values) for group, values in chosen.items()})


def from_json(value: Mapping[str, Mapping[str, Any]]) -> Config:
    """A configuration as `Config.to_json` wrote it."""
    return Config(**{group: settings.from_mapping(group_class(group), values) for group, values in value.items()})
