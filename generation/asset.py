"""Asset: one finished file of a campaign as it was planned: what it is cut from, what stands on it, its exact form.

Planning makes it, finishing follows it, and it holds everything between the two, so that a file can be finished again
from stored takes without the campaign. All times are frames of the finished file, counted from 0, so that lengths are
exact; an interval goes from `start` to the frame before `end`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from transforms.store import canonical

TRANSITIONS: Final[Mapping[str, str]] = {
    "cut": "the next shot begins at once",
    "dissolve": "both are seen, one over the other, while they overlap",
    "fade": "down to black and up again, within both shots; nothing overlaps",
}
"""How a shot goes over into what follows."""

COPY_ROLES: Final = ("headline", "price", "call_to_action", "legal")
"""What text over the picture may be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
    """A file that goes in.

    Attributes:
        uri: Where it is.
        sha256: SHA-256 of its bytes, in hexadecimal.
    """

    uri: str
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SafeArea:
    """Margins that text and logo keep free, each as a share of the picture's side, 0 to below 0.5.

    Attributes:
        top: Of the height.
        right: Of the width.
        bottom: Of the height.
        left: Of the width.
    """

    top: float = 0.05
    right: float = 0.05
    bottom: float = 0.05
    left: float = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """The exact form of the finished file.

    Attributes:
        name: As the campaign calls it, such as `story`.
        width: In pixels, even.
        height: In pixels, even.
        frames: Length of the whole file, end card and all, in frames.
        frame_rate: Frames a second, constant, as `25` or `30000/1001`.
        platform: Where it goes, a name of `platforms.yaml`; empty: nowhere in particular.
        safe_area: Of platform and brand together, the larger margin of each side.
        loudness: Integrated loudness to reach, in LUFS (ITU-R BS.1770).
        true_peak: Highest true peak, in dBTP.
        least_kbps: The platform's lowest video bit rate, in kbit/s; 0: none.
        most_bytes: Its largest file, in bytes; 0: no limit.
        audio_kbps: Bit rate of the sound, in kbit/s.
        sample_rate: Of the sound, in Hz.
    """

    name: str
    width: int
    height: int
    frames: int
    frame_rate: str
    platform: str = ""
    safe_area: SafeArea = SafeArea()
    loudness: float = -14.0
    true_peak: float = -1.0
    least_kbps: int = 0
    most_bytes: int = 0
    audio_kbps: int = 192
    sample_rate: int = 48_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brand:
    """How the brand looks.

    Attributes:
        name: The brand.
        primary: Its main colour, `#rrggbb`, as the other colours.
        secondary: Its second colour.
        accent: Colour of calls to action.
        background: Colour behind text and of end cards.
        text: Colour of text on `background`.
        fonts: Font files, the first that has a text's letters is taken; empty: fonts that are found.
        logo: Its logo, a picture with transparency; None: no logo.
        logo_width: Of the logo over the picture, as a share of the picture's smaller side, 0 to 1.
        clear_space: Room around the logo, as a share of its height.
    """

    name: str
    primary: str = "#1f2a44"
    secondary: str = "#5b6b8c"
    accent: str = "#e4572e"
    background: str = "#101522"
    text: str = "#ffffff"
    fonts: tuple[File, ...] = ()
    logo: File | None = None
    logo_width: float = 0.18
    clear_space: float = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShotTake:
    """A shot of the asset, and what it is cut from.

    Its parts lie one after the other: the take of a part has only its own frames, also where it goes on from another.
    Takes may be larger and longer than needed, at another frame rate and of another shape: they are brought to the
    format's rate, put in a row, cut off after `frames`, scaled until they cover the format, and cropped.

    Attributes:
        name: As the storyboard calls it.
        requests: Ids of the requests of its parts, in order.
        start: Frame of the asset that it begins at.
        frames: Its length, with the overlap into the next shot.
        transition: One of `TRANSITIONS`, into what follows it.
        transition_frames: Length of that; the overlap of a `dissolve`, half before and half after a `fade`, 0 of a cut.
        focus: Point of the picture that the crop is laid around, as shares of width and height.
        sound: Whether its takes bring sound.
    """

    name: str
    requests: tuple[str, ...]
    start: int
    frames: int
    transition: str = "cut"
    transition_frames: int = 0
    focus: tuple[float, float] = (0.5, 0.5)
    sound: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class EndCard:
    """The end of the asset: logo, headline, price, call to action and legal lines on the brand's background.

    Attributes:
        start: Frame that it begins at.
        frames: Its length: what remains exactly.
        picture: A picture on it, such as the product; None: none.
    """

    start: int
    frames: int
    picture: File | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """When a text stands over the shots.

    Attributes:
        role: One of `COPY_ROLES`.
        start: First frame.
        end: One after the last.
    """

    role: str
    start: int
    end: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subtitle:
    """A subtitle.

    Attributes:
        start: First frame.
        end: One after the last.
        text: What is said.
        speaker: Who says it; empty: not told.
    """

    start: int
    end: int
    text: str
    speaker: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Copy:
    """The words on the asset.

    Attributes:
        language: Language of all of it (BCP 47).
        headline: Empty, as the others: there is none.
        price: As it is to be read, such as `19,90 €`.
        call_to_action: Such as `Buy now`.
        legal: Legal lines.
        shown: When they stand over the shots. The end card has all of them, whatever this says.
        subtitles: What is said, by time.
        disclosure: Label that says how the video was made; empty: none is asked for.
    """

    language: str
    headline: str = ""
    price: str = ""
    call_to_action: str = ""
    legal: tuple[str, ...] = ()
    shown: tuple[Shown, ...] = ()
    subtitles: tuple[Subtitle, ...] = ()
    disclosure: str = ""

    def text(self, role: str) -> str:
        """The words of one of `COPY_ROLES`, legal lines one below the other."""
        return "\n".join(self.legal) if role == "legal" else str(getattr(self, role))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asset:
    """One finished file, as planned.

    Attributes:
        campaign: Name of the campaign.
        cell: Coordinates in its matrix, such as `product=flask/language=ar/format=story`.
        sample: Which of the cell's samples, from 0.
        name: By the campaign's naming convention, without an ending.
        format: Its form.
        brand: Its looks.
        shots: In order.
        copy: Words on it.
        end_card: Its end; None: it ends with the last shot.
        music: Sound under all of it; None: that of the shots alone.
        product: Id of the product; empty: none.
        markets: Where it is to be shown, ISO 3166-1 alpha-2, sorted; empty: everywhere.
        people: Whether people are to be seen in it, as the campaign says.
        works: Ids of the licensed works, characters and likenesses that go in, sorted.
        factors: What is compared, level by factor, sorted by factor: for A/B tests.
        lint: What its platform will not like and nevertheless takes, in words.
    """

    campaign: str
    cell: str
    sample: int = 0
    name: str
    format: Format
    brand: Brand
    shots: tuple[ShotTake, ...]
    copy: Copy
    end_card: EndCard | None = None
    music: File | None = None
    product: str = ""
    markets: tuple[str, ...] = ()
    people: bool = False
    works: tuple[str, ...] = ()
    factors: tuple[tuple[str, str], ...] = ()
    lint: tuple[str, ...] = ()

    @functools.cached_property
    def asset_id(self) -> str:
        """First 32 hexadecimal digits of a SHA-256 of campaign, cell and sample: it outlives a change of its words."""
        what = {"campaign": self.campaign, "cell": self.cell, "sample": self.sample}
        return hashlib.sha256(canonical(what).encode()).hexdigest()[:32]

    @property
    def requests(self) -> tuple[str, ...]:
        """Ids of all requests that it is made of, in order, each once."""
        return tuple(dict.fromkeys(one for shot in self.shots for one in shot.requests))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file or a database."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Asset:
        """What `to_json` gave, also after a way through JSON."""
        made = dict(values)
        form, brand, words = made["format"], made["brand"], made["copy"]
        made["format"] = Format(**{**form, "safe_area": SafeArea(**form["safe_area"])})
        fonts = tuple(File(**one) for one in brand["fonts"])
        made["brand"] = Brand(**{**brand, "fonts": fonts, "logo": _file(brand["logo"])})
        made["shots"] = tuple(
            ShotTake(**{**one, "requests": tuple(one["requests"]), "focus": tuple(one["focus"])})
            for one in made["shots"]
        )
        lists = {
            "legal": tuple(words["legal"]),
            "shown": tuple(Shown(**one) for one in words["shown"]),
            "subtitles": tuple(Subtitle(**one) for one in words["subtitles"]),
        }
        made["copy"] = Copy(**{**words, **lists})
        card = made["end_card"]
        made["end_card"] = card and EndCard(**{**card, "picture": _file(card["picture"])})
        made["music"] = _file(made["music"])
        made["factors"] = tuple((str(name), str(level)) for name, level in made["factors"])
        for name in ("markets", "works", "lint"):
            made[name] = tuple(made[name])
        return cls(**made)


def _file(values: Mapping[str, Any] | None) -> File | None:
    return None if values is None else File(**values)
