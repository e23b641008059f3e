"""Campaign: one file that says what is advertised, to whom, in which languages and forms, how, and for how much.

These are the models behind it; `rushes plan --schema` prints them as a JSON schema. A file is read and checked by
`generation.campaign_file`, with the line of whatever is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Final, Literal

import pydantic
from pydantic import BeforeValidator, Field, PrivateAttr

from generation.asset import File
from generation.marks import Marked, written
from generation.values import (
    ANY,
    Colour,
    Country,
    Currency,
    Level,
    Margin,
    Money,
    Name,
    Parameter,
    Rate,
    Roles,
    Seconds,
    Share,
    Side,
    Texts,
)

DIMENSIONS: Final = ("product", "audience", "storyboard", "language", "format", "tier")
"""What a matrix may vary, beside the names in `variants`."""


class Model(pydantic.BaseModel):
    """What all parts have in common: nothing changes, and a name that nobody knows is an error."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Margins(Model):
    """Room that text and logo keep from the edges, as shares of the picture's sides."""

    top: Margin = 0.05
    right: Margin = 0.05
    bottom: Margin = 0.05
    left: Margin = 0.05


class Colours(Model):
    """The brand's colours, `#rrggbb`."""

    primary: Colour = "#1f2a44"
    secondary: Colour = "#5b6b8c"
    accent: Colour = "#e4572e"
    background: Colour = "#101522"
    text: Colour = "#ffffff"


class BrandKit(Model):
    """How the brand looks and speaks."""

    name: Annotated[str, Field(min_length=1)]
    colours: Colours = Colours()
    fonts: tuple[str, ...] = ()
    """Font files, the first that has a text's letters is taken; none: fonts that are found."""
    logo: str = ""
    """A picture with transparency."""
    logo_width: Share = 0.18
    """Width of the logo as a share of the picture's smaller side."""
    clear_space: Share = 0.25
    """Room around the logo as a share of its height."""
    safe_area: Margins = Margins()
    banned: tuple[str, ...] = ()
    """Words and claims that the brand never uses, in any language."""
    legal: dict[str, Texts] = {}
    """Legal lines by market (ISO 3166-1 alpha-2), `*` for every market, each by language."""


class Product(Model):
    """What is advertised."""

    name: Texts
    look: str = ""
    """What it looks like, for prompts."""
    facts: tuple[str, ...] = ()
    """What is true of it. Where one stands in a prompt, it is sent as it stands."""
    claims: tuple[str, ...] = ()
    """Claims that it may make, in any language."""
    price: Texts = {}
    """As it is to be read, by language."""
    pictures: tuple[str, ...] = ()
    """Pictures of it. They go to every shot that shows it."""


class Language(Model):
    """A language of the campaign."""

    markets: tuple[Country, ...] = ()
    """Where videos in it are shown; none: the campaign's markets."""


class Format(Model):
    """A form that files are finished in."""

    width: Side
    height: Side
    seconds: Seconds
    frame_rate: Rate = "25"
    platform: str = ""
    """A name of `platforms.yaml`."""
    safe_area: Margins | None = None
    """Instead of the platform's."""
    loudness: Annotated[float, Field(ge=-40, le=-5)] | None = None
    """LUFS; none: the platform's."""

    @functools.cached_property
    def rate(self) -> Fraction:
        """Frames a second."""
        return Fraction(self.frame_rate)

    @functools.cached_property
    def frames(self) -> int:
        """Length in frames."""
        return round(Fraction(str(self.seconds)) * self.rate)


class Reference(Model):
    """Something to go by: a picture, a video, a sound, a person or a character."""

    file: str
    role: Roles = "subject"
    works: tuple[str, ...] = ()
    """Ids of licensed works and characters in it, as the registry names them."""
    likeness: str = ""
    """Id of the person in it, as the registry names them."""

    @property
    def every_work(self) -> tuple[str, ...]:
        """Works and likeness, sorted."""
        return tuple(sorted({*self.works, *([self.likeness] if self.likeness else [])}))


class Line(Model):
    """Something that is said."""

    text: Texts
    speaker: str = ""
    at: Annotated[float, Field(ge=0)] = 0.0
    """Seconds from the shot's beginning."""
    seconds: Seconds | None = None
    """How long its subtitle stands; none: until the next line, or the shot's end."""
    spoken: bool = True
    """Whether an engine that makes sound is asked to say it; subtitles have it in any case."""


