"""The `attributes` captioner: what was measured, said in a sentence.

It needs no model and claims nothing that is not a number in the clip's row: how long, which way up, how light, which
colour on average, how much changes from picture to picture, bars, black, stillness, and whether there is sound. What is
in the picture or said in it, it cannot know. Every text carries the flag `measured`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from captioning.captioner import caption_row

_LIGHT: Final = ((40.0, "dark"), (80.0, "dim"), (170.0, "moderately bright"), (math.inf, "bright"))
"""Mean luma below which a clip is called so."""
_CHANGE: Final = ((0.3, "hardly"), (3.0, "gently"), (8.0, "briskly"), (math.inf, "strongly"))
"""Mean luma change, as at 24 frames a second, below which the picture is said to change so; why it changes is not
measured."""
_STRENGTH: Final = ((6.0, "neutral grey"), (20.0, "muted"), (50.0, "clear"), (math.inf, "strong"))
"""Spread of mean red, green and blue below which the average colour is called so."""
_HUES: Final = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (165, "green"),
    (195, "cyan"),
    (255, "blue"),
    (345, "magenta"),
)
_MOSTLY: Final = 0.5
_ALL: Final = 0.99
_SILENT: Final = -60.0
"""Level in dBFS below which sound is called silence."""


@dataclasses.dataclass(frozen=True)
class AttributesSettings:
    """The `attributes` captioner has nothing to set."""


def _word(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    return next(word for limit, word in steps if value < limit)


def _hue(red: float, green: float, blue: float) -> str:
    """The name of a colour's hue; the colour must not be grey."""
    high, spread = max(red, green, blue), max(red, green, blue) - min(red, green, blue)
    if high == red:
        degrees = 60 * ((green - blue) / spread) % 360
    elif high == green:
        degrees = 60 * ((blue - red) / spread + 2)
    else:
        degrees = 60 * ((red - green) / spread + 4)
    return next((name for limit, name in _HUES if degrees < limit), "red")


def _colour(clip: Mapping[str, Any]) -> str:
    levels = clip["red"], clip["green"], clip["blue"]
    strength = _word(max(levels) - min(levels), _STRENGTH)
    return strength if strength == _STRENGTH[0][1] else f"{strength} {_hue(*levels)}"


def _share(share: float) -> str:
    return "all" if share >= _ALL else "most" if share >= _MOSTLY else "some" if share > 0 else "none"


def _orientation(clip: Mapping[str, Any], video: Mapping[str, Any]) -> str:
    width = clip["width"] - clip["crop_left"] - clip["crop_right"]
    height = clip["height"] - clip["crop_top"] - clip["crop_bottom"]
    across, _, down = (video.get("sample_aspect") or "1:1").partition(":")
    aspect = int(across) / int(down) if int(across) and int(down) else 1.0
    if (video.get("rotation") or 0) % 180 == 90:
        aspect = 1 / aspect
    shape = width * aspect / height
    return "square" if 0.95 <= shape <= 1.05 else "landscape" if shape > 1 else "portrait"


def _sound(clip: Mapping[str, Any]) -> str:
    if not clip["has_audio"]:
        return "none"
    level = clip["audio_rms"]
    return "unmeasured" if level is None else "silent" if level < _SILENT else "present"


def attributes_of(clip: Mapping[str, Any], video: Mapping[str, Any]) -> dict[str, Any]:
    """What can be said of a clip from its row, as words and numbers under fixed names."""
    split = {clip["start_reason"], clip["end_reason"]} & {"length", "stride"}
    return {
        "bars": [side for side in ("left", "right", "top", "bottom") if clip[f"crop_{side}"] > 0],
        "black": _share(clip["black_share"]),
        "colour": _colour(clip),
        "frozen": _share(clip["frozen_share"]),
        "light": _word(clip["luma"], _LIGHT),
        "changes": _word(clip["motion"], _CHANGE),
        "orientation": _orientation(clip, video),
        "seconds": round(clip["seconds"], 1),
        "sound": _sound(clip),
        "unit": "part of a shot" if split else "shot",
    }


_BARS: Final = {
    ("left", "right"): "Black bars at both sides.",
    ("top", "bottom"): "Black bars above and below.",
    ("left", "right", "top", "bottom"): "Black bars all round.",
}
_SOUNDS: Final = {
    "none": "No sound.",
    "silent": "The sound track is silent.",
    "present": "With sound.",
    "unmeasured": "With a sound track.",
}


def sentences(found: Mapping[str, Any]) -> str:
    """The attributes of a clip in plain English."""
    length = f"{found['seconds']:.1f}"
    article = "An" if length.startswith(("8", "11.", "18.")) else "A"
    unit = f"part of a {found['orientation']} shot" if found["unit"] != "shot" else f"{found['orientation']} shot"
    opening = f"{article} {length}-second {unit}" if found["seconds"] >= 0.1 else f"Less than 0.1 seconds: {unit}"
    if found["black"] == "all":
        said = [f"{opening}, all of it black."]
    else:
        changing = "hardly changing" if found["changes"] == "hardly" else f"changing {found['changes']}"
        said = [f"{opening}: {found['light']}, on average {found['colour']}, {changing} from frame to frame."]
        if found["black"] != "none":
            said.append(f"{found['black'].capitalize()} of it is black.")
        if found["frozen"] != "none":
            said.append(f"{found['frozen'].capitalize()} of it is frozen.")
    if found["bars"]:
        said.append(_BARS.get(tuple(found["bars"]), "Black bars at the edge."))
    said.append(_SOUNDS[found["sound"]])
    return " ".join(said)


@dataclasses.dataclass(frozen=True)
class Attributes:
    """Writes a `short` caption and a `structured` one (JSON) from a clip's measures."""

    settings: AttributesSettings = dataclasses.field(default_factory=AttributesSettings)
    name: str = "attributes"
    model: str = "attributes"
    revision: str = "1"
    kinds: tuple[str, ...] = ("short", "structured")

    def prompt_version(self, kind: str) -> str:
        """None: there is no prompt."""
        return ""

    def caption(self, clip: Mapping[str, Any], video: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Two rows of `captions`."""
        found = attributes_of(clip, video)
        structured = json.dumps(found, sort_keys=True, separators=(",", ":"))
        return [
            caption_row(self, clip, "short", sentences(found), language="en", flags=["measured"]),
            caption_row(self, clip, "structured", structured, flags=["measured"]),
        ]
