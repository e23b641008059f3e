"""Storyboards: a sentence, a few of them, or a screenplay as a campaign with a storyboard that a person goes on from.

It is a template and no writer: every shot is words of the text, with a camera, a length and its dialogue beside them.
A model that writes shots (`generation.asked_storyboards`) takes its place where one is named.
Screenplays are read by their form: headings with INT. and EXT., names in capitals above what they say, transitions.
"""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Final

import yaml

from generation.values import NAME
from transforms.settings import ConfigError

CAMERAS: Final = ("slow pan right", "slow push in", "slow orbit", "static", "slow pull out")
"""Moves in turn, for shots that name none."""
SHORTEST: Final = 1.0
"""Shortest shot that is made, in seconds; what would be shorter goes together with the one before."""
CARD_SECONDS: Final = 1.5
"""Length of the end card."""
SPEECH: Final = 2.5
"""Words said in a second, a calm pace."""
SIZES: Final = {"wide": (1280, 720), "story": (720, 1280), "square": (1080, 1080), "portrait": (1080, 1350)}
"""Formats by name: 16:9, 9:16, 1:1 and 4:5, in pixels."""

_LINE: Final = 0.8
"""Shortest time that a line may have, in seconds: less cannot be read."""
_HEADING: Final = re.compile(r"(INT\.?/EXT\.?|I/E\.?|INT\.?|EXT\.?)\s+(.+)")
_CUE: Final = re.compile(r"([^()]{1,40}?)\s*(\([^)]*\))?")
_TRANSITION: Final = re.compile(r"(CUT|DISSOLVE|FADE)\b[ A-Z]*[:.]?")
_QUOTED: Final = re.compile(
    '\u201c([^\u201d]+)\u201d|"([^"]+)"|\u00ab([^\u00bb]+)\u00bb|\u201e([^\u201c\u201d]+)[\u201c\u201d]'
)
_SAYS: Final = re.compile(
    r"[,\s]*(?:\band\b|\bund\b)?\s*\b(?:says?|asks?|whispers?|shouts?|sagt|fragt|ruft)\b[:,\s]*$", re.I
)
_ONLY_SAYS: Final = re.compile(r"(?:\w+\s+){1,3}(?:says?|asks?|whispers?|shouts?|sagt|fragt|ruft)[.,:]*", re.I)
"""Nothing but who says it: what is seen is the shot before."""
_SENTENCE: Final = re.compile(r"(?<=[.!?\u061f])\s+|(?<=[\u3002\uff01\uff1f])|\n\s*\n")
_NAMES_CAMERA: Final = re.compile(
    r"\b(?:close-?up|pan|tilt|zoom|dolly|tracking|push|pull|aerial|handheld|static)\b", re.I
)


@dataclasses.dataclass
class Scene:
    """A shot while it is read.

    Attributes:
        words: What is seen.
        setting: Where, from a heading.
        said: Speaker and words, in order.
        transition: Into what follows.
        camera: How it moves; empty: nobody said.
    """

    words: str
    setting: str = ""
    said: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    transition: str = "cut"
    camera: str = ""

    @property
    def weight(self) -> float:
        """How long it needs, beside others: as many words as are seen, more where something is said."""
        spoken = sum(_count(words) for _, words in self.said) / SPEECH
        return max(SHORTEST, min(4.0, _count(self.words) / 6), spoken + 0.5 if spoken else 0)


