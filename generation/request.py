"""Request: the one thing that every engine is asked for, whatever the mode, and the id and seed that follow from it.

The id is made of everything that decides what comes back and of the cell it is for, so that a second run of an
unchanged campaign asks for nothing, and a changed prompt, engine or reference is another request.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import hmac
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from transforms.store import canonical

MODES: Final[Mapping[str, str]] = {
    "text": "from words alone",
    "image": "from words and an image that it begins with",
    "frames": "between a first and a last frame",
    "video": "from a video that is changed as the words say",
    "extend": "what comes after a video",
    "fill": "the part of a video that a mask leaves out",
    "remix": "an earlier result again, with other words",
    "storyboard": "several shots in one",
}
"""What a request may ask for."""

ROLES: Final[Mapping[str, str]] = {
    "image": "the picture that it begins with",
    "first_frame": "its first frame",
    "last_frame": "its last frame",
    "video": "the video that is changed or goes on",
    "mask": "what of the video is to be filled: white is new",
    "subject": "a product, person or character that it shows",
    "style": "a picture whose look it has",
    "sound": "sound that goes with it",
}
"""What an input is there for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input:
    """Something that a request is given beside words.

    Attributes:
        role: One of `ROLES`.
        uri: Where it is; empty where it is what another request makes.
        sha256: SHA-256 of its bytes, in hexadecimal; empty where it is what another request makes.
        request: Id of the request whose output it is; empty where it is a file.
        works: Ids of the licensed works and likenesses that are in it, as the registry names them, sorted.
    """

    role: str
    uri: str = ""
    sha256: str = ""
    request: str = ""
    works: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r}: not one of {', '.join(ROLES)}")
        if bool(self.sha256) == bool(self.request):
            raise ValueError(f"input {self.role}: either a file with its sha256, or a request")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shot:
    """A shot of a request for several.

    Attributes:
        prompt: Its words, as they are sent.
        frames: Its length.
    """

    prompt: str
    frames: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One paid call: what is asked of an engine, and what for.

    Sizes and frames are those that the engine makes, on its grid; what is cut off them afterwards is the asset's.

    Attributes:
        campaign: Name of the campaign.
        cell: Coordinates in its matrix, such as `product=flask/language=ar/format=story`.
        sample: Which of the cell's samples, from 0.
        shot: Name of the storyboard's shot.
        part: Which part of a shot that is longer than the engine makes at once, from 0.
        engine: Name of the engine.
        model: The engine's model.
        revision: Revision of the model, or digest of its weights; empty where nobody tells.
        tier: Tier of the engine, such as `draft`.
        mode: One of `MODES`.
        prompt: The words that are sent.
        negative: What is not wanted; empty: nothing is said.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        frames: Length in frames.
        frame_rate: Frames a second, as `24` or `24000/1001`.
        sound: Whether sound is asked for with the picture.
        inputs: What else it is given.
        shots: Its shots, of a request in the mode `storyboard`.
        parameters: Further parameters of the engine, sorted by name.
        policy: Digest of the registry's version that it was screened with when it was planned; empty: of none. It
            is no part of the id: what came back does not change with it, and is not paid for again.
    """

    campaign: str
    cell: str
    sample: int = 0
    shot: str = ""
    part: int = 0
    engine: str
    model: str = ""
    revision: str = ""
    tier: str = ""
    mode: str = "text"
    prompt: str
    negative: str = ""
    width: int
    height: int
    frames: int
    frame_rate: str
    sound: bool = False
    inputs: tuple[Input, ...] = ()
    shots: tuple[Shot, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    policy: str = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode {self.mode!r}: not one of {', '.join(MODES)}")

    @functools.cached_property
    def request_id(self) -> str:
        """SHA-256 of all of it, 32 hexadecimal digits. Where an input's file stands is no part of it."""
        return hashlib.sha256(canonical(_deciding(self.to_json())).encode()).hexdigest()[:32]

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return float(self.frames / Fraction(self.frame_rate))

    def seed(self, salt: str, attempt: int = 0, bits: int = 63) -> int:
        """The seed of an attempt: the first bits of an HMAC, so that nobody has to keep it and no two are alike.

        Args:
            salt: The campaign's own.
            attempt: From 0: what failed its checks is made again with another seed.
            bits: How many the engine takes, 1 to 63.
        """
        said = hmac.new(salt.encode(), f"{self.request_id}/{attempt}".encode(), hashlib.sha256).digest()
        return int.from_bytes(said[:8], "big") >> (64 - bits)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file or a database."""
        return {  # Not `dataclasses.asdict`: that copies what nobody changes, for five seconds in a hundred thousand.
            **{name: getattr(self, name) for name in _FIELDS},
            "inputs": [dict(vars(one)) for one in self.inputs],
            "shots": [dict(vars(one)) for one in self.shots],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Request:
        """What `to_json` gave, also after a way through JSON."""
        made = dict(values)
        made["inputs"] = tuple(Input(**{**one, "works": tuple(one["works"])}) for one in made.get("inputs", ()))
        made["shots"] = tuple(Shot(**one) for one in made.get("shots", ()))
        made["parameters"] = tuple((str(name), str(value)) for name, value in made.get("parameters", ()))
        return cls(**made)


def _deciding(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "policy": "", "inputs": [{**one, "uri": ""} for one in values["inputs"]]}


_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Request))