class Transition(Model):
    """How a shot goes over into the next."""

    kind: Literal["cut", "dissolve", "fade"] = "cut"
    seconds: Annotated[float, Field(gt=0, le=5)] = 0.5


class Shot(Model):
    """A shot of a storyboard."""

    name: Name
    prompt: Annotated[str, Field(min_length=1)]
    """What is to be seen, in the campaign's `prompt_language`."""
    seconds: Seconds | None = None
    """None: it shares what the others and the end card leave."""
    subject: str = ""
    action: str = ""
    setting: str = ""
    camera: str = ""
    light: str = ""
    style: str = ""
    sound: str = ""
    """What is to be heard, apart from dialogue."""
    negative: str = ""
    """What is not wanted."""
    dialogue: tuple[Line, ...] = ()
    transition: Annotated[Transition, BeforeValidator(lambda v: {"kind": v} if isinstance(v, str) else v)] = (
        Transition()
    )
    references: tuple[str, ...] = ()
    """Names in `references`."""
    product: bool = True
    """Whether it shows the product: its pictures go with it."""
    continues: str = ""
    """An earlier shot that it goes on from."""
    remixes: str = ""
    """An earlier shot that is made again with these words."""
    copy_shown: Annotated[tuple[Literal["headline", "price", "call_to_action", "legal"], ...], Field(alias="copy")] = ()
    """What of the copy stands over it."""
    focus: tuple[Share, Share] = (0.5, 0.5)
    """Point that a crop is laid around, as shares of width and height."""
    parameters: dict[str, Parameter] = {}
    """Further parameters for the engine."""


class EndCard(Model):
    """The brand at the end."""

    seconds: Seconds | None = None
    """None: all that the shots leave; 1.5 where shots take what is left. It has more where shots leave more."""
    product: bool = True
    """Whether the product's first picture is on it."""


class Storyboard(Model):
    """Shots in order."""

    shots: Annotated[tuple[Shot, ...], Field(min_length=1)]
    subjects: tuple[str, ...] = ()
    """Names in `references` that go to every shot: the same person or character throughout."""
    end_card: EndCard | None = None
    music: str = ""
    """A name in `references`, of the role `sound`."""
    one_request: bool = False
    """All shots at once, from an engine with the mode `storyboard`."""
    people: bool = False
    """Whether people are to be seen."""


class CopyText(Model):
    """Words on every video, by language."""

    headline: Texts = {}
    price: Texts = {}
    call_to_action: Texts = {}
    legal: Texts = {}
    """Beside the brand's legal lines for the market."""


class Tier(Model):
    """An engine and how it is used."""

    engine: str
    """`NAME[:MODEL][,SETTING=VALUE...]`"""
    dialect: str = "plain"
    """How it wants its prompts."""
    side: Annotated[int, Field(ge=64, le=4320)] | None = None
    """Smaller side that is asked for, in pixels; none: the format's."""
    upscale: Annotated[float, Field(ge=1, le=4)] = 1.5
    """Most that a picture may be enlarged where the engine makes none of the format's size."""
    in_flight: Annotated[int, Field(ge=1)] | None = None
    per_minute: Annotated[int, Field(ge=1)] | None = None
    job_seconds: Annotated[float, Field(gt=0)] | None = None
    """How long a job takes, for the estimate."""
    leave_out: tuple[Roles, ...] = ()
    """Roles of references that are left out where the engine does not take them, instead of refusing."""
    sound: bool = True
    """Whether sound is asked for, where the engine makes it."""
    parameters: dict[str, Parameter] = {}


class Budget(Model):
    """What may be spent, in the currency of the engines' prices."""

    currency: Currency = "USD"
    campaign: Money = 0
    """In all. 0: nothing that costs money is sent."""
    cell: Money | None = None
    """For the requests of one cell."""
    day: Money | None = None
    """Within a day (UTC)."""