def storyboard(
    text: str,
    *,
    campaign: str,
    brand: str,
    language: str = "en",
    seconds: float = 15.0,
    formats: Sequence[str] = ("wide",),
    engine: str = "animatic",
    written: Callable[[str, str, float, int], list[Scene]] | None = None,
) -> str:
    """A campaign as YAML, with one storyboard, ready to be planned and to be edited.

    Args:
        text: A sentence, several, or a screenplay.
        campaign: Name of the campaign.
        brand: Name of the brand.
        language: Language of the text and of what is said (BCP 47).
        seconds: Length of each video.
        formats: Names of `SIZES`.
        engine: Engine of the only tier.
        written: Breaks the text into shots, by text, language, seconds and most shots; None: `read` does.

    Raises:
        ConfigError: There are no words, the name is none, or the length is too short for a shot and the end card.
    """
    # What no YAML may hold, and nobody can see.
    text = "".join(
        " " if unicodedata.category(letter)[0] == "C" and letter not in "\n\t" else letter for letter in text
    )
    if not text.strip():
        raise ConfigError("there are no words to make a storyboard from")
    if not re.match(NAME, campaign):
        raise ConfigError(f"name {campaign!r}: letters, digits, dots, dashes and underscores")
    if unknown := [name for name in formats if name not in SIZES]:
        raise ConfigError(f"format {unknown[0]!r}: not one of {', '.join(SIZES)}")
    room = seconds - CARD_SECONDS
    if room < SHORTEST:
        raise ConfigError(f"{seconds:g} s: at least {SHORTEST + CARD_SECONDS:g} are needed for a shot and the end card")
    most = int(room // SHORTEST)
    scenes = together(written(text, language, room, most) if written else read(text), most)
    value = {
        "version": 1,
        "campaign": campaign,
        "prompt_language": language,
        "brand": {"name": brand},
        "languages": {language: {}},
        "formats": {
            name: {"width": SIZES[name][0], "height": SIZES[name][1], "seconds": _plain(seconds)} for name in formats
        },
        "storyboards": {"main": {"shots": _shots(scenes, room, language), "end_card": {}}},
        "tiers": {"draft": {"engine": engine}},
        "budget": {"currency": "USD", "campaign": "0.00"},
    }
    told = " ".join(text.split())
    head = f"# A storyboard made from: {told if len(told) <= 90 else told[:89] + '…'}\n"
    head += "# Edit it, add products, copy, languages and formats (docs/campaign.md), then `rushes plan` it.\n\n"
    dumped: str = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=110)
    return head + dumped


