"""Fonts: which are at hand, which characters they have, and the one that a text is set in.

The brand kit's own fonts come first, then those that are installed as packages with this one (open fonts for Latin,
Greek, Cyrillic, Arabic, Hebrew and Devanagari, so that every machine sets a text alike), then what the system has. A
text is set in one font that has all its characters; there is never a box in place of a letter.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageFont, features

from transforms.failures import ElementError
from transforms.settings import ConfigError

PACKAGES: Final = (
    "fontpkg_noto_sans",
    "fontpkg_noto_sans_arabic",
    "fontpkg_heebo",
    "fontpkg_noto_sans_devanagari",
)
"""Packages of open fonts (SIL Open Font License 1.1), by module, in the order in which they are asked."""

SYSTEM: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
"""Where systems keep fonts."""

_SAMPLES: Final = {
    "ar": "ا", "fa": "ا", "ur": "ا", "ps": "ا", "ckb": "ا", "he": "א", "yi": "א", "hi": "क", "mr": "क", "ne": "क",
    "bn": "ক", "ta": "க", "te": "త", "th": "ก", "ka": "ა", "hy": "ա", "ja": "あ", "ko": "한", "zh": "的",
}  # fmt: skip
"""A letter of languages that are not written in the Latin, Greek or Cyrillic script."""
_ENDINGS: Final = (".ttf", ".otf", ".ttc", ".otc")
_NAMED: Final = 4
"""Most characters that a message names."""
_SAN_SERIF: Final = ("sans", "gothic", "arial", "helvetica", "inter", "roboto")
"""Words in names of system fonts that are plain enough for any text."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Face:
    """A font file, as far as choosing it goes.

    Attributes:
        path: The file; of a collection its first font is used.
        family: Its family's name.
        least: Lightest weight that it has, 1 to 1000 (400 is regular, 700 is bold).
        most: Heaviest weight; `least` where it has but one.
        axes: Its axes of variation as (tag, default), in its own order; empty where it is not variable.
        italic: Whether it slants.
        characters: Code points that it has.
    """

    path: Path
    family: str
    least: float
    most: float
    axes: tuple[tuple[str, float], ...] = ()
    italic: bool = False
    characters: frozenset[int]

    def lacks(self, text: str) -> str:
        """The characters of a text that it does not have, each once, in the text's order."""
        return "".join(dict.fromkeys(c for c in text if ord(c) not in self.characters and not _unseen(c)))

    def away(self, weight: float) -> float:
        """How far the nearest weight that it has is from a wanted one."""
        return max(self.least - weight, weight - self.most, 0.0)


def check_shaping() -> None:
    """See that texts can be shaped, before any work.

    Raises:
        ConfigError: Pillow came without Raqm, or the FriBiDi library that it loads is not there.
    """
    if not features.check("raqm"):
        raise ConfigError(
            "texts cannot be shaped: Pillow finds no FriBiDi; install it (libfribidi0 on Debian and Ubuntu, fribidi "
            "in Homebrew) and a Pillow wheel that has Raqm"
        )


def font_for(
    text: str, size: int, language: str = "", weight: int = 400, files: Sequence[Path] = ()
) -> ImageFont.FreeTypeFont:
    """The font that a text is set in: the first that has all its characters, in the nearest weight.

    Args:
        text: What is to be set.
        size: Size in pixels of the em, 1 or more.
        language: Its language (BCP 47): a font that is made for its script comes first, also for a Latin name.
        weight: 100 (thin) to 900 (black).
        files: Font files of the brand, asked first.

    Raises:
        ConfigError: A file of the brand is no font; texts cannot be shaped.
        ElementError: `bad_copy`: no font has them all; the message names what the best of them lacks.
    """
    check_shaping()
    return _loaded(face_for(unicodedata.normalize("NFC", text), language, weight, tuple(files)), size, weight)


