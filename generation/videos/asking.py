"""Asking: the path and the form of a request in the `/v1/videos` format."""

from __future__ import annotations

import dataclasses
import json
import mimetypes
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from generation.engines.engine import Invalid
from generation.request import Request
from generation.videos.settings import DIALECTS, VideosApiSettings
from transforms.settings import ConfigError

_OURS: Final = frozenset({"prompt", "model", "size", "seconds", "width", "height", "num_frames", "fps", "seed", "n"})
"""Fields that the request itself decides."""
_TAKEN: Final = frozenset(
    {
        *("num_inference_steps", "guidance_scale", "guidance_scale_2", "true_cfg_scale", "flow_shift"),
        *("boundary_ratio", "max_sequence_length", "lora"),
    }
)
"""Parameters of a request that are fields of a form; others are for other engines, and are not sent."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What is sent.

    Attributes:
        path: Below the server's url.
        fields: Names and values, as text.
        files: Names and local files.
    """

    path: str
    fields: Mapping[str, str]
    files: Mapping[str, Path]


def extra_fields(text: str) -> dict[str, str]:
    """The setting `extra` as fields of a form.

    Raises:
        ConfigError: It is no JSON object, or sets what the request decides.
    """
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"extra={text}: not a JSON object; give one such as " + '{"guidance_scale": 4}')
    if ours := sorted(_OURS & set(found)):
        raise ConfigError(f"extra={text}: {ours[0]} is the request's own, and not to be set")
    return {name: _text(value) for name, value in found.items()}


def form_of(
    request: Request, key: str, seed: int, inputs: Mapping[int, Path], settings: VideosApiSettings, last: Path | None
) -> Form:
    """The form of a request.

    Args:
        request: The request.
        key: Id of the attempt, for the label.
        seed: Its seed.
        inputs: Local files, by number.
        settings: Of the server.
        last: The last frame of the video, where it goes on from that.

    Raises:
        Invalid: The server cannot be asked for that.
    """
    dialect, files = DIALECTS[settings.dialect], {}
    given = {one.role: inputs[n] for n, one in enumerate(request.inputs)}
    path = "videos"
    if request.mode == "extend" and last is not None:
        files["input_reference"] = last
    elif request.mode == "extend":
        path, files["video"] = "videos/extensions", _needed(given, "video", request)
    elif request.mode in ("video", "remix"):
        field = dialect.video or "video"
        path, files[field] = ("videos" if dialect.video else "videos/edits"), _needed(given, "video", request)
    elif request.mode == "image":
        files["input_reference"] = given.get("first_frame") or _needed(given, "image", request)
    elif request.mode != "text":
        raise Invalid(f"mode {request.mode}: this format has no field for it")
    fields = {**extra_fields(settings.extra), **{n: v for n, v in request.parameters if n in _TAKEN}}
    fields |= {"prompt": request.prompt, **({"model": settings.model} if settings.model else {})}
    if path != "videos/edits":
        fields |= _shape(request, settings)
    if dialect.seed:
        fields["seed"] = str(seed)
    if dialect.negative and request.negative:
        fields["negative_prompt"] = request.negative
    if dialect.sound and settings.sound:
        fields[dialect.sound] = _text(request.sound)
    if settings.label:
        fields[settings.label] = json.dumps({"request": key}) if settings.label == "metadata" else key
    return Form(path=path, fields=fields, files=files)


def media_type(path: Path) -> str:
    """The media type of a file, by its name."""
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def seconds_of(request: Request) -> str:
    """Its length as the format writes it: `8`, or `2.5`."""
    return f"{round(request.seconds, 3):g}"


def _shape(request: Request, settings: VideosApiSettings) -> dict[str, str]:
    dialect = DIALECTS[settings.dialect]
    if not dialect.exact:
        return {"size": f"{request.width}x{request.height}", "seconds": seconds_of(request)}
    rate = Fraction(request.frame_rate)
    said = {"num_frames": str(request.frames), "fps": f"{round(float(rate), 3):g}"}
    if dialect.pixels:
        return {**said, "width": str(request.width), "height": str(request.height)}
    return {**said, "size": f"{request.width}x{request.height}"}


def _needed(given: Mapping[str, Path], role: str, request: Request) -> Path:
    if role not in given:
        raise Invalid(f"mode {request.mode}: it is given no {role}")
    return given[role]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