def read(text: str) -> list[Scene]:
    """The shots of a text: of a screenplay by its form, of sentences one each, of a single sentence three views."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if any(_HEADING.fullmatch(line) for line in lines):
        return _screenplay(lines)
    sentences = [" ".join(part.split()) for part in _SENTENCE.split(text.strip()) if part.strip()]
    scenes: list[Scene] = []
    for scene in (_spoken(Scene(sentence)) for sentence in sentences):
        if scenes and scene.said and _ONLY_SAYS.fullmatch(scene.words):
            scenes[-1].said += scene.said
        else:
            scenes.append(scene)
    if len(scenes) == 1:
        only = scenes[0]
        said = only.words if only.words[1:2].isupper() else only.words[:1].lower() + only.words[1:]
        return [Scene(f"Wide view: {said}"), only, Scene(f"Close-up of what matters most: {said}")]
    return scenes


def together(scenes: Sequence[Scene], most: int) -> list[Scene]:
    """At most so many shots: the shortest go together with the one before."""
    made = list(scenes)
    while len(made) > max(1, most):
        at = min(range(1, len(made)), key=lambda n: made[n - 1].weight + made[n].weight)
        one, other = made[at - 1], made.pop(at)
        words = f"{one.words.rstrip('.')}. {other.words}" if one.words and other.words else one.words or other.words
        setting, camera = one.setting or other.setting, one.camera or other.camera
        made[at - 1] = Scene(words, setting, one.said + other.said, other.transition, camera)
    return made


def _screenplay(lines: Sequence[str]) -> list[Scene]:
    scenes: list[Scene] = []
    action: list[str] = []
    setting, at = "", 0

    def end_action() -> None:
        if action:
            scenes.append(_spoken(Scene(" ".join(action), setting)))
            action.clear()

    while at < len(lines):
        line = lines[at]
        at += 1
        if heading := _HEADING.fullmatch(line):
            end_action()
            setting = _place(*heading.groups())
        elif not line:
            end_action()
        elif _TRANSITION.fullmatch(line):
            end_action()
            if scenes:
                scenes[-1].transition = {"D": "dissolve", "F": "fade"}.get(line[0], "cut")
        elif _is_cue(line) and at < len(lines) and lines[at]:
            end_action()
            speaker = _CUE.fullmatch(line)[1].strip().capitalize()  # type: ignore[index]
            said = []
            while at < len(lines) and lines[at]:
                if not (lines[at].startswith("(") and lines[at].endswith(")")):
                    said.append(lines[at])
                at += 1
            if not scenes or scenes[-1].setting != setting:
                scenes.append(Scene(f"{speaker} speaks", setting))
            if said:
                scenes[-1].said.append((speaker, " ".join(said)))
        else:
            action.append(line)
    end_action()
    return scenes or [Scene(setting)]


def _is_cue(line: str) -> bool:
    found = _CUE.fullmatch(line)
    return bool(found and found[1].isupper() and not found[1].endswith((".", ":", "!", "?")))


def _place(where: str, what: str) -> str:
    inside = "indoors and outdoors" if "/" in where else "indoors" if where.startswith("I") else "outdoors"
    parts = [part.strip().lower() for part in re.split(r"\s+[-\u2013\u2014]\s+", what) if part.strip()]
    return ", ".join([*parts, inside])


def _spoken(scene: Scene) -> Scene:
    """A shot with what stands in quotation marks as its dialogue."""
    found = [next(group for group in each.groups() if group).strip() for each in _QUOTED.finditer(scene.words)]
    scene.said += [("", words.rstrip(",")) for words in found if words.rstrip(",")]
    if scene.said:
        left = " ".join(_SAYS.sub("", part).strip(" ,") for part in _QUOTED.split(scene.words)[:: _QUOTED.groups + 1])
        scene.words = " ".join(left.split()).rstrip(" ,:") or scene.said[0][1]
    return scene


def _shots(scenes: Sequence[Scene], room: float, language: str) -> list[dict[str, Any]]:
    least = SHORTEST / 2
    scale = (room - least * len(scenes)) / sum(scene.weight for scene in scenes)
    shots: list[dict[str, Any]] = []
    for at, scene in enumerate(scenes):
        shot: dict[str, Any] = {"name": f"shot-{at + 1}", "prompt": _braced(scene.words)}
        seconds = math.floor(10 * (least + scene.weight * scale)) / 10
        if at < len(scenes) - 1:  # The last has what remains, to the frame.
            shot["seconds"] = seconds
        if scene.setting:
            shot["setting"] = _braced(scene.setting)
        if scene.camera:
            shot["camera"] = _braced(scene.camera)
        elif not _NAMES_CAMERA.search(scene.words):
            shot["camera"] = CAMERAS[at % len(CAMERAS)]
        if scene.said:
            shot["dialogue"] = _dialogue(scene.said, seconds, language)
        if scene.transition != "cut":
            shot["transition"] = scene.transition
        shots.append(shot)
    return shots


def _dialogue(said: Sequence[tuple[str, str]], seconds: float, language: str) -> list[dict[str, Any]]:
    """Lines one after the other, as fast as they are said, or faster where the shot is short."""
    if len(said) * _LINE > seconds:
        said = [("", " ".join(words for _, words in said))]
    needs = [_count(words) / SPEECH + 0.2 for _, words in said]
    spare = seconds - _LINE / 2 * len(said)
    scale = min(1.0, spare / sum(needs))
    lines, at = [], 0.0
    for (speaker, words), need in zip(said, needs, strict=True):
        named = {"speaker": speaker} if speaker else {}
        lines.append({**named, "text": {language: _braced(words)}, "at": round(at, 1)})
        at += _LINE / 2 * (scale < 1) + need * scale
    return lines


def _count(words: str) -> float:
    """Words of a text; of scripts that set no spaces, two letters are taken for one."""
    dense = sum(unicodedata.east_asian_width(letter) in "WF" for letter in words)
    return len(words.split()) + dense / 2


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number