@functools.lru_cache(maxsize=4096)
def face_for(text: str, language: str = "", weight: int = 400, files: tuple[Path, ...] = ()) -> Face:
    """The face that `font_for` loads, see there."""
    best, lacking = None, text
    letter = _SAMPLES.get(language.lower().split("-")[0], "")
    for group in (_brand(files), _packaged(), _system()):
        fitting = [face for face in group if not face.lacks(text)]
        if fitting:
            return min(fitting, key=lambda face: (bool(face.lacks(letter)), face.away(weight)))
        for face in group:
            if best is None or len(face.lacks(text)) < len(lacking):
                best, lacking = face, face.lacks(text)
    named = ", ".join(f"{c!r} (U+{ord(c):04X} {unicodedata.name(c, 'no name')})" for c in lacking[:_NAMED])
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    raise ElementError(
        "bad_copy",
        f"no font has all of {text[:60]!r}: {best.family if best else 'none'} lacks {named}{more}; add a font that has "
        f"{_script(lacking[0])} to the brand kit, or install one",
    )


def _script(character: str) -> str:
    """The script of a character, by the first word of its name: `THAI CHARACTER SO SUA` is Thai."""
    return unicodedata.name(character, "these characters").split(" ")[0].capitalize()


def _unseen(character: str) -> bool:
    """Characters that leave no mark and need none: line ends, joiners, marks of direction, variation selectors."""
    return unicodedata.category(character) in ("Cc", "Cf") or "\ufe00" <= character <= "\ufe0f"


@functools.lru_cache(maxsize=256)
def _loaded(face: Face, size: int, weight: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(face.path), size, layout_engine=ImageFont.Layout.RAQM)
    if face.axes:
        wanted = min(max(float(weight), face.least), face.most)
        font.set_variation_by_axes([wanted if tag == "wght" else default for tag, default in face.axes])
    return font


@functools.lru_cache(maxsize=64)
def _brand(files: tuple[Path, ...]) -> tuple[Face, ...]:
    found = []
    for path in files:
        try:
            found.append(read_face(path))
        except (OSError, TTLibError, KeyError, AssertionError, ValueError) as error:
            raise ConfigError(f"fonts: {path} cannot be read as a font ({error}); give a .ttf or .otf file") from error
    return tuple(found)


@functools.cache
def _packaged() -> tuple[Face, ...]:
    places = [spec for name in PACKAGES if (spec := importlib.util.find_spec(name)) and spec.origin]
    return _readable(file for spec in places for file in sorted(Path(str(spec.origin)).parent.glob("files/*.ttf")))


@functools.cache
def _system() -> tuple[Face, ...]:
    files: list[Path] = []
    for folder in SYSTEM:
        for place, _, names in os.walk(Path(folder).expanduser()):
            files += [Path(place, name) for name in names if name.lower().endswith(_ENDINGS)]
    plain = [face for face in _readable(sorted(files)) if "mono" not in face.family.lower()]
    return tuple(sorted(plain, key=lambda face: not any(word in face.family.lower() for word in _SAN_SERIF)))


def _readable(files: Iterable[Path]) -> tuple[Face, ...]:
    """Faces of files that nobody named: what cannot be read, slants or is condensed is left out."""
    found = []
    for path in files:
        try:
            face = read_face(path)
        except Exception:  # Whatever is wrong with a font that nobody asked for, there are others.
            continue
        if not face.italic and "condensed" not in face.family.lower():
            found.append(face)
    return tuple(found)


def read_face(path: Path) -> Face:
    """What a font file has.

    Raises:
        OSError: It cannot be read.
        TTLibError, KeyError, AssertionError, ValueError: It is no font.
    """
    with TTFont(path, lazy=True, fontNumber=0) as font:
        tables: Any = font
        axes = tuple((str(a.axisTag), float(a.defaultValue)) for a in tables["fvar"].axes) if "fvar" in font else ()
        weights = [(a.minValue, a.maxValue) for a in tables["fvar"].axes if a.axisTag == "wght"] if axes else []
        own = float(tables["OS/2"].usWeightClass) if "OS/2" in font else 400.0
        least, most = weights[0] if weights else (own, own)
        return Face(
            path=Path(path),
            family=str(tables["name"].getBestFamilyName() or Path(path).stem),
            least=float(least),
            most=float(most),
            axes=axes,
            italic=bool(tables["head"].macStyle & 2),
            characters=frozenset(tables.getBestCmap() or ()),
        )