class Matrix(pydantic.BaseModel):
    """What is combined with what. A dimension that is not named has all of its levels."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[tuple[Level, ...], Field(min_length=1)]]

    rows: str = ""
    """A CSV or Parquet file whose rows are combinations of the dimensions it has as columns."""

    @property
    def levels(self) -> Mapping[str, tuple[str, ...]]:
        """Levels by dimension, of the dimensions that are named."""
        return self.__pydantic_extra__ or {}


Exclusion = dict[str, Annotated[tuple[Level, ...], BeforeValidator(lambda v: v if isinstance(v, list) else [v])]]


class Campaign(Model):
    """A campaign."""

    version: Literal[1] = 1
    campaign: Name
    salt: str = ""
    """Seeds follow from it; empty: the campaign's name."""
    brand: BrandKit
    markets: tuple[Country, ...] = ()
    """Where videos are shown, ISO 3166-1 alpha-2; none: everywhere."""
    prompt_language: str = "en"
    """Language that prompts are written in."""
    products: dict[Name, Product] = {}
    audiences: dict[Name, dict[Name, Texts]] = {}
    """Whatever prompts and copy say of an audience, by name: `{audience.setting}`."""
    variants: dict[Name, dict[Name, dict[Name, Texts]]] = {}
    """Further dimensions, such as `hook`, their levels, and what prompts and copy say of them: `{hook.line}`."""
    languages: Annotated[dict[str, Language], Field(min_length=1)]
    formats: Annotated[dict[Name, Format], Field(min_length=1)]
    references: dict[Name, Reference] = {}
    storyboards: Annotated[dict[Name, Storyboard], Field(min_length=1)]
    copy_text: Annotated[CopyText, Field(alias="copy")] = CopyText()
    matrix: Matrix = Field(default_factory=lambda: Matrix.model_validate({}))
    exclude: tuple[Exclusion, ...] = ()
    """Combinations that are left out: all that is named has to match."""
    samples: Annotated[int, Field(ge=1, le=100)] = 1
    """Videos of each cell."""
    tiers: Annotated[dict[Name, Tier], Field(min_length=1)] = {"draft": Tier(engine="animatic")}
    """The first is used where the matrix names none."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """How often a shot may be made whose result fails its checks."""
    sample_cells: Annotated[int, Field(ge=0)] = 0
    """Cells to be approved before the others are made."""
    budget: Budget = Budget()
    naming: str = ""
    """Names of files, such as `{campaign}_{product}_{language}_{format}_{sample}`; empty: all coordinates."""
    compare: tuple[Name, ...] = ()
    """Dimensions that are compared, beside `variants`."""

    _files: dict[str, File] = PrivateAttr(default_factory=dict)
    _rows: tuple[Mapping[str, str], ...] | None = PrivateAttr(default=None)
    _marked: Marked | None = PrivateAttr(default=None)

    def file(self, name: str) -> File:
        """A file that the campaign names, with its digest. Only of a campaign that was loaded."""
        return self._files[name]

    @property
    def seed_salt(self) -> str:
        """What seeds follow from, beside the request."""
        return self.salt or self.campaign

    @property
    def rows(self) -> tuple[Mapping[str, str], ...] | None:
        """Rows of the matrix' file; None: it names none."""
        return self._rows

    def hold(
        self, files: Mapping[str, File], rows: tuple[Mapping[str, str], ...] | None, marked: Marked | None = None
    ) -> Campaign:
        """The same with the files and rows that it names, and the lines that it stands in."""
        made = self.model_copy()
        made._files, made._rows, made._marked = dict(files), rows, marked
        return made

    def error(self, path: Sequence[str | int], words: str) -> str:
        """What is wrong with a part of it, with its line where the campaign was loaded."""
        return f"{self._marked.where(path) if self._marked else written(path)}: {words}"

    def named_files(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every file that goes in: where in the campaign, and its name."""
        for at, name in enumerate(self.brand.fonts):
            yield ("brand", "fonts", at), name
        if self.brand.logo:
            yield ("brand", "logo"), self.brand.logo
        for product_id, product in self.products.items():
            for at, name in enumerate(product.pictures):
                yield ("products", product_id, "pictures", at), name
        for name, reference in self.references.items():
            yield ("references", name, "file"), reference.file


def text_in(texts: Mapping[str, str], language: str) -> str | None:
    """A text in a language, or else in the language without its region, or else for any; None: there is none."""
    for tag in (language, language.split("-")[0], ANY):
        if tag in texts:
            return texts[tag]
    return None
